import CTileKernels

// Weights as they were while an adapter was trained on their codes of half a byte.

extension KernelSet {
  /// The largest finite magnitude of each `block` values of fp32; the last block may be cut.
  ///
  /// - Throws: ``ShapeError`` if the magnitudes are too few.
  public func blockMagnitudes(
    _ values: Span<Float>, count: Int, block: Int, into magnitudes: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try requireNotNegative("count", count)
    guard block > 0 else { throw .wrongCount(.factors, expected: 1, found: block) }
    guard count > 0 else { return }
    try require(.values, values.count, atLeast: count)
    try require(.factors, magnitudes.count, atLeast: (count - 1) / block + 1)
    unsafe values.withUnsafeBufferPointer { values in
      unsafe magnitudes.withUnsafeMutableBufferPointer { magnitudes in
        guard let values = values.baseAddress, let magnitudes = magnitudes.baseAddress else { return }
        unsafe smk_block_magnitudes(table, values, count, block, magnitudes)
      }
    }
  }

  /// Quantizes and decodes values of fp32 in place: `value = numbers[code] * scale`, the code being how many of the bounds
  /// are below `value * (1 / magnitude)`, all in fp32. What is not finite stays.
  ///
  /// - Parameters:
  ///   - bounds: 15, ascending.
  ///   - numbers: 16.
  ///   - magnitudes: The largest of each block.
  ///   - scales: What codes of each block are multiplied by.
  ///   - codes: Gets a byte for each value; empty: it gets none.
  /// - Throws: ``ShapeError`` if a span does not fit.
  public func nf4RoundTrip(
    _ values: inout MutableSpan<Float>, count: Int, block: Int, bounds: Span<Float>, numbers: Span<Float>,
    magnitudes: Span<Float>, scales: Span<Float>, codes: inout MutableSpan<UInt8>
  ) throws(ShapeError) {
    try requireNotNegative("count", count)
    guard block > 0 else { throw .wrongCount(.factors, expected: 1, found: block) }
    try require(.values, bounds.count, exactly: 15)
    try require(.values, numbers.count, exactly: 16)
    guard count > 0 else { return }
    try require(.values, values.count, atLeast: count)
    let blocks = (count - 1) / block + 1
    try require(.factors, magnitudes.count, atLeast: blocks)
    try require(.factors, scales.count, atLeast: blocks)
    let hasCodes = codes.count > 0
    if hasCodes { try require(.output, codes.count, atLeast: count) }
    unsafe values.withUnsafeMutableBufferPointer { values in
      unsafe bounds.withUnsafeBufferPointer { bounds in
        unsafe numbers.withUnsafeBufferPointer { numbers in
          unsafe magnitudes.withUnsafeBufferPointer { magnitudes in
            unsafe scales.withUnsafeBufferPointer { scales in
              guard let values = values.baseAddress, let bounds = bounds.baseAddress,
                let numbers = numbers.baseAddress, let magnitudes = magnitudes.baseAddress,
                let scales = scales.baseAddress
              else { return }
              unsafe codes.withUnsafeMutableBufferPointer { codes in
                unsafe smk_through_nf4(
                  table, values, count, block, bounds, numbers, magnitudes, scales, hasCodes ? codes.baseAddress : nil)
              }
            }
          }
        }
      }
    }
  }
}
