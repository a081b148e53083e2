import CTileKernels

/// Products multiplied element by element, and rows of Kronecker products, reached as ``KernelSet/products``.
public struct ProductKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// Sets whole rows of a delta tile to a scaled low-rank product: to what
  /// ``KernelSet/addLowRank(to:at:rowStride:left:right:rows:scale:)`` makes of a delta of -0.
  ///
  /// - Throws: ``ShapeError`` if `left` has another size, `right` lacks panels, or `delta` is too short.
  public func set(
    _ delta: inout MutableSpan<Float>, at offset: Int = 0, left: Span<Float>, right: PackedRight, rows: Int,
    scale: Float
  ) throws(ShapeError) {
    try requireNotNegative("rows", rows)
    try requireNotNegative("offset", offset)
    let columns = right.factorColumns
    try requireWhole(right, columns: columns)
    try require(.left, left.count, exactly: try product(rows, right.rank, of: .left))
    let needed = try extent(of: .delta, offset: offset, rows: rows, rowStride: columns, columns: columns)
    try require(.delta, delta.count, atLeast: needed)
    guard rows > 0, columns > 0 else { return }
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      unsafe Self.withProduct(left, right) { product in
        unsafe KernelSet.withScratch(rows: rows, rank: right.rank) { scratch in
          guard let delta = delta.baseAddress else { return }
          unsafe smk_set_low_rank(table, delta + offset, product, rows, columns, scale, scratch)
        }
      }
    }
  }

  /// Merges a low-rank product whose columns are multiplied with the weights of whole rows, in one pass:
  /// `output[m, n] = round to nearest even(weight[m, n] + scale * (factors[n] * sum over k of left[m, k] * right[k, n]))`.
  ///
  /// The sum is the chain of ``KernelSet/addLowRank(to:at:rowStride:left:right:rows:scale:)``; each multiplication and the
  /// addition round once, in fp32. NaN as in ``KernelSet/combine(_:as:with:into:as:)``.
  ///
  /// - Parameters:
  ///   - weight: `rows` x columns elements of the base, row-major.
  ///   - left: `rows` x rank values, row-major.
  ///   - right: The whole right factor.
  ///   - factors: One for each column; no unit.
  ///   - output: At least as many elements; the bytes after them are left alone.
  /// - Returns: How many weights are finite but have an output that is infinite or NaN.
  /// - Throws: ``ShapeError`` if `weight`, `left` or `factors` has another size, `right` lacks panels, or `output` is too short.
  public func merge(
    _ weight: RawSpan, as weightType: ElementType, left: Span<Float>, right: PackedRight,
    byColumns factors: Span<Float>,
    rows: Int, scale: Float, into output: inout MutableRawSpan, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    try require(.factors, factors.count, exactly: right.factorColumns)
    return try unsafe factors.withUnsafeBufferPointer { factors throws(ShapeError) in
      let multiplier = unsafe smk_multiplier(columns: factors.baseAddress, product: nil, is_weight: 0)
      return try unsafe merge(
        weight, weightType, left, right, by: multiplier, rows: rows, scale: scale, into: &output, outputType)
    }
  }

  /// The same with the weight in the place of the factors, the product being scaled before:
  /// `round to nearest even(weight[m, n] + (scale * sum over k of left[m, k] * right[k, n]) * weight[m, n])`.
  ///
  /// Source: Huang et al., HiRA, ICLR 2025.
  public func mergeTimesWeight(
    _ weight: RawSpan, as weightType: ElementType, left: Span<Float>, right: PackedRight, rows: Int, scale: Float,
    into output: inout MutableRawSpan, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    let multiplier = unsafe smk_multiplier(columns: nil, product: nil, is_weight: 1)
    return try unsafe merge(
      weight, weightType, left, right, by: multiplier, rows: rows, scale: scale, into: &output, outputType)
  }

  /// The same with the element (m, n) of another product, `sum over k of otherLeft[m, k] * otherRight[k, n]`, in the place of
  /// `factors[n]`.
  ///
  /// Source: Hyeon-Woo et al., FedPara, arXiv:2108.06098, proposition 1.
  ///
  /// - Throws: ``ShapeError`` also if the two products have different sizes.
  public func merge(
    _ weight: RawSpan, as weightType: ElementType, left: Span<Float>, right: PackedRight,
    byProductOf otherLeft: Span<Float>,
    _ otherRight: PackedRight, rows: Int, scale: Float, into output: inout MutableRawSpan, as outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    try requireWhole(otherRight, columns: right.factorColumns)
    try require(.left, otherLeft.count, exactly: try product(rows, otherRight.rank, of: .left))
    return try unsafe Self.withProduct(otherLeft, otherRight) { other throws(ShapeError) in
      let multiplier = unsafe smk_multiplier(columns: nil, product: other, is_weight: 0)
      return try unsafe merge(
        weight, weightType, left, right, by: multiplier, otherRank: otherRight.rank, rows: rows, scale: scale,
        into: &output, outputType)
    }
  }

  /// - Parameter otherRank: Of the product in the multiplier; without one 0.
  private func merge(
    _ weight: RawSpan, _ weightType: ElementType, _ left: Span<Float>, _ right: PackedRight,
    by multiplier: smk_multiplier, otherRank: Int = 0, rows: Int, scale: Float, into output: inout MutableRawSpan,
    _ outputType: ElementType
  ) throws(ShapeError) -> UInt64 {
    try requireNotNegative("rows", rows)
    let columns = right.factorColumns
    try requireWhole(right, columns: columns)
    let count = try product(rows, columns, of: .weight)
    try require(.weight, weight.byteCount, exactly: try product(count, weightType.byteCount, of: .weight))
    try require(.left, left.count, exactly: try product(rows, right.rank, of: .left))
    try require(.output, output.byteCount, atLeast: try product(count, outputType.byteCount, of: .output))
    guard count > 0 else { return 0 }
    return unsafe weight.withUnsafeBytes { weight in
      unsafe output.withUnsafeMutableBytes { output in
        unsafe Self.withProduct(left, right) { product in
          unsafe KernelSet.withScratch(rows: rows, rank: right.rank + otherRank) { scratch in
            unsafe withUnsafePointer(to: multiplier) { multiplier in
              unsafe smk_merge_multiplied(
                table, weightType.code, weight.baseAddress, product, multiplier, outputType.code, output.baseAddress,
                rows, columns, scale, scratch)
            }
          }
        }
      }
    }
  }

  private func requireWhole(_ right: PackedRight, columns: Int) throws(ShapeError) {
    guard right.columns == 0..<columns, right.factorColumns == columns else {
      throw .outOfRange("panel columns", right.columns, count: columns)
    }
  }

  private static func withProduct<Result, Failure: Error>(
    _ left: Span<Float>, _ right: PackedRight, _ body: (UnsafePointer<smk_low_rank>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe left.withUnsafeBufferPointer { left throws(Failure) in
      try unsafe right.elements.withUnsafeBufferPointer { packed throws(Failure) in
        var product = unsafe smk_low_rank(left: left.baseAddress, right: packed.baseAddress, rank: right.rank)
        return try unsafe body(&product)
      }
    }
  }

  /// Sets elements to a row of a Kronecker product: `row[offset + i] = scale * (factors[i / width] * values[i % width])` for
  /// i < count, width being the number of values. Each multiplication rounds once, in fp32.
  ///
  /// The sign and payload of a NaN are not specified.
  ///
  /// - Parameters:
  ///   - factors: At least as many as there are whole or begun blocks of values; nil: 1 each.
  /// - Throws: ``ShapeError`` if `row` or `factors` is too short, or there are no values.
  public func setRow(
    _ row: inout MutableSpan<Float>, at offset: Int = 0, count: Int, factors: Span<Float>?, values: Span<Float>,
    scale: Float
  ) throws(ShapeError) {
    try requireNotNegative("count", count)
    try requireNotNegative("offset", offset)
    try require(
      .destination, row.count,
      atLeast: try extent(of: .destination, offset: offset, rows: 1, rowStride: 0, columns: count))
    guard count > 0 else { return }
    try require(.values, values.count, atLeast: 1)
    if let factors { try require(.factors, factors.count, atLeast: (count - 1) / values.count + 1) }
    unsafe row.withUnsafeMutableBufferPointer { row in
      unsafe values.withUnsafeBufferPointer { values in
        func fill(_ factors: UnsafePointer<Float>?) {
          guard let row = row.baseAddress else { return }
          unsafe smk_fill_blocks(table, row + offset, count, factors, values.baseAddress, values.count, scale)
        }
        guard let factors else { return fill(nil) }
        unsafe factors.withUnsafeBufferPointer { factors in unsafe fill(factors.baseAddress) }
      }
    }
  }
}
