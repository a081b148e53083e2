import CTileKernels

// Stochastic rounding: of the two neighbors x0 < x1 of a number x in the output type, x1 is taken with the probability
// (x - x0) / (x1 - x0), so that the expected output is x.
//
// Exactly: the neighbor of greater magnitude is taken if the element's word u of the stream is less than floor(t * 2^32),
// t being the distance to the other neighbor in units of the distance between them. This is exact for bf16, and for f16
// down to magnitudes of 2^-33; below that the probability errs by less than 2^-32. A number that the type can hold is
// unchanged. A magnitude above the largest finite one becomes infinite where rounding to nearest makes it so, and the
// largest finite one elsewhere. For f32 nothing is discarded: the output is that of rounding to nearest.

/// Rounding up or down at random, reached as ``KernelSet/stochastic``.
public struct StochasticKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// Adds a delta tile to the weights and rounds at random: `output[i] = round(weight[i] + delta[i])`, the sum in fp32.
  ///
  /// NaN, sizes and errors are those of ``KernelSet/combine(_:as:with:into:as:)``.
  ///
  /// - Parameters:
  ///   - stream: Where the random bits come from.
  ///   - firstElement: The position of the tile's first element in the tensor.
  /// - Returns: How many weights are finite but have an output that is infinite or NaN.
  public func combine(
    _ weight: RawSpan, as weightType: ElementType, with delta: Span<Float>, into output: inout MutableRawSpan,
    as outputType: ElementType, stream: RandomStream, firstElement: UInt64
  ) throws(ShapeError) -> UInt64 {
    if outputType == .f32 {
      return try kernels.combine(weight, as: weightType, with: delta, into: &output, as: outputType)
    }
    return try roundStochastically(
      weight, weightType, delta, areDeltas: true, into: &output, outputType, stream, firstElement)
  }

  /// Rounds values that are already what the weights are to become at random: `output[i] = round(values[i])`.
  ///
  /// NaN, sizes and errors are those of ``KernelSet/combine(_:as:with:into:as:)``.
  public func encode(
    _ values: Span<Float>, for weight: RawSpan, as weightType: ElementType, into output: inout MutableRawSpan,
    as outputType: ElementType, stream: RandomStream, firstElement: UInt64
  ) throws(ShapeError) -> UInt64 {
    if outputType == .f32 {
      return try kernels.encode(values, for: weight, as: weightType, into: &output, as: outputType)
    }
    return try roundStochastically(
      weight, weightType, values, areDeltas: false, into: &output, outputType, stream, firstElement)
  }

  /// The words of the elements from `firstElement` on.
  ///
  /// - Throws: ``ShapeError`` if `count` is negative or there are not so many elements.
  public func words(
    of stream: RandomStream, from firstElement: UInt64, count: Int
  ) throws(ShapeError) -> [UInt32] {
    try requireNotNegative("count", count)
    try requireElements(from: firstElement, count: count)
    return unsafe [UInt32](unsafeUninitializedCapacity: count) { words, initializedCount in
      guard let words = words.baseAddress else { return }
      unsafe smk_random_words(table, stream.seed, stream.tensor, firstElement, count, words)
      initializedCount = count
    }
  }

  private func roundStochastically(
    _ weight: RawSpan, _ weightType: ElementType, _ values: Span<Float>, areDeltas: Bool,
    into output: inout MutableRawSpan, _ outputType: ElementType, _ stream: RandomStream, _ firstElement: UInt64
  ) throws(ShapeError) -> UInt64 {
    let count = weight.byteCount / weightType.byteCount
    try require(.weight, weight.byteCount, exactly: count * weightType.byteCount)
    try require(areDeltas ? .delta : .values, values.count, atLeast: count)
    try require(.output, output.byteCount, atLeast: try product(count, outputType.byteCount, of: .output))
    try requireElements(from: firstElement, count: count)
    return unsafe weight.withUnsafeBytes { weight in
      unsafe values.withUnsafeBufferPointer { values in
        unsafe output.withUnsafeMutableBytes { output in
          guard let weight = weight.baseAddress, let values = values.baseAddress, let output = output.baseAddress
          else { return 0 }
          return unsafe smk_round_stochastically(
            table, weightType.code, weight, values, areDeltas ? 1 : 0, outputType.code, output, count, stream.seed,
            stream.tensor, firstElement)
        }
      }
    }
  }
}

private func requireElements(from first: UInt64, count: Int) throws(ShapeError) {
  if first.addingReportingOverflow(UInt64(count)).overflow { throw .overflow(.output) }
}
