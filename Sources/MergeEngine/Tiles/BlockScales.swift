import MergePlanning
import Safetensors
import TileKernels

/// The scales of blocks of codes, by the rule of ``Requantization``, from the largest magnitudes in the blocks.
struct BlockScales {
  /// As the file has them.
  let bytes: [UInt8]
  /// What codes are multiplied by.
  let numbers: [Float]
  /// What values are multiplied or divided by to become codes.
  let codeScales: [QuantizationKernels.CodeScale]

  /// - Throws: ``MergeError/Problem/scaleOverflow(_:)``.
  init(
    largest: ArraySlice<Float>, _ requantized: Requantization, _ tensor: ComputedTensor, _ inputs: InputFiles,
    _ kernels: KernelSet
  ) throws {
    guard requantized.rule != .unscaled else {
      bytes = []
      numbers = largest.map { _ in 1 }
      codeScales = largest.map { _ in .divisor(1) }
      return
    }
    let dtype = requantized.scaleDType
    let most = QuantizationKernels.largestE4M3
    func factor(_ magnitude: Float) -> Float { 1 / magnitude * most }
    var exact = largest.map { magnitude -> Float in
      switch requantized.rule {
      case .reciprocal: magnitude > 0 ? 1 / factor(magnitude) : 0
      case .quotient, .unscaled: magnitude / most
      }
    }
    if requantized.isPowerOfTwo { exact = exact.map(Self.powerNotBelow) }
    let (bytes, numbers) = try Self.rounded(exact.map { $0 > 0 ? $0 : 1 }, to: dtype, inputs, kernels)
    guard numbers.allSatisfy(\.isFinite) else {
      throw MergeError(path: inputs.path(of: tensor.weight.source.input), tensor: tensor.name, .scaleOverflow(dtype))
    }
    // What is too small for the dtype counts as zeros, like a block of nothing else.
    func isLargeEnough(_ number: Float) -> Bool { number > 0 && (1 / number).isFinite }
    guard numbers.allSatisfy(isLargeEnough) else {
      let kept = zip(largest, numbers).map { isLargeEnough($1) ? $0 : 0 }
      self = try BlockScales(largest: kept[...], requantized, tensor, inputs, kernels)
      return
    }
    self.bytes = bytes
    self.numbers = numbers
    let isExact = dtype == .f32 && !requantized.isPowerOfTwo
    codeScales = zip(largest, zip(exact, numbers)).map { magnitude, scales -> QuantizationKernels.CodeScale in
      switch requantized.rule {
      case .quotient, .unscaled: .divisor(scales.1)
      case .reciprocal: .factor(scales.0 > 0 && isExact ? factor(magnitude) : 1 / scales.1)
      }
    }
  }

  /// The power of two that is not below a number; 0 of 0.
  private static func powerNotBelow(_ value: Float) -> Float {
    guard value > 0, value.isFinite else { return value }
    let power = Float(sign: .plus, exponent: value.exponent, significand: 1)
    return power == value ? power : power * 2
  }

  /// To nearest even; E8M0, and bytes that are exponents (MXFP8), have powers of two alone, which these are.
  private static func rounded(
    _ values: [Float], to dtype: DType, _ inputs: InputFiles, _ kernels: KernelSet
  ) throws -> (bytes: [UInt8], numbers: [Float]) {
    if dtype == .f8E8M0 || dtype == .u8 {
      let bytes = values.map { UInt8(clamping: Int(clamping: $0.exponent) + 127) }
      return (bytes, bytes.map { Codebooks.e8m0[Int($0)] })
    }
    let type = try inputs.elementType(dtype)
    var bytes = [UInt8](repeating: 0, count: values.count * type.byteCount)
    var numbers = values
    let source = values.span
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = try unsafe kernels.encode(source, for: source.bytes, as: .f32, into: &raw, as: type)
    let encoded = bytes
    try kernels.widen(encoded, as: type, count: values.count, into: &numbers)
    return (bytes, numbers)
  }
}
