import MergePlanning
import TileKernels

/// Reads weights whose codes are packed along the rows, with scales of blocks: compressed-tensors, torchao.
struct PackedRowReader {
  private(set) var codes: [UInt8] = []
  private var scales = ScaleBuffer()
  /// A byte each.
  private var unpacked: [UInt8] = []

  mutating func read(
    _ packed: QuantizedWeight.PackedRows, _ elements: Range<Int>, _ context: WeightContext, into buffer: inout [UInt8]
  ) throws {
    let grid = packed.grid
    let rows = elements.lowerBound / grid.columns..<(elements.upperBound - 1) / grid.columns + 1
    try context.readBytes(
      context.weight.codes, rows.lowerBound * packed.rowByteCount..<rows.upperBound * packed.rowByteCount, into: &codes)
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
    var zeros: [Float] = []
    if let source = packed.zeros {
      zeros = try readZeros(source, scaleRows, columns: grid.scaleColumns, bits: packed.bits, context)
    }
    var globalScale: Float?
    if let global = packed.globalScale {
      try scales.read(global.source, 0..<1, context)
      globalScale = scales.values[0]
    }
    let places = scaleRows.lowerBound * grid.scaleColumns..<scaleRows.upperBound * grid.scaleColumns
    var biases: [Float] = []
    if let source = packed.biases {
      try scales.read(source, places, context)
      biases = scales.first(places.count)
    }
    try scales.read(context.weight.scales, places, context)
    if let globalScale, let global = packed.globalScale {
      scales.rescale(places.count, by: globalScale, divides: global.isDivisor)
    }
    let table =
      switch packed.numbers {
      case .e2m1: Codebooks.e2m1
      case .integers(_, let offset): packed.zeros == nil ? Codebooks.integers(less: offset) : Codebooks.integers
      }
    let blocks = CodeBlocks(
      firstRow: rows.lowerBound - scaleRows.lowerBound * grid.blockRows, rows: rows.count, columns: grid.columns,
      scaleColumns: grid.scaleColumns)
    try context.kernels.decode(
      unpacked, by: table, blocks, (grid.blockRows, grid.blockColumns), scales: scales.values, zeros: zeros,
      into: &buffer, at: 0, as: context.type)
    guard !biases.isEmpty else { return }
    // The product is rounded to the weight's dtype already.
    var wide = [Float](repeating: 0, count: rows.count * grid.columns)
    try context.kernels.widen(buffer, as: context.type, count: wide.count, into: &wide)
    for row in 0..<rows.count {
      for column in 0..<grid.columns {
        wide[row * grid.columns + column] += biases[row * grid.scaleColumns + column / grid.blockColumns]
      }
    }
    try context.kernels.round(wide, from: 0, count: wide.count, into: &buffer, as: context.type)
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
    _ source: MergePlan.Source, _ rows: Range<Int>, columns: Int, bits: Int, _ context: WeightContext
  ) throws -> [Float] {
    let perWord = 32 / bits
    let words = rows.lowerBound / perWord..<(rows.upperBound - 1) / perWord + 1
    try context.readBytes(source, words.lowerBound * columns * 4..<words.upperBound * columns * 4, into: &codes)
    var zeros = [Float](repeating: 0, count: rows.count * columns)
    for row in rows {
      for column in 0..<columns {
        let word = (row / perWord - words.lowerBound) * columns + column
        zeros[(row - rows.lowerBound) * columns + column] = Float(
          WordCodes.code(codes, word: word, place: row % perWord, bits: bits))
      }
    }
    return zeros
  }
}
