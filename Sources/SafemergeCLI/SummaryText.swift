import Adapters
import JSONText
import MergeEngine
import Safetensors

/// `ls --summary`: what a path is, in a few lines.
struct SummaryText {
  let text: String

  init(_ listing: Listing) {
    let path = listing.title.escapingUnprintable
    if let adapter = listing.adapter {
      text = Self.adapterText(path, adapter)
      return
    }
    var sums: [DType: (tensors: Int, parameters: Int)] = [:]
    var bytes = 0
    for file in listing.files {
      for tensor in file.header.tensors {
        sums[tensor.dtype, default: (0, 0)].tensors += 1
        sums[tensor.dtype, default: (0, 0)].parameters += tensor.elementCount
        bytes += tensor.byteCount
      }
    }
    let tensors = sums.values.reduce(0) { $0 + $1.tensors }
    let parameters = sums.values.reduce(0) { $0 + $1.parameters }
    let files = listing.files.count == 1 ? "1 file" : "\(Quantities.grouped(listing.files.count)) shards"
    var lines = [
      "\(path)  \(files), \(Quantities.grouped(tensors)) tensors, \(Quantities.grouped(parameters)) parameters, "
        + "\(Quantities.grouped(bytes)) bytes of data"
    ]
    for (dtype, sum) in sums.sorted(by: { $0.value.parameters > $1.value.parameters }) {
      lines.append(
        "  \(dtype.name)  \(Quantities.grouped(sum.tensors)) tensors  \(Quantities.grouped(sum.parameters)) parameters")
    }
    var metadata: [String] = []
    for entry in listing.files.flatMap({ $0.header.metadata ?? [] }) {
      let item = "\(entry.key)=\(entry.value)".escapingUnprintable
      if !metadata.contains(item) { metadata.append(item) }
    }
    if !metadata.isEmpty { lines.append("  metadata  \(metadata.joined(separator: ", "))") }
    text = lines.joined(separator: "\n") + "\n"
  }

  private static func adapterText(_ path: String, _ adapter: Adapter) -> String {
    func range(_ values: [Double]) -> String {
      guard let smallest = values.min(), let largest = values.max() else { return "-" }
      let low = Quantities.number(smallest)
      return smallest == largest ? low : "\(low)..\(Quantities.number(largest))"
    }
    let layers = adapter.layers
    let parameters = adapter.header.tensors.reduce(0) { $0 + $1.elementCount }
    var lines = [
      "\(path)  LoRA  r=\(range(layers.map { Double($0.rank) })) alpha=\(range(layers.map(\.alpha))) "
        + "scaling=\(range(layers.map(\.scaling)))  \(Quantities.grouped(layers.count)) modules  "
        + "\(Quantities.grouped(parameters)) parameters"
    ]
    var leaves: [String] = []
    for layer in layers {
      let leaf = layer.module.split(separator: ".").last.map(String.init) ?? layer.module
      if !leaves.contains(leaf) { leaves.append(leaf) }
    }
    let base = adapter.baseModelName.map { "   base: \($0)" } ?? ""
    lines.append("  \(leaves.joined(separator: " "))\(base)".escapingUnprintable)
    return lines.joined(separator: "\n") + "\n"
  }
}
