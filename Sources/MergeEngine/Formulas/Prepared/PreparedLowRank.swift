import TileKernels

/// A product of a left factor, whose rows are read or computed, and a packed right one.
protocol PreparedLowRank: PreparedFormula {
  var right: PackedRight { get }
  /// Sets the first elements of a buffer to some rows of the left factor.
  func readLeft(_ rows: Range<Int>, into buffer: inout FloatBuffer, _ scratch: inout FactorScratch) throws
}

extension PreparedLowRank {
  var columns: Int { right.factorColumns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let left = try left(rows, &scratch)
    try delta.addProduct(
      left.elements.span, right, rows: rows.count, scale: scale, at: offset, rowStride: rowStride, scratch.kernels)
    scratch.parts.append(left)
  }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    let left = try left(rows, &scratch)
    try delta.setProduct(left, right, rows: rows.count, scale: scale, at: offset, scratch.kernels)
    scratch.parts.append(left)
  }

  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64? {
    let left = try left(tile.rows, &buffers.scratch)
    defer { buffers.scratch.parts.append(left) }
    return try left.merge(tile, weight, times: right, scale: scale, into: &buffers.output, buffers.kernels)
  }

  /// Some rows of the left factor, in a buffer that was used before if there is one.
  func left(_ rows: Range<Int>, _ scratch: inout FactorScratch) throws -> FloatBuffer {
    var buffer = scratch.parts.popLast() ?? FloatBuffer()
    try readLeft(rows, into: &buffer, &scratch)
    return buffer
  }
}
