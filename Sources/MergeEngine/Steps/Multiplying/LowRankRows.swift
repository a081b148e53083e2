import Adapters
import MergePlanning
import TileKernels

/// Adds to each row its product with a matrix of low rank, `x + s (x A) B`: the products with the columns of A are summed in double
/// and rounded to fp32, and those with B summed in fp32.
struct LowRankRows: ValueStep {
  /// The columns of A, one after another.
  private let projections: [Double]
  private let right: PackedRight
  private let scaling: Float
  private let positions: Int

  var isSum: Bool { false }

  static func memory(_ place: StepPlace, left: FactorView, right: FactorView, positions: Int) -> StepMemory {
    let packed = (try? PackedRight.byteCount(columns: right.columns, rank: right.rows)) ?? 0
    let count = left.rows * left.columns
    // Rows whose positions stand apart, and what is added to them.
    var memory = StepMemory(
      perElement: StepMemory.values + (positions > 1 ? 8 : 0), shared: count * 8 + packed, work: count * 4)
    memory.rows = place.tileRows * positions * left.columns * 4
    memory.products = KernelSet.scratchByteCount(rows: place.tileRows * positions, rank: right.rows)
    return memory
  }

  init(
    _ left: FactorView, _ right: FactorView, scaling: Float, positions: Int, _ context: StepContext
  ) throws {
    let values = try context.widened(left)
    projections = (0..<left.rows * left.columns).map { place in
      Double(values[place % left.rows * left.columns + place / left.rows])
    }
    self.right = try context.packed(right)
    self.scaling = scaling
    self.positions = positions
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    let (width, kernels) = (tile.columns / positions, buffers.kernels)
    let rows = tile.rows.count * positions
    var parts = buffers.scratch.parts.popLast() ?? FloatBuffer()
    defer { buffers.scratch.parts.append(parts) }
    if positions == 1 {
      try parts.project(buffers.value, rows: rows, columns: width, on: projections, count: right.rank, kernels)
      try buffers.value.addProduct(
        parts.elements.span, right, rows: rows, scale: scaling, rowStride: width, kernels)
      return
    }
    var apart = buffers.scratch.parts.popLast() ?? FloatBuffer()
    apart.transposeParts(of: buffers.value, count: tile.rows.count, rows: width, columns: positions)
    try parts.project(apart, rows: rows, columns: width, on: projections, count: right.rank, kernels)
    try apart.clear(rows * width)
    try apart.addProduct(parts.elements.span, right, rows: rows, scale: scaling, rowStride: width, kernels)
    buffers.delta.transposeParts(of: apart, count: tile.rows.count, rows: positions, columns: width)
    try buffers.value.add(buffers.delta, count: tile.count, kernels)
    buffers.scratch.parts.append(apart)
  }
}
