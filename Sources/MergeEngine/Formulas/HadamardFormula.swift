import Adapters
import MergePlanning
import TileKernels

/// Two matrices multiplied element by element: each is computed in fp32, each product of two elements rounds once.
struct HadamardFormula: FormulaEvaluation {
  let one: Formula<FactorView>
  let other: Formula<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = one.evaluation.memory(place)
    let second = other.evaluation.memory(place)
    // Rows of both left factors are packed at once.
    let (products, widest) = (memory.products + second.products, memory.widest + second.widest)
    memory += second
    memory.products = products
    memory.widest = widest
    // A vector's elements.
    if case .matrix(let view) = other { memory.shared += max(view.rows, view.columns) * MemoryLayout<Float>.stride }
    // Both matrices' rows are held until they are multiplied.
    memory.perElement += 4 + 4
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let prepared = try one.evaluation.prepare(context)
    guard case .matrix(let view) = other, view.spread.isEmpty, view.rowStride == 0 || view.columnStride == 0 else {
      return PreparedHadamard(one: prepared, other: try other.evaluation.prepare(context))
    }
    // A vector, the same for all rows or all columns.
    let axis: Axis = view.rowStride == 0 ? .columns : .rows
    let vector = FactorView(
      view.source, rows: axis == .rows ? view.rows : 1, columns: axis == .rows ? 1 : view.columns, offset: view.offset,
      rowStride: view.rowStride, columnStride: view.columnStride)
    let factors = try context.widened(vector).prefix(vector.rows * vector.columns)
    return PreparedVectorFactors(formula: prepared, factors: Array(factors), axis: axis)
  }
}

/// Two matrices whose rows can be computed.
struct PreparedHadamard: SettingFormula {
  let one: any PreparedFormula
  let other: any PreparedFormula

  var columns: Int { one.columns }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    let count = rows.count * columns
    try one.set(rows: rows, scale: 1, to: &delta, at: offset, &scratch)
    let factor = try other.rows(rows, &scratch)
    delta.multiply(by: factor, count: count, at: offset)
    if scale != 1 { try delta.scale(count, from: offset, by: scale, scratch.kernels) }
    scratch.parts.append(factor)
  }

  func merge(_ tile: Tile, weight: RawSpan, scale: Float, _ buffers: inout TileBuffers) throws -> UInt64? {
    guard let one = one as? any PreparedLowRank, let other = other as? any PreparedLowRank else { return nil }
    let left = try one.left(tile.rows, &buffers.scratch)
    let otherLeft = try other.left(tile.rows, &buffers.scratch)
    defer { buffers.scratch.parts += [left, otherLeft] }
    return try left.merge(
      tile, weight, times: one.right, by: otherLeft, times: other.right, scale: scale, into: &buffers.output,
      buffers.kernels)
  }
}
