/// The distribution of a tensor's values: normally distributed around a mean.
enum ValueKind: Hashable, Sendable {
  case weight
  case normWeight
  case factorA
  case factorB
  /// DoRA's magnitudes of rows with so many elements: near the norms of the weight's rows.
  case magnitude(inputs: Int)
  /// Random bytes, without NaN where they are numbers.
  case codes
  /// Scales of codes up to `largest`, for weights up to 0.1.
  case scale(largest: Int)
  /// Exponents of such scales, which are powers of two.
  case exponents
  case bytes([UInt8])

  var mean: Double {
    switch self {
    case .weight, .factorA, .factorB, .codes, .exponents, .bytes: 0
    case .scale(let largest): 0.1 / Double(largest)
    case .normWeight: 1
    case .magnitude(let inputs): Self.weight.deviation * Double(inputs).squareRoot()
    }
  }

  /// The standard deviation.
  var deviation: Double {
    switch self {
    case .weight, .normWeight, .factorA: 0.02
    case .factorB: 0.01
    case .scale: mean / 10
    case .codes, .exponents, .bytes: 0
    case .magnitude: mean / 50
    }
  }
}
