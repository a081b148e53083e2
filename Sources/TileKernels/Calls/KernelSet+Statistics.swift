import CTileKernels

extension KernelSet {
  /// What a tile was meant to become.
  public enum Intention: Sendable {
    /// The base plus these deltas.
    case deltas
    /// These values, as for DoRA.
    case values
  }

  /// Compares a merged tile with its base and with what was intended, row by row.
  ///
  /// With w and o the base and the output, widened, and the intended change d, which is `intended` or `intended` - w:
  /// the sums of d^2, ((o - w) - d)^2 and w^2 over the elements of a row of which w, o and `intended` are finite. Squares are
  /// summed in fp32 in 16 lanes of 16 elements, and these sums in fp64 in their order; where fp32 is too narrow, all in
  /// fp64. CTileKernels.h has the order in full.
  ///
  /// A sum is within 2^-19 of the exact one, relatively. For f16 and bf16 outputs and `.deltas` the root of the second is
  /// off by at most 2^-24 of the sum of its own and the first's more.
  ///
  /// - Parameters:
  ///   - output: `rows` rows of `columns` elements, without gaps.
  ///   - base: As many elements.
  ///   - intended: At least as many elements.
  ///   - statistics: At least `rows` elements; replaced.
  /// - Throws: ``ShapeError`` if a size does not fit or a number is negative.
  public func compare(
    _ output: RawSpan, as outputType: ElementType, with base: RawSpan, as baseType: ElementType,
    intended: Span<Float>, are intention: Intention, rows: Int, columns: Int,
    into statistics: inout MutableSpan<RowStatistics>
  ) throws(ShapeError) {
    try requireNotNegative("rows", rows)
    try requireNotNegative("columns", columns)
    let count = try product(rows, columns, of: .output)
    try require(.output, output.byteCount, exactly: try product(count, outputType.byteCount, of: .output))
    try require(.base, base.byteCount, exactly: try product(count, baseType.byteCount, of: .base))
    try require(.intended, intended.count, atLeast: count)
    try require(.statistics, statistics.count, atLeast: rows)
    if columns == 0 {
      for m in 0..<rows { statistics[m] = RowStatistics() }
      return
    }
    unsafe output.withUnsafeBytes { output in
      unsafe base.withUnsafeBytes { base in
        unsafe intended.withUnsafeBufferPointer { intended in
          unsafe statistics.withUnsafeMutableBufferPointer { statistics in
            guard let output = output.baseAddress, let base = base.baseAddress, let intended = intended.baseAddress
            else { return }
            for m in 0..<rows {
              let first = m * columns
              let row = unsafe smk_statistics_of_row(
                table, baseType.code, base + first * baseType.byteCount, outputType.code,
                output + first * outputType.byteCount, intended + first, intention == .deltas ? 1 : 0, columns)
              unsafe statistics[m] = RowStatistics(
                changedCount: row.changed_count, intendedSquares: row.intended_squares,
                lostSquares: row.lost_squares, baseSquares: row.base_squares)
            }
          }
        }
      }
    }
  }
}
