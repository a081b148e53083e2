import MergePlanning
import Safetensors
import TileKernels

/// Scales of quantized weights, in fp32, however they are stored.
struct ScaleBuffer {
  /// At least as many as were read last; those behind them are old.
  private(set) var values: [Float] = []
  private var bytes: [UInt8] = []

  /// Makes the scales at `range` of a tensor the first ones.
  mutating func read(_ source: MergePlan.Source, _ range: Range<Int>, _ context: WeightContext) throws {
    try context.read(source, range, into: &bytes)
    values.grow(to: range.count, filler: 0)
    if let type = source.dtype.elementType {
      try context.kernels.widen(bytes, as: type, count: range.count, into: &values)
      return
    }
    let table =
      switch source.dtype {
      case .u8: Codebooks.powers
      case .f8E4M3: Codebooks.e4m3
      case .i8: Codebooks.int8
      default: Codebooks.e8m0
      }
    for index in 0..<range.count { values[index] = table[Int(bytes[index])] }
  }

  /// The first `count`.
  func first(_ count: Int) -> [Float] { Array(values[..<count]) }

  /// Makes these the scales.
  mutating func set(_ values: [Float]) { self.values = values }

  /// Multiplies or divides the first `count`.
  mutating func rescale(_ count: Int, by scale: Float, divides: Bool) {
    for index in 0..<count { values[index] = divides ? values[index] / scale : values[index] * scale }
  }

  /// Reads scales that are codes themselves: `map[code] * nested scale + offset`, product and sum rounded to fp32.
  mutating func readNested(
    _ nested: QuantizedWeight.Nested, _ blocks: Range<Int>, _ context: WeightContext
  ) throws {
    let outer = blocks.lowerBound / nested.block..<(blocks.upperBound - 1) / nested.block + 1
    try read(nested.scales, outer, context)
    let outerScales = first(outer.count)
    try read(nested.map, 0..<256, context)
    let map = first(256)
    try context.read(context.weight.scales, blocks, into: &bytes)
    values.grow(to: blocks.count, filler: 0)
    for (index, number) in blocks.enumerated() {
      let product = map[Int(bytes[index])] * outerScales[number / nested.block - outer.lowerBound]
      values[index] = product + nested.offset
    }
  }
}
