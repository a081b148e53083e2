import MergePlanning
import TileKernels

/// Reads weights of bitsandbytes: two codes in a byte, and a scale for each block of the flat weight.
struct NibbleReader {
  private(set) var codes: [UInt8] = []
  private var scales = ScaleBuffer()

  mutating func read(
    _ type: QuantizedWeight.FourBitCodebook, block: Int, _ nested: QuantizedWeight.Nested?, _ elements: Range<Int>,
    _ context: WeightContext, into buffer: inout [UInt8]
  ) throws {
    let table = Codebooks.nibbles(type)
    if let map = context.weight.map {
      try scales.read(map, 0..<16, context)
      guard zip(table, scales.values).allSatisfy({ $0 == $1 }) else {
        throw context.error(map, .codeMap(type.rawValue))
      }
    }
    let blocks = elements.lowerBound / block..<(elements.upperBound - 1) / block + 1
    if let nested {
      try scales.readNested(nested, blocks, context)
    } else {
      try scales.read(context.weight.scales, blocks, context)
    }
    try context.readBytes(
      context.weight.codes, elements.lowerBound / 2..<(elements.upperBound - 1) / 2 + 1, into: &codes)
    var target = buffer.mutableSpan
    var output = unsafe target.mutableBytes
    let scales = scales.values
    try unsafe context.kernels.decoding.nibbles(
      codes.span.bytes, by: table.span, first: elements.lowerBound - blocks.lowerBound * block, count: elements.count,
      block: block, isHighFirst: true, scales: scales.span, into: &output, as: context.type)
  }
}
