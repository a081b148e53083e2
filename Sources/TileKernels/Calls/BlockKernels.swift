import CTileKernels

/// Products of rows with blocks along a diagonal, reached as ``KernelSet/blocks``.
public struct BlockKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// Rows times the identity and blocks along its diagonal: `V (I + D)`, all in fp32.
  ///
  /// `sums[m, n] = values[m, n] + sum over k of values[m, s + k] * block[k, n - s]`, s being the first column of the block that
  /// n is in: the sum starts at +0 and is a chain of fused multiply-adds in the order of k; the addition rounds once. Where the
  /// blocks are small the result is as exact as a sum of few terms.
  ///
  /// - Parameters:
  ///   - values: Row-major, `rows` x `columns` elements at least.
  ///   - blocks: As many as fit beside each other in `columns`; or one, which is all of them.
  ///   - sums: At least as many elements; those after them are left alone.
  /// - Throws: ``ShapeError`` if a span is too short, a number is negative, or the blocks don't fit.
  public func addProducts(
    of values: Span<Float>, rows: Int, columns: Int, with blocks: PackedBlocks, into sums: inout MutableSpan<Float>
  ) throws(ShapeError) {
    try requireNotNegative("rows", rows)
    try requireNotNegative("columns", columns)
    let count = try product(rows, columns, of: .values)
    try require(.values, values.count, atLeast: count)
    try require(.sums, sums.count, atLeast: count)
    let needed = blocks.count == 1 && columns > 0 ? columns / blocks.size : blocks.count
    try require(.blocks, try product(needed, blocks.size, of: .blocks), exactly: columns)
    guard count > 0 else { return }
    unsafe values.withUnsafeBufferPointer { values in
      unsafe blocks.elements.withUnsafeBufferPointer { packed in
        unsafe sums.withUnsafeMutableBufferPointer { sums in
          unsafe smk_add_block_products(
            table, values.baseAddress, rows, columns, packed.baseAddress, blocks.size,
            blocks.count == 1 ? 0 : blocks.stride, sums.baseAddress)
        }
      }
    }
  }
}
