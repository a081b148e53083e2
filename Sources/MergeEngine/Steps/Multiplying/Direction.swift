/// Cosine and sine of an angle, the same on every machine: the libraries of two systems may differ in the last bit.
struct Direction {
  let cosine: Double
  let sine: Double

  /// Half of pi in two parts.
  private static let quarter = 0x1.921fb54442d18p0
  private static let rest = 0x1.1a62633145c07p-54
  /// Up to this an angle's quarters are counted exactly; one that is larger has no meaning.
  private static let largest = 0x1p52

  /// - Parameter angle: NaN, an infinity, or an angle that is too large makes both NaN.
  init(angle: Double) {
    guard angle.magnitude < Self.largest else {
      (cosine, sine) = (.nan, .nan)
      return
    }
    // Exact, as IEEE 754 says.
    let remainder = angle.remainder(dividingBy: Self.quarter)
    let quarters = ((angle - remainder) / Self.quarter).rounded()
    let x = remainder - quarters * Self.rest
    let square = x * x
    var (even, odd) = (1.0, 1.0)
    // Horner's scheme: of at most pi / 4 what follows is below 2^-60.
    for k in stride(from: 20.0, to: 0, by: -2) {
      even = 1 - even * square / (k * (k - 1))
      odd = 1 - odd * square / (k * (k + 1))
    }
    odd *= x
    switch Int(quarters.truncatingRemainder(dividingBy: 4)) {
    case 0: (cosine, sine) = (even, odd)
    case 1, -3: (cosine, sine) = (-odd, even)
    case 2, -2: (cosine, sine) = (-even, -odd)
    default: (cosine, sine) = (odd, -even)
    }
  }
}
