import MergePlanning
import Platform
import Safetensors
import TileKernels

extension WeightReader {
  // MARK: - Rows

  mutating func readPackedRows(
    _ packed: QuantizedWeight.PackedRows, _ elements: Range<Int>, _ reading: ReadContext, into buffer: inout [UInt8]
  ) throws {
    let grid = packed.grid
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    try reading.readBytes(
      reading.weight.codes, rows.lowerBound * packed.rowByteCount..<rows.upperBound * packed.rowByteCount, into: &codes)
    unpacked.grow(to: elements.count, filler: 0)
    for row in 0..<rows.count {
      if packed.bits == 4 {
        try NibbleUnpacking.unpack(
          codes, first: row * packed.rowByteCount * 2, count: grid.columns, isHighFirst: false, into: &unpacked,
          at: row * grid.columns)
      } else {
        Self.unpack(
          codes, from: row * packed.rowByteCount, bits: packed.bits, count: grid.columns, into: &unpacked,
          at: row * grid.columns)
      }
    }
    let scaleRows = rows.lowerBound / grid.blockRows..<(rows.upperBound - 1) / grid.blockRows + 1
    zeros = []
    if let source = packed.zeros {
      try readZeros(source, scaleRows, columns: grid.scaleColumns, bits: packed.bits, reading)
    }
    var globalScale: Float?
    if let global = packed.globalScale {
      try readScales(global.source, 0..<1, reading)
      globalScale = scales[0]
    }
    let places = scaleRows.lowerBound * grid.scaleColumns..<scaleRows.upperBound * grid.scaleColumns
    var biases: [Float] = []
    if let source = packed.biases {
      try readScales(source, places, reading)
      biases = Array(scales[..<places.count])
    }
    try readScales(reading.weight.scales, places, reading)
    if let globalScale, let global = packed.globalScale {
      for index in 0..<places.count {
        scales[index] = global.isDivisor ? scales[index] / globalScale : scales[index] * globalScale
      }
    }
    let table =
      switch packed.numbers {
      case .e2m1: Codebooks.e2m1
      case .integers(_, let offset): packed.zeros == nil ? Codebooks.integers(less: offset) : Codebooks.integers
      }
    let blocks = CodeBlocks(
      firstRow: rows.lowerBound - scaleRows.lowerBound * grid.blockRows, rows: rows.count, columns: grid.columns,
      scaleColumns: grid.scaleColumns)
    try decode(table, blocks, (grid.blockRows, grid.blockColumns), reading, into: &buffer, at: 0)
    guard !biases.isEmpty else { return }
    // The product is rounded to the weight's dtype already.
    var wide = [Float](repeating: 0, count: rows.count * grid.columns)
    try Self.widen(buffer, as: reading.type, count: wide.count, into: &wide, reading.kernels)
    for row in 0..<rows.count {
      for column in 0..<grid.columns {
        wide[row * grid.columns + column] += biases[row * grid.scaleColumns + column / grid.blockColumns]
      }
    }
    try reading.kernels.round(wide, from: 0, count: wide.count, into: &buffer, as: reading.type)
  }

  /// Codes of so many bits in a row of bytes, the first in the lowest, none of which lies in two bytes.
  private static func unpack(
    _ bytes: [UInt8], from start: Int, bits: Int, count: Int, into codes: inout [UInt8], at place: Int
  ) {
    let perByte = 8 / bits
    let mask = UInt8(truncatingIfNeeded: 1 << bits - 1)
    for index in 0..<count {
      codes[place + index] = bytes[start + index / perByte] >> UInt8(index % perByte * bits) & mask
    }
  }

  /// Zeros of some rows of scales: as many rows in a word as fit, the first lowest.
  private mutating func readZeros(
    _ source: MergePlan.Source, _ rows: Range<Int>, columns: Int, bits: Int, _ reading: ReadContext
  ) throws {
    let perWord = 32 / bits
    let words = rows.lowerBound / perWord..<(rows.upperBound - 1) / perWord + 1
    try reading.readBytes(source, words.lowerBound * columns * 4..<words.upperBound * columns * 4, into: &codes)
    zeros = [Float](repeating: 0, count: rows.count * columns)
    for row in rows {
      for column in 0..<columns {
        let word = (row / perWord - words.lowerBound) * columns + column
        zeros[(row - rows.lowerBound) * columns + column] = Float(
          Self.code(codes, word: word, place: row % perWord, bits: bits))
      }
    }
  }

  /// One code of a word of 32 bits, the first lowest, none of which lies in two bytes.
  private static func code(_ words: [UInt8], word: Int, place: Int, bits: Int) -> UInt8 {
    words[word * 4 + place * bits / 8] >> UInt8(place * bits % 8) & UInt8(truncatingIfNeeded: 1 << bits - 1)
  }

  /// Decodes ``unpacked`` by ``scales`` and ``zeros`` to `buffer`.
  private func decode(
    _ table: [Float], _ blocks: CodeBlocks, _ block: (rows: Int, columns: Int), blockOfColumn: [UInt32] = [],
    _ reading: ReadContext, into buffer: inout [UInt8], at place: Int
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
    _ packed: QuantizedWeight.PackedColumns, _ elements: Range<Int>, _ reading: ReadContext, into buffer: inout [UInt8]
  ) throws {
    let rows = elements.lowerBound / packed.columns..<elements.upperBound / packed.columns
    var row = rows.lowerBound
    while row < rows.upperBound {
      let start = row / packed.slabRows * packed.slabRows
      let slabRows = start..<min(start + packed.slabRows, packed.rows)
      let slab = try loadSlab(packed, slabRows, reading)
      let part = row - start..<min(slabRows.upperBound, rows.upperBound) - start
      unpacked.grow(to: part.count * packed.columns, filler: 0)
      if packed.bits == 4 {
        try NibbleUnpacking.unpackTransposed(
          codes, packed.order == .gptq ? .columns : .rows,
          wordColumns: packed.order == .gptq ? slabRows.count : slabRows.count / 8, rows: part, columns: packed.columns,
          into: &unpacked)
      } else {
        unpackColumns(bits: packed.bits, rows: part, of: slabRows.count, columns: packed.columns)
      }
      let blocks = CodeBlocks(
        firstRow: part.lowerBound, rows: part.count, columns: packed.columns, scaleColumns: packed.groupCount)
      try decode(
        Codebooks.integers, blocks, (1, packed.group), blockOfColumn: slab.groupOfColumn, reading, into: &buffer,
        at: (row - rows.lowerBound) * packed.columns)
      row += part.count
    }
  }

  /// Unpacks some rows of words along the columns, in the order of GPTQ, to the start of ``unpacked``.
  private mutating func unpackColumns(bits: Int, rows: Range<Int>, of slabRows: Int, columns: Int) {
    let perWord = 32 / bits
    for (position, row) in rows.enumerated() {
      for column in 0..<columns {
        unpacked[position * columns + column] = Self.code(
          codes, word: column / perWord * slabRows + row, place: column % perWord, bits: bits)
      }
    }
  }

  /// Makes ``codes``, ``scales`` and ``zeros`` those of some rows.
  private mutating func loadSlab(
    _ packed: QuantizedWeight.PackedColumns, _ rows: Range<Int>, _ reading: ReadContext
  ) throws -> Slab {
    if let slab, slab.source == reading.weight.codes, slab.rows == rows { return slab }
    slab = nil
    let groups = try readGroups(packed, reading)
    try readZeros(packed, rows, reading)
    try readColumns(reading.weight.scales, rows, byteCount: reading.weight.scales.dtype.bitCount / 8, packed, reading)
    try transposeScales(rows.count, packed.groupCount, reading)
    let isGPTQ = packed.order == .gptq
    try readStrided(
      reading.weight.codes, rowCount: isGPTQ ? packed.columns * packed.bits / 32 : packed.columns,
      rowByteCount: isGPTQ ? packed.rows * 4 : packed.rows / 2,
      part: isGPTQ ? rows.lowerBound * 4..<rows.upperBound * 4 : rows.lowerBound / 2..<rows.upperBound / 2, reading)
    let made = Slab(source: reading.weight.codes, rows: rows, groupOfColumn: groups)
    slab = made
    return made
  }

  /// Reads the same bytes of every row of a matrix, one after the other, to ``codes``.
  private mutating func readStrided(
    _ source: MergePlan.Source, rowCount: Int, rowByteCount: Int, part: Range<Int>, _ reading: ReadContext
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
    _ source: MergePlan.Source, _ rows: Range<Int>, byteCount: Int, _ packed: QuantizedWeight.PackedColumns,
    _ reading: ReadContext
  ) throws {
    try readStrided(
      source, rowCount: packed.groupCount, rowByteCount: packed.rows * byteCount,
      part: rows.lowerBound * byteCount..<rows.upperBound * byteCount, reading)
  }

  /// Widens the scales in ``codes``, a row for each group, to ``scales``, a row for each row of the weight.
  private mutating func transposeScales(_ rows: Int, _ groups: Int, _ reading: ReadContext) throws {
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
  /// - Throws: ``MergeError`` for a zero that its readers do not agree on, or that the config contradicts.
  private mutating func readZeros(
    _ packed: QuantizedWeight.PackedColumns, _ rows: Range<Int>, _ reading: ReadContext
  ) throws {
    let (bits, groups) = (packed.bits, packed.groupCount)
    func refused(_ what: String) -> MergeError {
      MergeError(path: reading.inputs.path(of: packed.zeros.input), tensor: reading.tensor.name, .codes(what))
    }
    try readStrided(
      packed.zeros, rowCount: groups, rowByteCount: packed.rows * bits / 8,
      part: rows.lowerBound * bits / 8..<rows.upperBound * bits / 8, reading)
    let perWord = 32 / bits
    let places =
      packed.order == .gptq ? Array(0..<perWord) : [0, 4, 1, 5, 2, 6, 3, 7]
    let largest = 1 << bits - 1
    zeros = [Float](repeating: 0, count: rows.count * groups)
    for word in 0..<groups * (rows.count / perWord) {
      var found = [Int](repeating: 0, count: perWord)
      var carry = 0
      for place in 0..<perWord {
        let stored = Int(Self.code(codes, word: word, place: place, bits: bits))
        switch packed.storedZeros {
        case .plain: found[place] = stored
        case .lessOne:
          guard stored < largest else {
            throw refused(
              "a zero point of \(largest) in qzeros, which is \(largest + 1) to some and 0 to others")
          }
          found[place] = stored + 1
        case .lessOneByWord:
          // Less one everywhere: one is added to each place, and what does not fit to the next.
          let sum = stored + 1 + carry
          found[place] = sum & largest
          carry = sum >> bits
        }
      }
      let (group, first) = word.quotientAndRemainder(dividingBy: rows.count / perWord)
      for position in 0..<perWord {
        let zero = found[places[position]]
        if let only = packed.onlyZero, zero != only {
          throw refused(
            "a zero point of \(zero) in qzeros, where sym: true and the order of the zero points make it \(only); "
              + "another checkpoint_format may be meant")
        }
        zeros[(first * perWord + position) * groups + group] = Float(zero)
      }
    }
  }

  /// The group of each column; empty where they follow each other.
  ///
  /// - Throws: ``MergeError`` for a group that has no scales.
  private mutating func readGroups(
    _ packed: QuantizedWeight.PackedColumns, _ reading: ReadContext
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

extension QuantizedWeight.PackedColumns {
  /// Rows that are read together: as many as make 8 MiB of codes, whole words of zero points, at most 1024.
  var slabRows: Int {
    let perWord = 32 / bits
    return min(max(perWord, min(1024, (64 << 20) / bits / max(columns, 1)) / perWord * perWord), max(rows, perWord))
  }
}
