import MergePlanning
import TileKernels

/// Two matrices multiplied element by element: each is computed in fp32, each product of two elements rounds once.
struct HadamardFormula: FormulaEvaluation {
  let one: any FormulaEvaluation
  let other: any FormulaEvaluation

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = one.memory(place)
    memory += other.memory(place)
    // Both matrices' rows are held until they are multiplied.
    memory.perElement += 4 + 4
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedHadamard(one: try one.prepare(context), other: try other.prepare(context))
  }
}

/// Two matrices whose rows can be computed.
struct PreparedHadamard: PreparedFormula {
  let one: any PreparedFormula
  let other: any PreparedFormula

  var columns: Int { one.columns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let count = rows.count * columns
    var product = try one.rows(rows, &scratch)
    let factor = try other.rows(rows, &scratch)
    product.multiply(by: factor, count: count)
    try delta.addScaled(
      product, rows: rows.count, columns: columns, scale: scale, at: offset, rowStride: rowStride, scratch.kernels)
    scratch.parts += [product, factor]
  }
}
