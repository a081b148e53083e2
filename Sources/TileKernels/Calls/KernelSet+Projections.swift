import CTileKernels

extension KernelSet {
  /// The products of each row with some vectors, accumulated in fp64 and rounded once:
  /// `products[m * count + k] = fp32(sum over n of fp64(values[m, n]) * vectors[k, n])`.
  ///
  /// Number n is added to lane n % 8 in the order of n; the lanes are added from 0 to 7, then what the last `columns % 8` columns
  /// give. The result is the same with every kernel set.
  ///
  /// - Parameters:
  ///   - values: Row-major, `rows` x `columns` elements at least.
  ///   - vectors: Row-major, `count` x `columns` elements at least.
  ///   - products: At least `rows * count` elements.
  /// - Throws: ``ShapeError`` if a span is too short or a number is negative.
  public func projectRows(
    of values: Span<Float>, rows: Int, columns: Int, on vectors: Span<Double>, count: Int,
    into products: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try requireNotNegative("rows", rows)
    try requireNotNegative("columns", columns)
    try requireNotNegative("count", count)
    try require(.values, values.count, atLeast: try product(rows, columns, of: .values))
    try require(.vectors, vectors.count, atLeast: try product(count, columns, of: .vectors))
    try require(.products, products.count, atLeast: try product(rows, count, of: .products))
    unsafe values.withUnsafeBufferPointer { values in
      unsafe vectors.withUnsafeBufferPointer { vectors in
        unsafe products.withUnsafeMutableBufferPointer { products in
          guard let products = products.baseAddress else { return }
          unsafe smk_row_projections(table, values.baseAddress, rows, columns, vectors.baseAddress, count, products)
        }
      }
    }
  }
}
