import TileKernels

/// Blocks along the diagonal that rows are multiplied by, each less the identity; one is all of them.
///
/// `W' = W + W D`: where a rotation is small, the products are small beside W, and so are the roundings of their sums.
struct PreparedBlocks: ValueStep {
  let blocks: PackedBlocks

  var isSum: Bool { false }

  static func memory(_ place: StepPlace, count: Int, size: Int) -> StepMemory {
    StepMemory(
      perElement: StepMemory.values, shared: (try? PackedBlocks.byteCount(count: count, size: size)) ?? 0,
      work: 7 * size * size * MemoryLayout<Double>.stride)
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    try buffers.delta.addBlockProducts(
      of: buffers.value, rows: tile.rows.count, columns: tile.columns, blocks, buffers.kernels)
    swap(&buffers.value, &buffers.delta)
  }
}
