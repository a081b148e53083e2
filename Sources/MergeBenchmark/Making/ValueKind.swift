/// What the values of a tensor look like: normally distributed around a mean.
enum ValueKind: Hashable, Sendable {
  case weight
  case normWeight
  case factorA
  case factorB
  /// DoRA's magnitudes of rows with so many elements: near the norms of the weight's rows.
  case magnitude(inputs: Int)

  var mean: Double {
    switch self {
    case .weight, .factorA, .factorB: 0
    case .normWeight: 1
    case .magnitude(let inputs): Self.weight.deviation * Double(inputs).squareRoot()
    }
  }

  /// The standard deviation.
  var deviation: Double {
    switch self {
    case .weight, .normWeight, .factorA: 0.02
    case .factorB: 0.01
    case .magnitude: mean / 50
    }
  }
}
