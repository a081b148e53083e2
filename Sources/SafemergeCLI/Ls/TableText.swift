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

/// `ls --format table`: the modules of adapters, then tensors, as aligned columns, and a line with totals.
struct TableText: Sendable {
  private let selection: ListSelection
  private let listings: [Listing]
  private let tensors: [ListedTensor]
  private let data: ListedData
  private let showsBytes: Bool
  private let style: TextStyle
  /// For each listing, the tensors that the modules of its adapter change.
  var matches: [BaseMatches?]
  /// Whether adapters are shown as tensors too.
  var showsTensors = false

  /// - Parameter tensors: The rows; a quantized weight's row represents all of its tensors.
  init(
    _ selection: ListSelection, _ tensors: [ListedTensor], data: ListedData = .none, showsBytes: Bool,
    style: TextStyle = .plain
  ) {
    self.selection = selection
    listings = selection.listings
    self.tensors = tensors
    self.data = data
    self.showsBytes = showsBytes
    self.style = style
    matches = listings.map { _ in nil }
  }

  func write(to output: inout StandardOutput) throws {
    func showsModules(_ listing: Int) -> Bool { listings[listing].adapter != nil && !showsTensors }
    for (number, listing) in listings.enumerated() where showsModules(number) {
      guard let adapter = listing.adapter else { continue }
      let selected = Set(tensors.lazy.filter { $0.listing == number }.map(\.index))
      try write(adapter, matches[number], selected, to: &output)
    }
    let plain = tensors.indices.filter { !showsModules(tensors[$0].listing) }
    let files = listings.indices.filter { !showsModules($0) }.flatMap { listings[$0].files }
    if !files.isEmpty { try write(plain, files, to: &output) }
    if let checksums = data.fileChecksums {
      for file in files {
        guard let checksum = checksums[file.path] else { continue }
        try output.write("sha256 \(checksum)  \(file.path.escapingUnprintable)\n")
      }
    }
  }

  private func size(_ byteCount: Int) -> String { showsBytes ? String(byteCount) : NumberText.bytes(byteCount) }

  private func write(_ plain: [Int], _ files: [Listing.File], to output: inout StandardOutput) throws {
    let showsFile = files.count > 1
    let showsPath = listings.count > 1
    let columns = (data.figures == nil ? [] : ElementFigures.columns.map { $0.uppercased() })
    let hash = data.tensorChecksums == nil ? [] : ["SHA256"]
    let alignments: [TextTable.Alignment] =
      [.left, .left, .left, .right] + columns.map { _ in .right } + hash.map { _ in .left } + (showsFile ? [.left] : [])
    var table = TextTable(
      header: ["NAME", "DTYPE", "SHAPE", "SIZE"] + columns + hash + (showsFile ? ["FILE"] : []),
      alignments: alignments, style: style)
    var parameters = 0
    var bytes = 0
    let chunks = stride(from: 0, to: plain.count, by: Self.rowsPerChunk).map { start in
      start..<min(start + Self.rowsPerChunk, plain.count)
    }
    let parts = try WorkQueue.map(chunks) { chunk in
      self.table(of: plain[chunk], alignments, showsFile: showsFile, showsPath: showsPath)
    }
    for part in parts {
      table.widen(to: part.table)
      parameters += part.parameters
      bytes += part.bytes
    }
    try table.write(to: &output)
    for var part in parts {
      part.table.widen(to: table)
      try part.table.write(to: &output)
    }
    let all = files.reduce(0) { $0 + $1.header.tensors.count }
    let weights = plain.compactMap { selection.weight(tensors[$0]) }
    let shown = weights.reduce(plain.count) { $0 + $1.parts.count }
    let some = shown == all ? "" : "\(NumberText.grouped(shown)) of "
    let count = some + NumberText.counted(all, "tensor")
    let grouped =
      weights.isEmpty ? "" : "; \(NumberText.counted(weights.count, "quantised weight")), one row each"
    try output.write(
      "\(count), \(NumberText.counted(parameters, "parameter")), \(size(bytes))\(grouped)\(remarks)\n")
  }

  /// Only for one whole model: totals over several, or over a part, are not meaningful.
  private var remarks: String {
    guard listings.count == 1, !selection.isFiltered else { return "" }
    return ModelTotals(listings[0], selection.weights[0]).remarks
  }

  /// Rows that one thread formats at a time.
  private static let rowsPerChunk = 4096

  private func table(
    of places: ArraySlice<Int>, _ alignments: [TextTable.Alignment], showsFile: Bool, showsPath: Bool
  ) -> (table: TextTable, parameters: Int, bytes: Int) {
    var table = TextTable(alignments: alignments, rowCount: places.count, style: style)
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
      if showsFile { table.add(showsPath ? file.path : file.label) }
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
    var table = TextTable(
      header: ["MODULE", "RANK", "ALPHA", "SCALING", "IN", "OUT", "DTYPE", "SIZE"] + (matches == nil ? [] : ["BASE"]),
      alignments: [.left, .right, .right, .right, .right, .right, .left, .right] + (matches == nil ? [] : [.left]),
      style: style)
    var shown = 0
    var bytes = 0
    for (number, update) in adapter.updates.enumerated()
    where update.tensorIndices.contains(where: selected.contains) {
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
    try table.write(to: &output)
    let all = adapter.updates.count
    try output.write("\(shown == all ? "\(all)" : "\(shown) of \(all)") modules, \(size(bytes))\n")
  }
}
