import CTileKernels

/// DoRA's last step, `W' = (m / norm) * V`, reached as ``KernelSet/rescaling``.
///
/// Source: Liu et al., DoRA, arXiv:2402.09353, section 4.1.
public struct RescalingKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// DoRA's factors: `factors[i] = magnitudes[i] / norms[i]` in fp32, rounded once.
  ///
  /// A norm of 0 gives an infinite factor, or NaN if the magnitude is 0 too, as it does in PEFT.
  ///
  /// - Parameters:
  ///   - magnitudes: `lora_magnitude_vector`; their number is the number of factors.
  ///   - norms: At least as many.
  ///   - factors: At least as many.
  /// - Throws: ``ShapeError`` if `norms` or `factors` is too short.
  public func divide(
    _ magnitudes: Span<Float>, by norms: Span<Float>, into factors: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try require(.norms, norms.count, atLeast: magnitudes.count)
    try require(.factors, factors.count, atLeast: magnitudes.count)
    unsafe magnitudes.withUnsafeBufferPointer { magnitudes in
      unsafe norms.withUnsafeBufferPointer { norms in
        unsafe factors.withUnsafeMutableBufferPointer { factors in
          guard let start = magnitudes.baseAddress, let norms = norms.baseAddress, let factors = factors.baseAddress
          else { return }
          unsafe smk_divide(table, start, norms, factors, magnitudes.count)
        }
      }
    }
  }

  /// Multiplies each row by its factor and rounds: `output[m, n] = round to nearest even(factors[m] * values[m, n])`, the
  /// product in fp32, then one rounding to the type of the output.
  ///
  /// NaN as in ``KernelSet/combine(_:as:with:into:as:)``: a weight that is a NaN stays that NaN, made quiet; any other is written
  /// as the positive quiet NaN without payload.
  ///
  /// - Parameters:
  ///   - weight: The elements of the base, `factors.count` rows of `columns`, from which the values were computed.
  ///   - values: At least as many elements, without gaps between the rows.
  ///   - output: At least as many elements; the bytes after them are left alone.
  /// - Returns: How many weights are finite but have an output that is infinite or NaN.
  /// - Throws: ``ShapeError`` if `weight` has another size, or `values` or `output` is too short.
  public func rows(
    _ weight: RawSpan, as weightType: ElementType, values: Span<Float>, by factors: Span<Float>, columns: Int,
    into output: inout MutableRawSpan, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    try unsafe rescale(
      weight, weightType, values, factors, rows: factors.count, columns: columns, factorsPerRow: 1, &output,
      outputType, smk_rescale_by_one)
  }

  /// The same with a factor for each column: `output[m, n] = round to nearest even(factors[n] * values[m, n])`.
  ///
  /// - Parameters:
  ///   - weight: `rows` rows of `factors.count` elements.
  public func columns(
    _ weight: RawSpan, as weightType: ElementType, values: Span<Float>, by factors: Span<Float>, rows: Int,
    into output: inout MutableRawSpan, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    try unsafe rescale(
      weight, weightType, values, factors, rows: rows, columns: factors.count, factorsPerRow: 0, &output, outputType,
      smk_rescale_by_each)
  }

  private typealias RowKernel =
    @convention(c) (
      OpaquePointer?, smk_dtype, UnsafeRawPointer?, UnsafePointer<Float>?, UnsafePointer<Float>?, smk_dtype,
      UnsafeMutableRawPointer?, Int
    ) -> UInt64

  /// - Parameter factorsPerRow: How far the factors advance from row to row.
  private func rescale(
    _ weight: RawSpan, _ weightType: ElementType, _ values: Span<Float>, _ factors: Span<Float>, rows: Int,
    columns: Int, factorsPerRow: Int, _ output: inout MutableRawSpan, _ outputType: ElementType, _ kernel: RowKernel
  ) throws(ShapeError) -> UInt64 {
    try requireNotNegative("rows", rows)
    try requireNotNegative("columns", columns)
    let count = try product(rows, columns, of: .weight)
    try require(.weight, weight.byteCount, exactly: try product(count, weightType.byteCount, of: .weight))
    try require(.values, values.count, atLeast: count)
    try require(.output, output.byteCount, atLeast: try product(count, outputType.byteCount, of: .output))
    return unsafe weight.withUnsafeBytes { weight in
      unsafe values.withUnsafeBufferPointer { values in
        unsafe factors.withUnsafeBufferPointer { factors in
          unsafe output.withUnsafeMutableBytes { output in
            guard let weight = weight.baseAddress, let values = values.baseAddress, let factors = factors.baseAddress,
              let output = output.baseAddress
            else { return 0 }
            var overflows: UInt64 = 0
            for m in 0..<rows {
              let first = m * columns
              overflows += unsafe kernel(
                table, weightType.code, weight + first * weightType.byteCount, values + first,
                factors + m * factorsPerRow, outputType.code, output + first * outputType.byteCount, columns)
            }
            return overflows
          }
        }
      }
    }
  }
}
