import Adapters
import MergePlanning
import TileKernels

/// Blocks of which each is of two runs of columns.
struct Butterfly: ValueStep {
  private let blocks: [PackedRight]
  /// Columns of a run.
  private let half: Int
  /// How many runs lie from the first of a block to its second.
  private let distance: Int

  var isSum: Bool { false }

  static func memory(_ place: StepPlace, blocks: FactorView, size: Int) -> StepMemory {
    let packed = (try? PackedRight.byteCount(columns: size, rank: size)) ?? 0
    var memory = StepMemory(
      perElement: StepMemory.values + 4 + 4, shared: blocks.rows * packed,
      work: blocks.rows * blocks.columns * 4 + 7 * size * size * 8)
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: size)
    return memory
  }

  /// The blocks along the diagonal, or those of a level.
  static func prepared(
    _ view: FactorView, size: Int, level: Int, _ context: StepContext
  ) throws -> any ValueStep {
    let values = try context.widened(view)
    var blocks: [PackedRight] = []
    for first in stride(from: 0, to: view.rows * view.columns, by: view.columns) {
      var skew = [Double](repeating: 0, count: size * size)
      for row in 0..<size {
        for column in 0..<size {
          let (one, other) = (values[first + row * size + column], values[first + column * size + row])
          skew[row * size + column] = (Double(one) - Double(other)) / 2
        }
      }
      let matrix = CayleyBlock(skew: skew, size: size, Cayley(terms: nil, limit: nil, isTransposed: true))
      blocks.append(try context.packed(matrix.elements.map { Float($0) }, size: size))
    }
    if level == 0 { return PreparedBlocks(blocks: blocks, size: size) }
    return Butterfly(blocks: blocks, half: size / 2, distance: 1 << level)
  }

  private init(blocks: [PackedRight], half: Int, distance: Int) {
    (self.blocks, self.half, self.distance) = (blocks, half, distance)
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    let (rows, columns, size) = (tile.rows.count, tile.columns, 2 * half)
    var part = buffers.scratch.parts.popLast() ?? FloatBuffer()
    var product = buffers.scratch.parts.popLast() ?? FloatBuffer()
    part.grow(to: rows * size)
    for (number, block) in blocks.enumerated() {
      let run = number / distance * 2 * distance + number % distance
      let (one, other) = (run * half..<(run + 1) * half, (run + distance) * half..<(run + distance + 1) * half)
      part.copy(one, of: buffers.value, width: columns, rows: rows, to: 0, width: size)
      part.copy(other, of: buffers.value, width: columns, rows: rows, to: half, width: size)
      try product.clear(rows * size)
      try product.addProduct(part.elements.span, block, rows: rows, scale: 1, rowStride: size, buffers.kernels)
      buffers.value.copy(0..<half, of: product, width: size, rows: rows, to: one.lowerBound, width: columns)
      buffers.value.copy(half..<size, of: product, width: size, rows: rows, to: other.lowerBound, width: columns)
    }
    buffers.scratch.parts += [part, product]
  }
}
