import CTileKernels

/// Quantization of merged weights to E4M3 (four bits of exponent, three of fraction, no infinity; OCP 8-bit Floating Point
/// Specification 1.0) and NF4, reached as ``KernelSet/quantizing``.
public struct QuantizationKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// The largest finite number of E4M3.
  public static let largestE4M3: Float = 448

  /// The largest magnitude among the finite values of a part of a matrix of fp32; 0 if none is finite.
  ///
  /// - Throws: ``ShapeError`` if the part leaves the matrix.
  public func largestFinite(_ values: RawSpan, _ part: MatrixPart) throws(ShapeError) -> Float {
    try require(.values, values.byteCount, atLeast: try product(part.extent(.values), 4, of: .values))
    guard part.rows > 0, part.columns > 0 else { return 0 }
    return unsafe values.withUnsafeBytes { values in
      guard let values = values.baseAddress else { return 0 }
      return unsafe smk_largest_finite(table, values + part.first * 4, part.stride, part.rows, part.columns)
    }
  }

  /// How values become codes.
  public enum CodeScale: Sendable, Equatable {
    case factor(Float)
    case divisor(Float)
  }

  /// Rounds a part of a matrix of fp32 to codes in the same places: `code = nearest even(value * factor)`, or
  /// `value / divisor`, rounded to fp32 first; magnitudes above 448 become 448, and every NaN the positive one, 0x7F.
  ///
  /// - Throws: ``ShapeError`` if the part leaves the matrix, or the codes are too few.
  public func encodeE4M3(
    _ values: RawSpan, _ part: MatrixPart, by scale: CodeScale, into codes: inout MutableSpan<UInt8>
  ) throws(ShapeError) {
    let extent = try part.extent(.values)
    try require(.values, values.byteCount, atLeast: try product(extent, 4, of: .values))
    try require(.output, codes.count, atLeast: extent)
    guard part.rows > 0, part.columns > 0 else { return }
    let (number, divides): (Float, Int32) =
      switch scale {
      case .factor(let factor): (factor, 0)
      case .divisor(let divisor): (divisor, 1)
      }
    unsafe values.withUnsafeBytes { values in
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        guard let values = values.baseAddress, let codes = codes.baseAddress else { return }
        unsafe smk_encode_e4m3(
          table, values + part.first * 4, part.stride, part.rows, part.columns, number, divides, codes + part.first)
      }
    }
  }

  /// What became of codes of E4M3, of a part of a matrix: how many changed, and how many changes of the weight are at least
  /// half the distance from the new code's number to the next greater one, times `scale`. What is smaller everywhere is
  /// lost where the scale stays.
  ///
  /// - Parameters:
  ///   - weight: Values of fp32 before the change.
  ///   - intended: Deltas, or the values that they make of the weight.
  ///   - scale: What the codes are multiplied by, positive.
  /// - Throws: ``ShapeError`` if the part leaves one of the matrices.
  public func compareCodes(
    _ codes: Span<UInt8>, before: Span<UInt8>, weight: RawSpan, intended: Span<Float>,
    are intention: KernelSet.Intention,
    scale: Float, _ part: MatrixPart
  ) throws(ShapeError) -> (changed: UInt64, halfSteps: UInt64) {
    let extent = try part.extent(.weight)
    try require(.weight, weight.byteCount, atLeast: try product(extent, 4, of: .weight))
    try require(.intended, intended.count, atLeast: extent)
    try require(.source, before.count, atLeast: extent)
    try require(.source, codes.count, atLeast: extent)
    guard part.rows > 0, part.columns > 0 else { return (0, 0) }
    let changes = unsafe weight.withUnsafeBytes { weight in
      unsafe intended.withUnsafeBufferPointer { intended in
        unsafe before.withUnsafeBufferPointer { before in
          unsafe codes.withUnsafeBufferPointer { codes in
            guard let weight = weight.baseAddress, let intended = intended.baseAddress,
              let before = before.baseAddress, let codes = codes.baseAddress
            else { return smk_code_changes() }
            return unsafe smk_compare_codes(
              table, weight + part.first * 4, intended + part.first, intention == .deltas ? 1 : 0,
              before + part.first, codes + part.first, scale, part.stride, part.rows, part.columns)
          }
        }
      }
    }
    return (changes.changed, changes.half_steps)
  }
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
