import Adapters
import MergePlanning

extension DerivedFactors {
  /// DEFT: Q, and `s R - F^T W`.
  init(
    _ substitution: Substitution<FactorView>, _ derivation: Derivation<FactorView>, _ context: StepContext
  ) throws {
    let (rows, rank) = (derivation.rows, substitution.rank)
    var directions = Array(try context.widened(substitution.directions)[..<(rows * rank)])
    var removed = [Float](repeating: 0, count: rows * rank)
    if substitution.isOrthogonal {
      guard let found = HouseholderQR(directions.map(Double.init), columns: rank) else {
        throw MergeError(
          path: context.inputs.path(of: substitution.directions.source.input), tensor: context.tensor.name,
          .undetermined("the columns of the adapter's deft_P are not independent"))
      }
      directions = found.q.map { Float($0) }
    }
    for row in 0..<rows {
      for place in 0..<rank {
        let value = directions[row * rank + place]
        removed[place * rows + row] = substitution.isOrthogonal || value > 0 || value.isNaN ? value : 0
      }
    }
    var image = try WeightImage(removed, derivation, context).values
    if let injection = substitution.injection {
      let values = try context.widened(injection)
      for index in image.indices { image[index] = substitution.scaling * Double(values[index]) - image[index] }
    } else {
      for index in image.indices { image[index] = -image[index] }
    }
    left = directions
    right = image.map { Float($0) }
  }
}
