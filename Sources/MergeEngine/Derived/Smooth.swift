/// Functions of the exponential kind in double by series, the same on every machine; off by a few units in the last place, or of 1.
enum Smooth {
  static func exponential(_ x: Double) -> Double {
    if x.isNaN { return x }
    guard x > -745 else { return 0 }
    guard x < 709.78 else { return .infinity }
    let count = (x * 1.4426950408889634).rounded()
    // The logarithm of 2 in two parts, the first of which times any count is exact.
    let rest = x - count * 0x1.62e42feep-1 - count * 0x1.a39ef35793c76p-33
    return Double(sign: .plus, exponent: Int(count), significand: 1 + powers(rest))
  }

  /// `exp(x) - 1` of a small x.
  private static func powers(_ x: Double) -> Double {
    var (term, sum) = (1.0, 0.0)
    for k in 1...22 {
      term *= x / Double(k)
      sum += term
    }
    return sum
  }

  /// `1 / (1 + exp(-x))`.
  static func logistic(_ x: Double) -> Double {
    if x >= 0 { return 1 / (1 + exponential(-x)) }
    let power = exponential(x)
    return power / (1 + power)
  }

  static func hyperbolicTangent(_ x: Double) -> Double {
    let size = abs(x)
    if size < 0.5 {
      let power = powers(2 * x)
      return power / (power + 2)
    }
    let power = exponential(-2 * size)
    let value = (1 - power) / (1 + power)
    return x < 0 ? -value : value
  }

  /// `log(1 + exp(x))`.
  static func softplus(_ x: Double) -> Double {
    let power = exponential(-abs(x))
    // log(1 + y) = 2 artanh(y / (2 + y)), whose argument is at most a third.
    let ratio = power / (2 + power)
    var (term, sum) = (ratio, 0.0)
    for k in 0..<18 {
      sum += term / Double(2 * k + 1)
      term *= ratio * ratio
    }
    return (x > 0 ? x : 0) + 2 * sum
  }

  static func errorFunction(_ x: Double) -> Double {
    if x.isNaN { return x }
    guard abs(x) < 6 else { return x < 0 ? -1 : 1 }
    // 2 / sqrt(pi) exp(-x^2) times the sum of 2^n x^(2n + 1) / (1 * 3 * ... * (2n + 1)): no term has another sign.
    var (term, sum) = (x, x)
    var n = 0.0
    while abs(term) > abs(sum) * 0x1p-54, n < 400 {
      n += 1
      term *= 2 * x * x / (2 * n + 1)
      sum += term
    }
    return 2 / Double.pi.squareRoot() * exponential(-x * x) * sum
  }
}
