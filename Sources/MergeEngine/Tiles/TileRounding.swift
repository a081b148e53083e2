import Platform
import Safetensors
import TileKernels

/// The rounding of a tensor's results to its dtype.
enum TileRounding: Sendable {
  case nearest
  /// Up or down with the probability of what is discarded; the same for any split into tiles.
  case stochastic(RandomStream)

  /// How the elements of the tensor of this name are rounded.
  init(_ rounding: MergeEngine.Rounding, of tensor: TensorName) {
    switch rounding {
    case .nearest: self = .nearest
    case .stochastic(let seed): self = .stochastic(RandomStream(seed: seed, tensor: NameHash.of(tensor.string)))
    }
  }

  /// Rounds `weight + delta`; returns how many finite weights became infinite or NaN.
  ///
  /// - Parameter firstElement: The place of the tile's first element in the tensor.
  func combine(
    _ weight: RawSpan, _ source: ElementType, _ delta: [Float], into output: inout [UInt8], _ target: ElementType,
    _ firstElement: Int, _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    switch self {
    case .nearest: return try kernels.combine(weight, as: source, with: delta.span, into: &bytes, as: target)
    case .stochastic(let stream):
      return try kernels.stochastic.combine(
        weight, as: source, with: delta.span, into: &bytes, as: target, stream: stream,
        firstElement: UInt64(firstElement))
    }
  }

  /// Rounds values that were computed from `weight`; returns the same.
  func encode(
    _ values: [Float], for weight: RawSpan, _ source: ElementType, into output: inout [UInt8], _ target: ElementType,
    _ firstElement: Int, _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    switch self {
    case .nearest: return try kernels.encode(values.span, for: weight, as: source, into: &bytes, as: target)
    case .stochastic(let stream):
      return try kernels.stochastic.encode(
        values.span, for: weight, as: source, into: &bytes, as: target, stream: stream,
        firstElement: UInt64(firstElement))
    }
  }
}
