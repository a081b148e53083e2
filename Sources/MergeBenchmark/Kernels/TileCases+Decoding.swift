import Safetensors
import TileKernels

/// Decoders of weights that are kept as codes, for one tile.
extension TileCases {
  static let decodingNames = ["decodeBlocks", "decodeNibbles", "decodeColumns"]

  /// As FP8 in blocks of 128 x 128, NF4 in blocks of 64 and MXFP4 in blocks of 32 need them. The numbers themselves do not
  /// matter.
  func decoding(_ type: ElementType) throws -> [KernelCase] {
    let count = rows * columns
    let output = Memory(byteCount: count * type.byteCount)
    // Whole blocks of rows are there in a matrix that is stored transposed.
    let matrixRows = (rows - 1) / 32 * 32 + 32
    let codes = try Memory.codes(max(count, matrixRows * columns / 2))
    let scaleBytes = try Memory.codes(matrixRows / 32 * columns)
    let numbers = try Memory.values(256, as: .f32)
    let scaleCount = max((rows / 128 + 1) * ((columns - 1) / 128 + 1), (count - 1) / 64 + 1)
    let scales = try Memory.values(scaleCount, as: .f32)
    func make(_ name: String, _ byteCount: Int, _ work: @escaping () throws -> Void) -> KernelCase {
      KernelCase(
        name: name, type: type, rows: rows, columns: columns, rank: nil, byteCount: byteCount + count * type.byteCount,
        operations: 0, reference: .copy, work: work)
    }
    return [
      make(Self.decodingNames[0], count) { [kernels, rows, columns] in
        var span = output.part(0..<output.bytes.count).mutableBytes
        try kernels.decoding.bytes(
          codes.part(0..<count).bytes, by: numbers.elements(Float.self, 256).span,
          CodeBlocks(firstRow: 0, rows: rows, columns: columns, scaleColumns: (columns - 1) / 128 + 1),
          blocks: (128, 128), scales: scales.elements(Float.self, scaleCount).span, into: &span, as: type)
      },
      make(Self.decodingNames[1], count / 2) { [kernels] in
        var span = output.part(0..<output.bytes.count).mutableBytes
        try kernels.decoding.nibbles(
          codes.part(0..<(count + 1) / 2).bytes, by: numbers.elements(Float.self, 16).span, first: 0, count: count,
          block: 64, isHighFirst: true, scales: scales.elements(Float.self, scaleCount).span, into: &span, as: type)
      },
      make(Self.decodingNames[2], count / 2) { [kernels, rows, columns] in
        var span = output.part(0..<output.bytes.count).mutableBytes
        try kernels.decoding.transposed(
          codes.part(0..<matrixRows * columns / 2).bytes, by: numbers.elements(Float.self, 16).span,
          scales: scaleBytes.part(0..<matrixRows / 32 * columns).bytes, by: numbers.elements(Float.self, 256).span,
          TransposedCodes(rows: matrixRows, columns: columns, block: 32, firstRow: 0, rowCount: rows), into: &span,
          as: type)
      },
    ]
  }
}

extension Memory {
  /// Random bytes.
  static func codes(_ byteCount: Int) throws -> Memory {
    let memory = Memory(byteCount: (byteCount + 7) / 8 * 8)
    let values = try NormalValues(.codes, .u8)
    values.fill(
      memory.bytes.assumingMemoryBound(to: UInt64.self), byteCount: memory.bytes.count, key: UInt64(byteCount))
    return memory
  }
}
