import MergePlanning
import Safetensors
import TileKernels

extension WeightReader {
  // MARK: - Rows

  mutating func readPackedRows(
    _ packed: QuantisedWeight.PackedRows, _ elements: Range<Int>, _ reading: Reading, into buffer: inout [UInt8]
  ) throws {
    let grid = packed.grid
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    try reading.readBytes(
      reading.weight.codes, rows.lowerBound * packed.rowByteCount..<rows.upperBound * packed.rowByteCount, into: &codes)
    unpacked.grow(to: elements.count, filler: 0)
    for row in 0..<rows.count {
      try PackedHalves.unpack(
        codes, first: row * packed.rowByteCount * 2, count: grid.columns, isHighFirst: false, into: &unpacked,
        at: row * grid.columns)
    }
    let scaleRows = rows.lowerBound / grid.blockRows..<(rows.upperBound - 1) / grid.blockRows + 1
    zeros = []
    if let source = packed.zeros { try readZeros(source, scaleRows, columns: grid.scaleColumns, reading) }
    var globalScale: Float?
    if let source = packed.globalScale {
      try readScales(source, 0..<1, reading)
      globalScale = scales[0]
    }
    try readScales(
      reading.weight.scales, scaleRows.lowerBound * grid.scaleColumns..<scaleRows.upperBound * grid.scaleColumns,
      reading)
    if let globalScale {
      for index in 0..<scaleRows.count * grid.scaleColumns { scales[index] /= globalScale }
    }
    let table =
      switch packed.numbers {
      case .e2m1: CodeTables.e2m1
      case .integers: packed.zeros == nil ? CodeTables.integersLess8 : CodeTables.integers
      }
    let blocks = CodeBlocks(
      firstRow: rows.lowerBound - scaleRows.lowerBound * grid.blockRows, rows: rows.count, columns: grid.columns,
      scaleColumns: grid.scaleColumns)
    try decode(table, blocks, (grid.blockRows, grid.blockColumns), reading, into: &buffer, at: 0)
  }

  /// Zeros of some rows of scales: eight rows in a word, the first lowest.
  private mutating func readZeros(
    _ source: MergePlan.Source, _ rows: Range<Int>, columns: Int, _ reading: Reading
  ) throws {
    let words = rows.lowerBound / 8..<(rows.upperBound - 1) / 8 + 1
    try reading.readBytes(source, words.lowerBound * columns * 4..<words.upperBound * columns * 4, into: &codes)
    zeros = [Float](repeating: 0, count: rows.count * columns)
    for row in rows {
      for column in 0..<columns {
        let byte = codes[((row / 8 - words.lowerBound) * columns + column) * 4 + row % 8 / 2]
        zeros[(row - rows.lowerBound) * columns + column] = Float(row % 2 == 0 ? byte & 15 : byte >> 4)
      }
    }
  }

  /// Decodes ``unpacked`` by ``scales`` and ``zeros`` to `buffer`.
  private func decode(
    _ table: [Float], _ blocks: CodeBlocks, _ block: (rows: Int, columns: Int), blockOfColumn: [UInt32] = [],
    _ reading: Reading, into buffer: inout [UInt8], at place: Int
  ) throws {
    let source = unsafe unpacked.span.bytes
    var target = buffer.mutableSpan
    var output = unsafe target.mutableBytes
    try reading.kernels.decode(
      source, by: table.span, blocks, blocks: block, scales: scales.span, zeros: zeros, blockOfColumn: blockOfColumn,
      into: &output, at: place, as: reading.type)
  }

  // MARK: - Transposed words

  /// Some rows of a matrix that is stored transposed, as it is stored: a row has bits of every one of its words.
  struct Slab {
    let source: MergePlan.Source
    let rows: Range<Int>
    /// Of the columns, where they do not follow each other.
    let groupOfColumn: [UInt32]
  }

  mutating func readPackedColumns(
    _ packed: QuantisedWeight.PackedColumns, _ elements: Range<Int>, _ reading: Reading, into buffer: inout [UInt8]
  ) throws {
    let rows = elements.lowerBound / packed.columns..<elements.upperBound / packed.columns
    var row = rows.lowerBound
    while row < rows.upperBound {
      let start = row / packed.slabRows * packed.slabRows
      let slabRows = start..<min(start + packed.slabRows, packed.rows)
      let slab = try loadSlab(packed, slabRows, reading)
      let part = row - start..<min(slabRows.upperBound, rows.upperBound) - start
      unpacked.grow(to: part.count * packed.columns, filler: 0)
      try PackedHalves.unpackTransposed(
        codes, packed.order == .gptq ? .columns : .rows,
        wordColumns: packed.order == .gptq ? slabRows.count : slabRows.count / 8, rows: part, columns: packed.columns,
        into: &unpacked)
      let blocks = CodeBlocks(
        firstRow: part.lowerBound, rows: part.count, columns: packed.columns, scaleColumns: packed.groupCount)
      try decode(
        CodeTables.integers, blocks, (1, packed.group), blockOfColumn: slab.groupOfColumn, reading, into: &buffer,
        at: (row - rows.lowerBound) * packed.columns)
      row += part.count
    }
  }

  /// Makes ``codes``, ``scales`` and ``zeros`` those of some rows.
  private mutating func loadSlab(
    _ packed: QuantisedWeight.PackedColumns, _ rows: Range<Int>, _ reading: Reading
  ) throws -> Slab {
    if let slab, slab.source == reading.weight.codes, slab.rows == rows { return slab }
    slab = nil
    let groups = try readGroups(packed, reading)
    try readZeros(packed, rows, reading)
    try readColumns(reading.weight.scales, rows, byteCount: reading.weight.scales.dtype.bitCount / 8, packed, reading)
    try transposeScales(rows.count, packed.groupCount, reading)
    let isGPTQ = packed.order == .gptq
    try readStrided(
      reading.weight.codes, rowCount: isGPTQ ? packed.columns / 8 : packed.columns,
      rowByteCount: isGPTQ ? packed.rows * 4 : packed.rows / 2,
      part: isGPTQ ? rows.lowerBound * 4..<rows.upperBound * 4 : rows.lowerBound / 2..<rows.upperBound / 2, reading)
    let made = Slab(source: reading.weight.codes, rows: rows, groupOfColumn: groups)
    slab = made
    return made
  }

  /// Reads the same bytes of every row of a matrix, one after the other, to ``codes``.
  private mutating func readStrided(
    _ source: MergePlan.Source, rowCount: Int, rowByteCount: Int, part: Range<Int>, _ reading: Reading
  ) throws {
    guard part.count < rowByteCount else {
      return try reading.readBytes(source, 0..<rowCount * rowByteCount, into: &codes)
    }
    guard rowCount * rowByteCount <= source.range.count else {
      throw MergeError(
        path: reading.inputs.path(of: source.input), tensor: reading.tensor.name,
        .inconsistentPlan("codes leave their tensor"))
    }
    let file = try reading.inputs.file(source.input)
    for row in 0..<rowCount {
      let start = source.range.lowerBound + row * rowByteCount + part.lowerBound
      try file.read(start..<start + part.count, into: &codes, at: row * part.count)
    }
  }

  private mutating func readColumns(
    _ source: MergePlan.Source, _ rows: Range<Int>, byteCount: Int, _ packed: QuantisedWeight.PackedColumns,
    _ reading: Reading
  ) throws {
    try readStrided(
      source, rowCount: packed.groupCount, rowByteCount: packed.rows * byteCount,
      part: rows.lowerBound * byteCount..<rows.upperBound * byteCount, reading)
  }

  /// Widens the scales in ``codes``, a row for each group, to ``scales``, a row for each row of the weight.
  private mutating func transposeScales(_ rows: Int, _ groups: Int, _ reading: Reading) throws {
    let type = try reading.inputs.elementType(reading.weight.scales.dtype)
    var wide = [Float](repeating: 0, count: rows * groups)
    try Self.widen(codes, as: type, count: rows * groups, into: &wide, reading.kernels)
    scales.grow(to: rows * groups, filler: 0)
    for row in 0..<rows {
      for group in 0..<groups { scales[row * groups + group] = wide[group * rows + row] }
    }
  }

  /// The zeros of some rows, a row for each row of the weight.
  ///
  /// - Throws: ``MergeError`` for a zero that its readers do not agree on.
  private mutating func readZeros(
    _ packed: QuantisedWeight.PackedColumns, _ rows: Range<Int>, _ reading: Reading
  ) throws {
    try readStrided(
      packed.zeros, rowCount: packed.groupCount, rowByteCount: packed.rows / 2,
      part: rows.lowerBound / 2..<rows.upperBound / 2, reading)
    let places = packed.order == .gptq ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 4, 1, 5, 2, 6, 3, 7]
    let groups = packed.groupCount
    zeros = [Float](repeating: 0, count: rows.count * groups)
    for group in 0..<groups {
      for row in 0..<rows.count {
        let place = places[row % 8]
        let byte = codes[group * rows.count / 2 + row / 8 * 4 + place / 2]
        let zero = place % 2 == 0 ? byte & 15 : byte >> 4
        // Less one, 15 is 0 to some readers and 16 to others.
        guard !packed.areZerosOneLess || zero < 15 else {
          throw MergeError(
            path: reading.inputs.path(of: packed.zeros.input), tensor: reading.tensor.name,
            .codes("a zero point of 15 in qzeros, which is 16 to some and 0 to others"))
        }
        zeros[row * groups + group] = Float(zero) + (packed.areZerosOneLess ? 1 : 0)
      }
    }
  }

  /// The group of each column; empty where they follow each other.
  ///
  /// - Throws: ``MergeError`` for a group that has no scales.
  private mutating func readGroups(
    _ packed: QuantisedWeight.PackedColumns, _ reading: Reading
  ) throws -> [UInt32] {
    guard let source = packed.groupOfColumn else { return [] }
    try reading.readBytes(source, 0..<packed.columns * 4, into: &codes)
    let groups = (0..<packed.columns).map { column in
      codes[column * 4..<column * 4 + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    guard groups.allSatisfy({ $0 < packed.groupCount }) else {
      throw MergeError(
        path: reading.inputs.path(of: source.input), tensor: reading.tensor.name,
        .codes("a group in g_idx that has no scales"))
    }
    return groups.indices.allSatisfy { groups[$0] == $0 / packed.group } ? [] : groups
  }
}

extension QuantisedWeight.PackedColumns {
  /// Rows that are read together: as many as make 8 MiB of codes, whole words, at most 1024.
  var slabRows: Int { min(max(8, min(1024, (16 << 20) / max(columns, 1)) / 8 * 8), max(rows, 8)) }
}
