import Adapters
import MergePlanning
import TileKernels

/// Bands of rows, each multiplied by a block of its own, whose rows are added to the product.
struct Bands: ValueStep {
  private let blocks: [PackedRight]
  /// The blocks' rows, one after another.
  private let values: [Float]
  private let size: Int

  var isSum: Bool { false }

  static func memory(_ place: StepPlace, blocks: FactorView, size: Int) -> StepMemory {
    let packed = (try? PackedRight.byteCount(columns: size, rank: size)) ?? 0
    var memory = StepMemory(
      perElement: StepMemory.values, shared: blocks.rows / size * packed + blocks.rows * blocks.columns * 4,
      work: blocks.rows * blocks.columns * 4)
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows * place.tensor.update.columns, rank: size)
    return memory
  }

  init(_ view: FactorView, size: Int, _ context: StepContext) throws {
    self.size = size
    values = Array(try context.widened(view).prefix(view.rows * view.columns))
    var blocks: [PackedRight] = []
    for first in stride(from: 0, to: values.count, by: size * size) {
      blocks.append(try context.packed(Array(values[first..<first + size * size]), size: size))
    }
    self.blocks = blocks
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    try buffers.delta.clear(tile.count)
    let columns = tile.columns
    // Taken out while the delta is changed.
    var value = FloatBuffer()
    swap(&value, &buffers.value)
    var row = tile.rows.lowerBound
    while row < tile.rows.upperBound {
      let band = row / size
      let rows = row..<min((band + 1) * size, tile.rows.upperBound)
      // Rows lie behind each other: all parts of them are rows of one matrix of `size` columns.
      let (first, count) = ((row - tile.rows.lowerBound) * columns, rows.count * columns)
      try buffers.delta.addProduct(
        value.elements.span.extracting(first..<first + count), blocks[band], rows: count / size, scale: 1,
        at: first, rowStride: size, buffers.kernels)
      for row in rows {
        buffers.delta.addRepeated(
          values[row * size..<(row + 1) * size], at: (row - tile.rows.lowerBound) * columns, columns: columns)
      }
      row = rows.upperBound
    }
    swap(&value, &buffers.value)
    try buffers.addDelta(tile, start)
  }
}
