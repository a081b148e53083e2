import TileKernels

/// Merges with a tile's weights in one pass, into the bytes of the result; each returns how many finite weights became infinite
/// or NaN.
extension FloatBuffer {
  /// With the product of these rows and a right factor.
  func merge(
    _ tile: Tile, _ weight: RawSpan, times right: PackedRight, scale: Float, into output: inout [UInt8],
    _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.mergeLowRank(
      weight, as: tile.source, left: elements.span.extracting(0..<tile.rows.count * right.rank), right: right,
      rows: tile.rows.count,
      scale: scale, into: &bytes, as: tile.target)
  }

  /// With that product, its columns multiplied by a vector.
  func merge(
    _ tile: Tile, _ weight: RawSpan, times right: PackedRight, byColumns factors: [Float], scale: Float,
    into output: inout [UInt8], _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.products.merge(
      weight, as: tile.source, left: elements.span.extracting(0..<tile.rows.count * right.rank), right: right,
      byColumns: factors.span,
      rows: tile.rows.count, scale: scale, into: &bytes, as: tile.target)
  }

  /// With that product, multiplied element by element by another one.
  func merge(
    _ tile: Tile, _ weight: RawSpan, times right: PackedRight, by other: FloatBuffer, times otherRight: PackedRight,
    scale: Float, into output: inout [UInt8], _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.products.merge(
      weight, as: tile.source, left: elements.span.extracting(0..<tile.rows.count * right.rank), right: right,
      byProductOf: other.elements.span.extracting(0..<tile.rows.count * otherRight.rank), otherRight,
      rows: tile.rows.count, scale: scale,
      into: &bytes, as: tile.target)
  }

  /// With that product, multiplied element by element by the weight.
  func mergeTimesWeight(
    _ tile: Tile, _ weight: RawSpan, times right: PackedRight, scale: Float, into output: inout [UInt8],
    _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.products.mergeTimesWeight(
      weight, as: tile.source, left: elements.span.extracting(0..<tile.rows.count * right.rank), right: right,
      rows: tile.rows.count, scale: scale, into: &bytes, as: tile.target)
  }

  /// With the first elements as the delta of some rows of the tile.
  func merge(
    _ rows: Range<Int>, of tile: Tile, _ weight: RawSpan, into output: inout [UInt8], _ kernels: KernelSet
  ) throws(ShapeError) -> UInt64 {
    let first = (rows.lowerBound - tile.rows.lowerBound) * tile.columns
    let size = tile.source.byteCount
    let part = weight.extracting(first * size..<(first + rows.count * tile.columns) * size)
    var span = output.mutableSpan
    var bytes = unsafe span.mutableBytes
    return try kernels.combine(part, as: tile.source, with: elements.span, into: &bytes, at: first, as: tile.target)
  }
}
