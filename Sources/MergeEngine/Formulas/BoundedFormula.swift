import Adapters
import MergePlanning
import TileKernels

/// A product whose terms of rank one are given norms: their diagonal is computed once.
struct BoundedFormula: FormulaEvaluation {
  let left: FactorView
  let right: FactorView
  let bound: FactorView

  /// The least norm that counts.
  private static let leastNorm = 1e-4

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = ProductFormula(left: left, right: right, diagonal: nil).memory(place)
    memory.shared += left.columns * MemoryLayout<Float>.stride
    memory.work = max(left.rows * left.columns, right.rows * right.columns) * MemoryLayout<Float>.stride
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let rank = left.columns
    var squares = [Double](repeating: 0, count: rank)
    for (index, value) in try context.widened(left).prefix(left.rows * rank).enumerated() {
      squares[index % rank] += Double(value) * Double(value)
    }
    let rows = try context.widened(right)
    let numerator = try Double(context.widened(bound)[0]) / Double(rank)
    let diagonal = (0..<rank).map { k in
      var square = 0.0
      for index in k * right.columns..<(k + 1) * right.columns { square += Double(rows[index]) * Double(rows[index]) }
      let norms = max(squares[k].squareRoot(), Self.leastNorm) * max(square.squareRoot(), Self.leastNorm)
      return Float(numerator / norms)
    }
    return PreparedProduct(left: left, right: try context.packed(right), diagonal: diagonal)
  }
}
