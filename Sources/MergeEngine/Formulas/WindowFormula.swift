import Adapters
import MergePlanning
import TileKernels

/// Some rows of a matrix, which are computed as they are in it.
struct WindowFormula: FormulaEvaluation {
  let formula: Formula<FactorView>
  let rows: Range<Int>

  func memory(_ place: StepPlace) -> StepMemory { formula.evaluation.memory(place) }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedWindow(formula: try formula.evaluation.prepare(context), first: rows.lowerBound)
  }
}

/// A matrix whose row 0 here is another row there.
struct PreparedWindow: PreparedFormula {
  let formula: any PreparedFormula
  let first: Int

  var columns: Int { formula.columns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    try formula.add(
      rows: first + rows.lowerBound..<first + rows.upperBound, scale: scale, to: &delta, at: offset,
      rowStride: rowStride, &scratch)
  }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    try formula.set(
      rows: first + rows.lowerBound..<first + rows.upperBound, scale: scale, to: &delta, at: offset, &scratch)
  }
}
