import MergePlanning
import TileKernels

/// Numbers of one vector, in the places that a matrix of integers names.
struct ChosenFormula: FormulaEvaluation {
  let values: FactorView
  let places: FactorView

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory(rowsOf: places, place)
    memory.shared = values.columns * MemoryLayout<Float>.stride
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    for row in 0..<places.rows {
      for place in try context.widened(places, rows: row..<row + 1).prefix(places.columns)
      where !(place >= 0 && place < Float(values.columns) && place == place.rounded()) {
        throw MergeError(
          path: context.inputs.path(of: places.source.input), tensor: context.tensor.name,
          .place(row: 0, column: Int(exactly: place) ?? -1, rows: 1, columns: values.columns))
      }
    }
    return PreparedChoice(values: try context.widened(values), places: places)
  }
}

/// A vector, and which of its numbers each element of a matrix is.
struct PreparedChoice: PreparedFormula {
  let values: [Float]
  let places: FactorView

  var columns: Int { places.columns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    let (inputs, kernels) = (scratch.inputs, scratch.kernels)
    try scratch.widened.read(places, rows: rows, through: &scratch.raw, inputs, kernels)
    scratch.widened.choose(rows.count * columns, of: values)
    try delta.addScaled(
      scratch.widened, rows: rows.count, columns: columns, scale: scale, at: offset, rowStride: rowStride, kernels)
  }
}
