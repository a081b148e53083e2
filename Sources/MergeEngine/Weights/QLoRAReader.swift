import MergePlanning
import Safetensors
import TileKernels

/// Reads weights as they were in training: each element through NF4 and back, with those that share its scale.
struct QLoRAReader {
  /// The elements as the base has them, with what shares scales with them; and those that were asked for.
  private var whole: [UInt8] = []
  private var asked = 0..<0
  private var values: [Float] = []
  private var magnitudes: [Float] = []

  /// The elements that were read last, as the base has them.
  var unquantized: ArraySlice<UInt8> { whole[asked] }

  /// Reads elements, quantizes and dequantizes them.
  ///
  /// - Parameter scales: What the codes of each block are multiplied by; nil: the largest magnitudes.
  mutating func read(
    _ tensor: ComputedTensor, _ source: MergePlan.Source, _ training: QLoRAQuantization, _ elements: Range<Int>,
    scales: [Float]?, _ inputs: InputFiles, _ kernels: KernelSet, into buffer: inout [UInt8]
  ) throws {
    let type = try inputs.elementType(source.dtype)
    let block = training.block
    buffer.grow(to: elements.count * type.byteCount, filler: 0)
    asked = 0..<0
    guard !elements.isEmpty else { return }
    let blocks = elements.lowerBound / block..<(elements.upperBound - 1) / block + 1
    let range = blocks.lowerBound * block..<min(blocks.upperBound * block, tensor.update.rows * tensor.update.columns)
    let start = source.range.lowerBound
    try inputs.read(
      source.input, start + range.lowerBound * type.byteCount..<start + range.upperBound * type.byteCount,
      into: &whole)
    let first = elements.lowerBound - range.lowerBound
    asked = first * type.byteCount..<(first + elements.count) * type.byteCount
    values.grow(to: range.count, filler: 0)
    magnitudes.grow(to: blocks.count, filler: 0)
    try kernels.widen(whole, as: type, count: range.count, into: &values)
    try kernels.findMagnitudes(values, count: range.count, block: block, into: &magnitudes)
    guard (scales?.count ?? blocks.upperBound) >= blocks.upperBound else {
      throw MergeError(
        path: inputs.path(of: source.input), tensor: tensor.name, .inconsistentPlan("scales are missing"))
    }
    var none: [UInt8] = []
    try kernels.throughNF4(
      &values, count: range.count, block: block, magnitudes: magnitudes,
      scales: scales.map { Array($0[blocks]) } ?? magnitudes, codes: &none)
    try kernels.round(values, from: first, count: elements.count, into: &buffer, as: type)
  }
}
