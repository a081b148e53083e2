import Adapters
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors

/// `ls --summary`: a description of a path in a few lines.
struct SummaryText {
  let lines: [String]

  init(_ listing: Listing) {
    let path = listing.title.escapingUnprintable
    if let adapter = listing.adapter {
      lines = Self.adapterLines(path, adapter)
      return
    }
    let weights = listing.weights
    let image = ImageModelFacts(listing, weights)
    let totals = ModelTotals(listing, weights)
    let files = listing.files.count == 1 ? "1 file" : "\(NumberText.grouped(listing.files.count)) shards"
    var lines = [
      "\(path)  \(files), \(NumberText.grouped(totals.tensors)) tensors, "
        + "\(NumberText.grouped(totals.parameters)) parameters, \(NumberText.grouped(totals.bytes)) bytes of data"
    ]
    for (type, sum) in Self.sums(listing, weights) {
      lines.append(
        "  \(type.name)  \(NumberText.grouped(sum.tensors)) tensors  \(NumberText.grouped(sum.parameters)) parameters")
    }
    if let bits = totals.bitsPerWeight {
      lines.append(
        "  memory  \(NumberText.bytes(totals.bytes)) for the weights as stored (\(NumberText.short(bits)) bits per "
          + "parameter), plus \(image != nil || listing.model?.layout == .pipeline ? "" : "KV cache and ")activations")
    }
    if let active = totals.active { lines.append("  experts  \(ModelTotals.text(active))") }
    if let image { lines += Self.indented(ImageModelText(facts: image, showsBytes: false).lines) }
    var metadata: [String] = []
    for entry in listing.files.flatMap({ $0.header.metadata ?? [] }) {
      let item = "\(entry.key)=\(Self.shortened(entry.value))".escapingUnprintable
      if !metadata.contains(item) { metadata.append(item) }
    }
    if !metadata.isEmpty { lines.append("  metadata  \(metadata.joined(separator: ", "))") }
    self.lines = lines
  }

  func write(to output: inout StandardOutput, screen: Screen) throws {
    for line in lines { for piece in screen.wrapped(line, indentation: 4) { try output.write(piece + "\n") } }
  }

  private static func indented(_ lines: [(label: String, text: String)]) -> [String] {
    lines.map { "  \($0.label.padded(to: LabeledLine.indentation - 1))\($0.text)" }
  }

  /// A value of the metadata, of which some are pictures or lists of megabytes.
  private static func shortened(_ value: String) -> String {
    let scalars = value.unicodeScalars
    guard
      let end = scalars.index(scalars.startIndex, offsetBy: valueLimit, limitedBy: scalars.endIndex),
      end != scalars.endIndex
    else { return value }
    return String(scalars[..<end]) + "..."
  }

  private static let valueLimit = 500

  /// The tensors of each type and their parameters, largest first.
  private static func sums(
    _ listing: Listing, _ weights: StoredWeights
  ) -> [(type: ElementType, sum: (tensors: Int, parameters: Int))] {
    var sums: [ElementType: (tensors: Int, parameters: Int)] = [:]
    for (number, file) in listing.files.enumerated() {
      for (index, tensor) in file.header.tensors.enumerated() {
        let type: ElementType
        switch weights.role(file: number, index: index) {
        case .plain: type = .dtype(tensor.dtype)
        case .codes(let weight), .part(let weight): type = .format(weights.weights[weight].label)
        }
        sums[type, default: (0, 0)].tensors += 1
        sums[type, default: (0, 0)].parameters += weights.parameterCount(
          file: number, index: index, elementCount: tensor.elementCount)
      }
    }
    return sums.sorted { ($1.value.parameters, $0.key.name) < ($0.value.parameters, $1.key.name) }
      .map { (type: $0.key, sum: $0.value) }
  }

  private static func adapterLines(_ path: String, _ adapter: Adapter) -> [String] {
    let updates = adapter.updates
    let parameters = adapter.header.tensors.reduce(0) { $0 + $1.elementCount }
    let strength = StrengthText.ranges(adapter).map { "  \($0)" } ?? ""
    var lines = [
      "\(path)  \(adapter.config.methodName)\(strength)  \(NumberText.grouped(updates.count)) modules  "
        + "\(NumberText.grouped(parameters)) parameters"
    ]
    if let facts = AdapterFacts(adapter) { return lines + indented(AdapterFactsText(facts).lines) }
    var leaves: [String] = []
    for update in updates {
      let leaf = update.module.split(separator: ".").last.map(String.init) ?? update.module
      if !leaves.contains(leaf) { leaves.append(leaf) }
    }
    let base = adapter.baseModelName.map { "   base: \($0)" } ?? ""
    lines.append("  \(leaves.joined(separator: " "))\(base)".escapingUnprintable)
    return lines
  }
}
