import MergePlanning
import Platform
import Safetensors
import TileKernels

/// The constant state while rows of a quantized weight are read.
struct WeightContext {
  let tensor: ComputedTensor
  let weight: QuantizedWeight
  /// What is decoded to.
  let type: ElementType
  let inputs: InputFiles
  let kernels: KernelSet

  init(
    _ tensor: ComputedTensor, _ weight: QuantizedWeight, _ inputs: InputFiles, _ kernels: KernelSet
  ) throws {
    self.tensor = tensor
    self.weight = weight
    self.inputs = inputs
    self.kernels = kernels
    type = try inputs.elementType(weight.dtype)
  }

  /// Reads elements of a tensor whose elements are whole bytes.
  func read(_ source: MergePlan.Source, _ range: Range<Int>, into buffer: inout [UInt8]) throws {
    let size = source.dtype.bitCount / 8
    try readBytes(source, range.lowerBound * size..<range.upperBound * size, into: &buffer)
  }

  /// Reads bytes of a tensor.
  func readBytes(_ source: MergePlan.Source, _ range: Range<Int>, into buffer: inout [UInt8]) throws {
    guard range.upperBound <= source.range.count else { throw leaving(source) }
    let start = source.range.lowerBound
    try inputs.readAside(source.input, start + range.lowerBound..<start + range.upperBound, into: &buffer)
  }

  /// Reads the same bytes of every row of a matrix, one after the other.
  func readStrided(
    _ source: MergePlan.Source, rowCount: Int, rowByteCount: Int, part: Range<Int>, into buffer: inout [UInt8]
  ) throws {
    guard part.count < rowByteCount else {
      return try readBytes(source, 0..<rowCount * rowByteCount, into: &buffer)
    }
    guard rowCount * rowByteCount <= source.range.count else { throw leaving(source) }
    let file = try inputs.file(source.input)
    for row in 0..<rowCount {
      let start = source.range.lowerBound + row * rowByteCount + part.lowerBound
      try file.read(start..<start + part.count, into: &buffer, at: row * part.count)
    }
  }

  /// An error of the weight, in one of its tensors.
  func error(_ source: MergePlan.Source, _ problem: MergeError.Problem) -> MergeError {
    MergeError(path: inputs.path(of: source.input), tensor: tensor.name, problem)
  }

  private func leaving(_ source: MergePlan.Source) -> MergeError {
    error(source, .inconsistentPlan("codes leave their tensor"))
  }
}
