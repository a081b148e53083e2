import MergePlanning
import TileKernels

/// A weighted sum of matrices, computed once, in double and rounded to fp32.
struct WeightedFormula: FormulaEvaluation {
  let weights: FactorView
  let matrices: FactorView
  let rows: Int
  let isTransposed: Bool

  func memory(_ place: StepPlace) -> StepMemory {
    let count = matrices.columns
    return StepMemory(
      shared: count * MemoryLayout<Float>.stride,
      work: (matrices.rows * count + matrices.rows) * MemoryLayout<Float>.stride
        + count * MemoryLayout<Double>.stride)
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let factors = try context.widened(weights)
    let elements = try context.widened(matrices)
    let count = matrices.columns
    var sums = [Double](repeating: 0, count: count)
    for number in 0..<matrices.rows {
      let factor = Double(factors[number])
      for index in 0..<count { sums[index] += factor * Double(elements[number * count + index]) }
    }
    let columns = count / rows
    guard isTransposed else { return PreparedValues(sums.map { Float($0) }, columns: columns) }
    let turned = (0..<count).map { Float(sums[$0 % rows * columns + $0 / rows]) }
    return PreparedValues(turned, columns: rows)
  }
}
