import CTileKernels

// All in fp32, each operation rounding once. The sign and payload of a NaN that is computed are not specified.

extension KernelSet {
  /// Adds a delta tile to the weights without rounding to a narrower type: `sums[i] = weight[i] + delta[i]`.
  ///
  /// This is V of DoRA (Liu et al., arXiv:2402.09353, section 4.1), whose norms are to be taken.
  ///
  /// - Parameters:
  ///   - weight: The elements of the base; their number is the number of elements computed.
  ///   - delta: At least as many elements.
  ///   - sums: At least as many elements; those after them are left alone.
  /// - Throws: ``ShapeError`` if `weight` is not whole elements, or `delta` or `sums` is too short.
  public func sum(
    _ weight: RawSpan, as weightType: ElementType, with delta: Span<Float>, into sums: inout MutableSpan<Float>
  ) throws(ShapeError) {
    let count = weight.byteCount / weightType.byteCount
    try require(.weight, weight.byteCount, exactly: count * weightType.byteCount)
    try require(.delta, delta.count, atLeast: count)
    try require(.sums, sums.count, atLeast: count)
    unsafe weight.withUnsafeBytes { weight in
      unsafe delta.withUnsafeBufferPointer { delta in
        unsafe sums.withUnsafeMutableBufferPointer { sums in
          guard let weight = weight.baseAddress, let delta = delta.baseAddress, let sums = sums.baseAddress
          else { return }
          unsafe smk_sum(table, weightType.code, weight, delta, sums, count)
        }
      }
    }
  }

  /// Multiplies `count` elements from `first` on: `delta[first + i] = factor * delta[first + i]`.
  ///
  /// - Throws: ``ShapeError`` if `delta` is too short.
  public func scale(
    _ delta: inout MutableSpan<Float>, from first: Int = 0, count: Int, by factor: Float
  ) throws(ShapeError) {
    try requireNotNegative("first", first)
    try requireNotNegative("count", count)
    let end = try extent(of: .delta, offset: first, rows: 1, rowStride: 0, columns: count)
    try require(.delta, delta.count, atLeast: end)
    guard count > 0 else { return }
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      guard let delta = delta.baseAddress else { return }
      unsafe smk_scale(table, delta + first, count, factor)
    }
  }

  /// Adds values as they are: `delta[offset + i] += values[i]`.
  ///
  /// - Throws: ``ShapeError`` if `delta` is too short.
  public func addPlain(
    to delta: inout MutableSpan<Float>, at offset: Int = 0, values: Span<Float>
  ) throws(ShapeError) {
    try requireNotNegative("offset", offset)
    let needed = try extent(of: .delta, offset: offset, rows: 1, rowStride: 0, columns: values.count)
    try require(.delta, delta.count, atLeast: needed)
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      unsafe values.withUnsafeBufferPointer { values in
        guard let delta = delta.baseAddress, let start = values.baseAddress else { return }
        unsafe smk_add_plain(table, delta + offset, start, values.count)
      }
    }
  }

  /// Rounds the first `count` elements to nearest even in `type`, and widens them again.
  ///
  /// Some of PEFT's ways to merge round a delta to the type of the base before they add it. What is too large for
  /// `type` becomes infinite; f32 changes nothing.
  ///
  /// - Throws: ``ShapeError`` if `delta` is too short.
  public func roundDelta(
    _ delta: inout MutableSpan<Float>, count: Int, to type: ElementType
  ) throws(ShapeError) {
    try requireNotNegative("count", count)
    try require(.delta, delta.count, atLeast: count)
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      guard let delta = delta.baseAddress else { return }
      unsafe smk_round_delta(table, type.code, delta, count)
    }
  }
  /// Rounds values that are already what the weights are to become, to nearest even: `output[i] = round(values[i])`.
  ///
  /// A NaN is written as ``combine(_:as:with:into:as:)`` writes it; sizes and errors are the same too.
  ///
  /// - Parameters:
  ///   - weight: The elements of the base; their number is the number of elements computed.
  ///   - values: At least as many elements.
  /// - Returns: How many weights are finite but have an output that is infinite or NaN.
  public func encode(
    _ values: Span<Float>, for weight: RawSpan, as weightType: ElementType, into output: inout MutableRawSpan,
    as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    let count = weight.byteCount / weightType.byteCount
    let one: [Float] = [1]
    return try rescaling.rows(
      weight, as: weightType, values: values, by: one.span, columns: count, into: &output, as: outputType)
  }
}
