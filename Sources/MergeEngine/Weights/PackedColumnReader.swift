import MergePlanning
import Safetensors
import TileKernels

/// Reads weights that are stored transposed in words of 32 bits: GPTQ and AWQ. Some rows are read together and kept while they
/// are asked for, because a row has bits of every one of its words.
struct PackedColumnReader {
  private(set) var codes: [UInt8] = []
  /// A row for each row of the weight.
  private var scales: [Float] = []
  private var zeros: [Float] = []
  /// A byte each.
  private var unpacked: [UInt8] = []
  /// The rows that are held.
  private var slab: Slab?

  /// Some rows of a matrix that is stored transposed, as it is stored: a row has bits of every one of its words.
  private struct Slab {
    let source: MergePlan.Source
    let rows: Range<Int>
    /// Of the columns, where they do not follow each other.
    let groupOfColumn: [UInt32]
  }

  mutating func read(
    _ packed: QuantizedWeight.PackedColumns, _ elements: Range<Int>, _ context: WeightContext,
    into buffer: inout [UInt8]
  ) throws {
    let rows = elements.lowerBound / packed.columns..<elements.upperBound / packed.columns
    var row = rows.lowerBound
    while row < rows.upperBound {
      let start = row / packed.slabRows * packed.slabRows
      let slabRows = start..<min(start + packed.slabRows, packed.rows)
      let slab = try loadSlab(packed, slabRows, context)
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
      try context.kernels.decode(
        unpacked, by: Codebooks.integers, blocks, (1, packed.group), scales: scales, zeros: zeros,
        blockOfColumn: slab.groupOfColumn, into: &buffer, at: (row - rows.lowerBound) * packed.columns,
        as: context.type)
      row += part.count
    }
  }

  /// Unpacks some rows of words along the columns, in the order of GPTQ, to the start of ``unpacked``.
  private mutating func unpackColumns(bits: Int, rows: Range<Int>, of slabRows: Int, columns: Int) {
    let perWord = 32 / bits
    for (position, row) in rows.enumerated() {
      for column in 0..<columns {
        unpacked[position * columns + column] = WordCodes.code(
          codes, word: column / perWord * slabRows + row, place: column % perWord, bits: bits)
      }
    }
  }

  /// Makes ``codes``, ``scales`` and ``zeros`` those of some rows.
  private mutating func loadSlab(
    _ packed: QuantizedWeight.PackedColumns, _ rows: Range<Int>, _ context: WeightContext
  ) throws -> Slab {
    if let slab, slab.source == context.weight.codes, slab.rows == rows { return slab }
    slab = nil
    let groups = try readGroups(packed, context)
    try readZeros(packed, rows, context)
    try readColumns(context.weight.scales, rows, byteCount: context.weight.scales.dtype.bitCount / 8, packed, context)
    try transposeScales(rows.count, packed.groupCount, context)
    let isGPTQ = packed.order == .gptq
    try context.readStrided(
      context.weight.codes, rowCount: isGPTQ ? packed.columns * packed.bits / 32 : packed.columns,
      rowByteCount: isGPTQ ? packed.rows * 4 : packed.rows / 2,
      part: isGPTQ ? rows.lowerBound * 4..<rows.upperBound * 4 : rows.lowerBound / 2..<rows.upperBound / 2,
      into: &codes)
    let made = Slab(source: context.weight.codes, rows: rows, groupOfColumn: groups)
    slab = made
    return made
  }

  private mutating func readColumns(
    _ source: MergePlan.Source, _ rows: Range<Int>, byteCount: Int, _ packed: QuantizedWeight.PackedColumns,
    _ context: WeightContext
  ) throws {
    try context.readStrided(
      source, rowCount: packed.groupCount, rowByteCount: packed.rows * byteCount,
      part: rows.lowerBound * byteCount..<rows.upperBound * byteCount, into: &codes)
  }

  /// Widens the scales in ``codes``, a row for each group, to ``scales``, a row for each row of the weight.
  private mutating func transposeScales(_ rows: Int, _ groups: Int, _ context: WeightContext) throws {
    let type = try context.inputs.elementType(context.weight.scales.dtype)
    var wide = [Float](repeating: 0, count: rows * groups)
    try context.kernels.widen(codes, as: type, count: rows * groups, into: &wide)
    scales.grow(to: rows * groups, filler: 0)
    for row in 0..<rows {
      for group in 0..<groups { scales[row * groups + group] = wide[group * rows + row] }
    }
  }

  /// The zeros of some rows, a row for each row of the weight.
  ///
  /// - Throws: ``MergeError`` for a zero that its readers do not agree on, or that the config contradicts.
  private mutating func readZeros(
    _ packed: QuantizedWeight.PackedColumns, _ rows: Range<Int>, _ context: WeightContext
  ) throws {
    let (bits, groups) = (packed.bits, packed.groupCount)
    func refused(_ what: String) -> MergeError {
      context.error(packed.zeros, .codes(what))
    }
    try context.readStrided(
      packed.zeros, rowCount: groups, rowByteCount: packed.rows * bits / 8,
      part: rows.lowerBound * bits / 8..<rows.upperBound * bits / 8, into: &codes)
    let perWord = 32 / bits
    let places =
      packed.order == .gptq ? Array(0..<perWord) : [0, 4, 1, 5, 2, 6, 3, 7]
    let largest = 1 << bits - 1
    zeros = [Float](repeating: 0, count: rows.count * groups)
    for word in 0..<groups * (rows.count / perWord) {
      var found = [Int](repeating: 0, count: perWord)
      var carry = 0
      for place in 0..<perWord {
        let stored = Int(WordCodes.code(codes, word: word, place: place, bits: bits))
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
    _ packed: QuantizedWeight.PackedColumns, _ context: WeightContext
  ) throws -> [UInt32] {
    guard let source = packed.groupOfColumn else { return [] }
    try context.readBytes(source, 0..<packed.columns * 4, into: &codes)
    let groups = (0..<packed.columns).map { column in
      codes[column * 4..<column * 4 + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    guard groups.allSatisfy({ $0 < packed.groupCount }) else {
      throw context.error(source, .codes("a group in g_idx that has no scales"))
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
