import MergePlanning
import TileKernels

/// A matrix as it is in the adapter.
struct MatrixFormula: FormulaEvaluation, PreparedFormula {
  let values: FactorView

  var columns: Int { values.columns }

  func memory(_ place: StepPlace) -> StepMemory { StepMemory(rowsOf: values, place) }

  func prepare(_ context: StepContext) throws -> any PreparedFormula { self }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let (inputs, kernels) = (scratch.inputs, scratch.kernels)
    try scratch.widened.read(values, rows: rows, through: &scratch.raw, inputs, kernels)
    try delta.addScaled(
      scratch.widened, rows: rows.count, columns: values.columns, scale: scale, at: offset, rowStride: rowStride,
      kernels)
  }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    let (inputs, kernels) = (scratch.inputs, scratch.kernels)
    // A factor of 1 changes nothing.
    if scale == 1, offset == 0 { return try delta.read(values, rows: rows, through: &scratch.raw, inputs, kernels) }
    try scratch.widened.read(values, rows: rows, through: &scratch.raw, inputs, kernels)
    let count = rows.count * columns
    try delta.setRow(offset..<offset + count, to: scratch.widened, from: 0..<count, scale: scale, kernels)
  }
}
