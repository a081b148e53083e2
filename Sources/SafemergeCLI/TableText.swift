import Adapters
import Checkpoints
import Safetensors

/// `ls --format table`: the modules of adapters, then tensors, as aligned columns and a line with the sums.
struct TableText: Sendable {
  private let listings: [Listing]
  private let tensors: [ListedTensor]
  private let showsBytes: Bool

  init(_ listings: [Listing], _ tensors: [ListedTensor], showsBytes: Bool) {
    self.listings = listings
    self.tensors = tensors
    self.showsBytes = showsBytes
  }

  func write(to output: inout StandardOutput) throws {
    for (number, listing) in listings.enumerated() {
      guard let adapter = listing.adapter else { continue }
      try write(listing, adapter, Set(tensors.lazy.filter { $0.listing == number }.map(\.index)), to: &output)
    }
    let plain = tensors.filter { listings[$0.listing].adapter == nil }
    if listings.contains(where: { $0.adapter == nil }) { try write(plain, to: &output) }
  }

  private func size(_ byteCount: Int) -> String { showsBytes ? String(byteCount) : Quantities.bytes(byteCount) }

  private func write(_ plain: [ListedTensor], to output: inout StandardOutput) throws {
    let files = listings.filter { $0.adapter == nil }.flatMap(\.files)
    let showsFile = files.count > 1
    let showsPath = listings.count > 1
    let alignments: [TextTable.Alignment] = [.left, .left, .left, .right] + (showsFile ? [.left] : [])
    var table = TextTable(
      header: ["NAME", "DTYPE", "SHAPE", "SIZE"] + (showsFile ? ["FILE"] : []), alignments: alignments)
    var parameters = 0
    var bytes = 0
    let chunks = stride(from: 0, to: plain.count, by: Self.rowsPerChunk).map { start in
      start..<min(start + Self.rowsPerChunk, plain.count)
    }
    let parts = try concurrentMap(chunks) { chunk in
      rows(plain[chunk], alignments, showsFile: showsFile, showsPath: showsPath)
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
    let some = plain.count == all ? "" : "\(Quantities.grouped(plain.count)) of "
    let count = some + Quantities.grouped(all)
    try output.write("\(count) tensors, \(Quantities.grouped(parameters)) parameters, \(size(bytes))\n")
  }

  /// Rows that one thread formats at a time.
  private static let rowsPerChunk = 4096

  private func rows(
    _ tensors: ArraySlice<ListedTensor>, _ alignments: [TextTable.Alignment], showsFile: Bool, showsPath: Bool
  ) -> (table: TextTable, parameters: Int, bytes: Int) {
    var table = TextTable(alignments: alignments, rowCount: tensors.count)
    var parameters = 0
    var bytes = 0
    // A checkpoint of 100,000 tensors has a handful of shapes: their texts are made once.
    var shapeTexts: [[Int]: String] = [:]
    var sizeTexts: [Int: String] = [:]
    for tensor in tensors {
      let file = listings[tensor.listing].files[tensor.file]
      let headers = file.header.tensors
      let shape = headers.shape(at: tensor.index)
      let byteCount = headers.dataOffsets(at: tensor.index).count
      parameters += shape.reduce(1, &*)
      bytes += byteCount
      table.add(tensor.name)
      table.add(headers.dtype(at: tensor.index).name)
      table.add(Self.text(of: shape, &shapeTexts, Quantities.shape))
      table.add(Self.text(of: byteCount, &sizeTexts, size))
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
    _ listing: Listing, _ adapter: Adapter, _ selected: Set<Int>, to output: inout StandardOutput
  ) throws {
    var table = TextTable(
      header: ["MODULE", "RANK", "ALPHA", "SCALING", "IN", "OUT", "DTYPE", "SIZE"],
      alignments: [.left, .right, .right, .right, .right, .right, .left, .right])
    var shown = 0
    var bytes = 0
    for layer in adapter.layers where layer.tensorIndices.contains(where: selected.contains) {
      let infos = layer.tensorIndices.map { adapter.header.tensors[$0] }
      let layerBytes = infos.reduce(0) { $0 + $1.byteCount }
      shown += 1
      bytes += layerBytes
      let dtypes = Set(infos.map(\.dtype)).sorted().map(\.name).joined(separator: ",")
      table.add(layer.module)
      table.add(String(layer.rank))
      table.add(Quantities.number(layer.alpha))
      table.add(Quantities.number(layer.scaling))
      table.add(String(layer.inFeatures))
      table.add(String(layer.outFeatures))
      table.add(dtypes)
      table.add(size(layerBytes))
    }
    try table.write(to: &output)
    let all = adapter.layers.count
    try output.write("\(shown == all ? "\(all)" : "\(shown) of \(all)") modules, \(size(bytes))\n")
  }
}
