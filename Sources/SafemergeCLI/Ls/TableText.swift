import Adapters
import Checkpoints
import Checksums
import Inspection
import JSONText
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors

/// `ls --format table`: for each path the modules of an adapter, or the tensors, as aligned columns, and a line with totals.
struct TableText: Sendable {
  private let selection: ListSelection
  private let listings: [Listing]
  private let tensors: [ListedTensor]
  private let data: ListedData
  private let showsBytes: Bool
  private let screen: Screen
  /// For each listing, the tensors that the modules of its adapter change.
  var matches: [BaseMatches?]
  /// For each listing, whether its adapter fits the base, where that has an answer of its own.
  var fits: [BaseFit?]
  /// Whether adapters are shown as tensors too.
  var showsTensors = false

  /// - Parameter tensors: The rows; a quantized weight's row represents all of its tensors.
  init(
    _ selection: ListSelection, _ tensors: [ListedTensor], data: ListedData = .none, showsBytes: Bool,
    screen: Screen = .plain
  ) {
    self.selection = selection
    listings = selection.listings
    self.tensors = tensors
    self.data = data
    self.showsBytes = showsBytes
    self.screen = screen
    matches = listings.map { _ in nil }
    fits = listings.map { _ in nil }
  }

  func write(to output: inout StandardOutput) throws {
    var places: [[Int]] = listings.map { _ in [] }
    for (place, tensor) in tensors.enumerated() { places[tensor.listing].append(place) }
    for (number, listing) in listings.enumerated() {
      if listings.count > 1 {
        let title = screen.style.text("\(listing.title.escapingUnprintable)", .strong)
        try output.write("\(number > 0 ? "\n" : "")\(title)\n")
      }
      // What has no modules replaces tensors, which are shown as they are.
      if let adapter = listing.adapter, !showsTensors, !adapter.updates.isEmpty {
        let selected = Set(places[number].lazy.map { tensors[$0].index })
        try write(adapter, matches[number], selected, to: &output)
        if !selection.isFiltered, let facts = AdapterFacts(adapter) {
          try write(AdapterFactsText(facts).lines, to: &output)
        }
        if let fit = fits[number] { try write([("fits", fit.text.escapingUnprintable)], to: &output) }
      } else {
        try write(places[number], number, to: &output)
        if !selection.isFiltered, let facts = ImageModelFacts(listing, selection.weights[number]) {
          try write(ImageModelText(facts: facts, showsBytes: showsBytes).lines, to: &output)
        }
      }
    }
  }

  /// Lines below the totals.
  private func write(_ lines: [(label: String, text: String)], to output: inout StandardOutput) throws {
    for line in lines {
      for piece in screen.wrapped(LabeledLine.text(line.label, line.text), indentation: LabeledLine.indentation) {
        try output.write(piece + "\n")
      }
    }
  }

  private func size(_ byteCount: Int) -> String {
    showsBytes ? NumberText.grouped(byteCount) : NumberText.bytes(byteCount)
  }

  /// - Parameter places: The listing's rows, as positions in the list.
  private func write(_ places: [Int], _ listing: Int, to output: inout StandardOutput) throws {
    let files = listings[listing].files
    let showsFile = files.count > 1
    let columns: [TextTable.Column] =
      [.name("NAME"), .left("DTYPE"), .left("SHAPE"), .right("SIZE")]
      + (data.figures == nil ? [] : ElementFigures.columns.map { .right($0.uppercased()) })
      + (data.tensorChecksums == nil ? [] : [.left("SHA256")])
      + (showsFile ? [.name("FILE", leastWidth: Self.leastFileWidth)] : [])
    var table = TextTable(columns, style: screen.style)
    var parameters = 0
    var bytes = 0
    let chunks = stride(from: 0, to: places.count, by: Self.rowsPerChunk).map { start in
      start..<min(start + Self.rowsPerChunk, places.count)
    }
    let parts = try WorkQueue.map(chunks) { chunk in
      self.table(of: places[chunk], columns, showsFile: showsFile)
    }
    for part in parts {
      table.widen(to: part.table)
      parameters += part.parameters
      bytes += part.bytes
    }
    try table.write(to: &output, width: screen.width)
    for var part in parts {
      part.table.widen(to: table)
      try part.table.write(to: &output, width: screen.width)
    }
    let all = files.reduce(0) { $0 + $1.header.tensors.count }
    let weights = places.compactMap { selection.weight(tensors[$0]) }
    let shown = weights.reduce(places.count) { $0 + $1.parts.count }
    let some = shown == all ? "" : "\(NumberText.grouped(shown)) of "
    let count = some + NumberText.counted(all, "tensor")
    let grouped =
      weights.isEmpty ? "" : "; \(NumberText.counted(weights.count, "quantized weight")), one row each"
    try write(
      "\(count), \(NumberText.counted(parameters, "parameter")), \(size(bytes))\(grouped)\(remarks(listing))",
      to: &output)
    guard let checksums = data.fileChecksums else { return }
    for file in files {
      guard let checksum = checksums[file.path] else { continue }
      try output.write("sha256 \(checksum)  \(file.path.escapingUnprintable)\n")
    }
  }

  private func write(_ line: String, to output: inout StandardOutput) throws {
    for line in screen.wrapped(line) { try output.write(line + "\n") }
  }

  /// Only for a whole model: totals over a part are not meaningful.
  private func remarks(_ listing: Int) -> String {
    selection.isFiltered ? "" : ModelTotals(listings[listing], selection.weights[listing]).remarks
  }

  /// The number of a shard is kept.
  private static let leastFileWidth = 14

  /// Rows that one thread formats at a time.
  private static let rowsPerChunk = 4096

  private func table(
    of places: ArraySlice<Int>, _ columns: [TextTable.Column], showsFile: Bool
  ) -> (table: TextTable, parameters: Int, bytes: Int) {
    var table = TextTable(columns, hasHeader: false, rowCount: places.count, style: screen.style)
    var parameters = 0
    var bytes = 0
    // A checkpoint of 100,000 tensors has a handful of shapes: their texts are cached.
    var shapeTexts: [[Int]: String] = [:]
    var sizeTexts: [Int: String] = [:]
    for place in places {
      let tensor = tensors[place]
      let file = listings[tensor.listing].files[tensor.file]
      let weight = selection.weight(tensor)
      let byteCount = selection.byteCount(tensor)
      parameters += selection.parameterCount(tensor)
      bytes += byteCount
      table.add(tensor.name)
      table.add(selection.elementType(tensor).name)
      if let weight, weight.shape == nil {
        table.add("?")
      } else {
        let shape = weight?.shape ?? file.header.tensors.shape(at: tensor.index)
        table.add(Self.text(of: shape, &shapeTexts, NumberText.shape))
      }
      table.add(Self.text(of: byteCount, &sizeTexts, size))
      if let all = data.figures {
        let figures = all[place]
        let cells = figures?.cells ?? ElementFigures.columns.map { _ in "-" }
        let isBad = (figures?.nanCount ?? 0) + (figures?.infinityCount ?? 0) > 0
        for (column, cell) in cells.enumerated() { table.add(cell, emphasis: isBad && column > 4 ? .alert : .none) }
      }
      if let checksums = data.tensorChecksums { table.add(checksums[place].description) }
      if showsFile { table.add(file.label) }
    }
    return (table, parameters, bytes)
  }

  private static func text<Key: Hashable>(
    of key: Key, _ texts: inout [Key: String], _ make: (Key) -> String
  ) -> String {
    if let text = texts[key] { return text }
    let text = make(key)
    texts[key] = text
    return text
  }

  /// A module is shown if one of its tensors was selected.
  private func write(
    _ adapter: Adapter, _ matches: BaseMatches?, _ selected: Set<Int>, to output: inout StandardOutput
  ) throws {
    let columns: [TextTable.Column] =
      [
        .name("MODULE"), .right("RANK"), .right("ALPHA"), .right("SCALING"), .right("IN"), .right("OUT"),
        .left("DTYPE"),
      ]
      + [.right("SIZE")] + (matches == nil ? [] : [.name("BASE")])
    var table = TextTable(columns, style: screen.style)
    var shown = 0
    var bytes = 0
    let updates = adapter.updates.enumerated().sorted { NaturalOrder.precedes($0.element.module, $1.element.module) }
    for (number, update) in updates where update.tensorIndices.contains(where: selected.contains) {
      let infos = update.tensorIndices.map { adapter.header.tensors[$0] }
      let updateBytes = infos.reduce(0) { $0 + $1.byteCount }
      shown += 1
      bytes += updateBytes
      let dtypes = Set(infos.map(\.dtype)).sorted().map(\.name).joined(separator: ",")
      table.add(update.module)
      table.add(update.rank.map { String($0) } ?? "-")
      table.add(update.alpha.map(NumberText.number) ?? "-")
      table.add(update.scaling.map(NumberText.number) ?? "-")
      table.add(update.inFeatures.map { String($0) } ?? "-")
      table.add(update.outFeatures.map { String($0) } ?? "-")
      table.add(dtypes)
      table.add(size(updateBytes))
      if let matches { table.add(matches.targets[number].map(\.string).joined(separator: ", ")) }
    }
    try table.write(to: &output, width: screen.width)
    let all = NumberText.counted(adapter.updates.count, "module")
    try write(
      "\(shown == adapter.updates.count ? all : "\(NumberText.grouped(shown)) of \(all)"), \(size(bytes))", to: &output)
  }
}
