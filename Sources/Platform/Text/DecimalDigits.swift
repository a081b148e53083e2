/// The first decimal digits of a number, and their exponent: `digits * 10^(exponent + 1 - count)`.
struct DecimalDigits {
  /// A number of `count` digits, of which the first is not 0.
  let digits: Int
  /// The exponent of the first digit.
  let exponent: Int

  /// - Parameter magnitude: Finite and above 0.
  init(_ magnitude: Double, count: Int) {
    var exponent = 0
    var mantissa = magnitude
    while mantissa >= 10 {
      mantissa /= 10
      exponent += 1
    }
    while mantissa < 1 {
      mantissa *= 10
      exponent -= 1
    }
    let unit = (1..<count).reduce(1) { unit, _ in unit * 10 }
    var digits = Int((mantissa * Double(unit)).rounded())
    if digits == unit * 10 {
      digits = unit
      exponent += 1
    }
    self.digits = digits
    self.exponent = exponent
  }
}
