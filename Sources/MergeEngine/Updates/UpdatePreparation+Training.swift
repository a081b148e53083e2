import MergePlanning
import TileKernels

extension UpdatePreparation {
  /// What the codes of each block were multiplied by in training, where these scales were codes themselves, by a pass over
  /// the tensor; nil where they were not.
  func trainingScales(_ tensor: ComputedTensor) throws -> [Float]? {
    guard case .numbersThroughQLoRA(let source, let training) = tensor.weight, training.isNested else { return nil }
    let type = try inputs.elementType(source.dtype)
    let count = tensor.update.rows * tensor.update.columns
    guard count > 0 else { return [] }
    var magnitudes: [Float] = []
    magnitudes.reserveCapacity((count - 1) / training.block + 1)
    var raw: [UInt8] = []
    var values: [Float] = []
    var found: [Float] = []
    let pieceCount = Self.pieceBlockCount * training.block
    for first in stride(from: 0, to: count, by: pieceCount) {
      let elements = first..<min(first + pieceCount, count)
      let start = source.range.lowerBound
      try inputs.read(
        source.input,
        start + elements.lowerBound * type.byteCount..<start + elements.upperBound * type.byteCount, into: &raw)
      values.grow(to: elements.count, filler: 0)
      try kernels.widen(raw, as: type, count: elements.count, into: &values)
      let blocks = (elements.count - 1) / training.block + 1
      found.grow(to: blocks, filler: 0)
      try kernels.findMagnitudes(values, count: elements.count, block: training.block, into: &found)
      magnitudes += found[..<blocks]
    }
    return DynamicCodebook.throughCodes(magnitudes)
  }

  private static let pieceBlockCount = 256
}
