import CTileKernels

/// Euclidean norms for DoRA, reached as ``KernelSet/norms``.
///
/// Each exists in fp64 accumulation, rounded once to fp32, which is the default arithmetic (within half a unit in the last
/// place of the exact norm but for double rounding); and, with `torch` in its name, in the order of additions by which torch's
/// bits are reproduced.
public struct NormKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// The norm of each row, accumulated in fp64.
  ///
  /// `norms[m] = fp32(sqrt(sum over n of fp64(v[m, n])^2))`: the squares are exact; number n is added to lane n % 8 in the
  /// order of n, then the lanes are added from 0 to 7.
  ///
  /// - Parameters:
  ///   - values: Row-major, `rows` x `columns` elements at least.
  ///   - norms: At least `rows` elements.
  /// - Throws: ``ShapeError`` if a span is too short or a number is negative.
  public func rows(
    of values: Span<Float>, rows: Int, columns: Int, into norms: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try unsafe computeRows(of: values, rows: rows, columns: columns, into: &norms, smk_row_norms)
  }

  /// The norm of each row with the bits of torch's `linalg.norm(v, dim=1)`, v contiguous fp32.
  ///
  /// All in fp32: the squares (rounded) of the elements before the last `columns % 8` are added to lane n % 8 in the
  /// order of n, then the lanes are added from 0 to 7. If four or more elements remain, the next four are squared and
  /// added one after the other; then each further one is added by a fused multiply-add. One square root. Rows of a
  /// single element have the norm |v|.
  ///
  /// Measured with torch 2.13.0 on x86-64 with AVX2 and AVX-512, any number of threads. A convolution's norm over
  /// dimensions 1 and up is the same with all but dimension 0 flattened. A row of 1 is also what torch makes of the
  /// norm along the rows of a matrix of one row or one column, however it is transposed.
  ///
  /// - Parameters:
  ///   - values: Row-major, `rows` x `columns` elements at least.
  ///   - norms: At least `rows` elements.
  /// - Throws: ``ShapeError`` if a span is too short or a number is negative.
  public func torchRows(
    of values: Span<Float>, rows: Int, columns: Int, into norms: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try unsafe computeRows(of: values, rows: rows, columns: columns, into: &norms, smk_torch_row_norms)
  }

  private func computeRows(
    of values: Span<Float>, rows: Int, columns: Int, into norms: inout MutableSpan<Float>,
    _ kernel: @convention(c) (OpaquePointer?, UnsafePointer<Float>?, Int, Int, UnsafeMutablePointer<Float>?) -> Void
  ) throws(ShapeError) {
    try requireMatrix(values, rows: rows, columns: columns)
    try require(.norms, norms.count, atLeast: rows)
    unsafe values.withUnsafeBufferPointer { values in
      unsafe norms.withUnsafeMutableBufferPointer { norms in
        // Rows without columns have the norm 0, and no values are read.
        guard let norms = norms.baseAddress else { return }
        unsafe kernel(table, values.baseAddress, rows, columns, norms)
      }
    }
  }

  /// Adds the squares of a tile to the sums of its columns, in fp64.
  ///
  /// `squares[n] += fp64(v[m, n])^2` for each m in order: however the rows of a tensor are divided into tiles, if they
  /// come in order the sums are the same. Start with zeros; ``columns(fromSquares:into:)`` ends it.
  ///
  /// - Parameters:
  ///   - values: Element (m, n) is element `m * rowStride + n`.
  ///   - rowStride: `nil` for `columns`.
  ///   - squares: At least `columns` elements.
  /// - Throws: ``ShapeError`` if a span is too short, a number is negative or the rows overlap.
  public func addColumnSquares(
    of values: Span<Float>, rows: Int, columns: Int, rowStride: Int? = nil, to squares: inout MutableSpan<Double>
  ) throws(ShapeError) {
    try requireMatrix(values, rows: rows, columns: columns, rowStride: rowStride)
    try require(.squares, squares.count, atLeast: columns)
    unsafe values.withUnsafeBufferPointer { values in
      unsafe squares.withUnsafeMutableBufferPointer { squares in
        guard let values = values.baseAddress, let squares = squares.baseAddress else { return }
        unsafe smk_add_column_squares(table, values, rowStride ?? columns, rows, columns, squares)
      }
    }
  }

  /// The same in fp32, with the bits of torch's `linalg.norm(w.T + delta.T, dim=1)`, w being contiguous fp32: the square
  /// is rounded, then the sum. ``torchColumns(fromSquares:into:)`` ends it.
  ///
  /// Measured as for ``torchRows(of:rows:columns:into:)``, which has to be used for a tensor of one column (as one
  /// row) and of one row (as rows of one element).
  ///
  /// - Throws: ``ShapeError`` if a span is too short, a number is negative or the rows overlap.
  public func torchAddColumnSquares(
    of values: Span<Float>, rows: Int, columns: Int, rowStride: Int? = nil, to squares: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try requireMatrix(values, rows: rows, columns: columns, rowStride: rowStride)
    try require(.squares, squares.count, atLeast: columns)
    unsafe values.withUnsafeBufferPointer { values in
      unsafe squares.withUnsafeMutableBufferPointer { squares in
        guard let values = values.baseAddress, let squares = squares.baseAddress else { return }
        unsafe smk_torch_add_column_squares(table, values, rowStride ?? columns, rows, columns, squares)
      }
    }
  }

  /// `norms[i] = fp32(sqrt(squares[i]))`.
  ///
  /// - Throws: ``ShapeError`` if `norms` is too short.
  public func columns(
    fromSquares squares: Span<Double>, into norms: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try require(.norms, norms.count, atLeast: squares.count)
    unsafe squares.withUnsafeBufferPointer { squares in
      unsafe norms.withUnsafeMutableBufferPointer { norms in
        guard let start = squares.baseAddress, let norms = norms.baseAddress else { return }
        unsafe smk_roots(table, start, squares.count, norms)
      }
    }
  }

  /// `norms[i] = sqrt(squares[i])` in fp32.
  ///
  /// - Throws: ``ShapeError`` if `norms` is too short.
  public func torchColumns(
    fromSquares squares: Span<Float>, into norms: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try require(.norms, norms.count, atLeast: squares.count)
    unsafe squares.withUnsafeBufferPointer { squares in
      unsafe norms.withUnsafeMutableBufferPointer { norms in
        guard let start = squares.baseAddress, let norms = norms.baseAddress else { return }
        unsafe smk_torch_roots(table, start, squares.count, norms)
      }
    }
  }
}

func requireMatrix(
  _ values: Span<Float>, rows: Int, columns: Int, rowStride: Int? = nil
) throws(ShapeError) {
  try requireNotNegative("rows", rows)
  try requireNotNegative("columns", columns)
  let stride = rowStride ?? columns
  guard stride >= columns else { throw .rowsOverlap(stride: stride, columns: columns) }
  let needed = try extent(of: .values, offset: 0, rows: rows, rowStride: stride, columns: columns)
  try require(.values, values.count, atLeast: needed)
}
