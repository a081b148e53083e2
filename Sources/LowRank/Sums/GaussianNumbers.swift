#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Normally distributed numbers by a seed: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) and the transformation of Box and
/// Muller (1958).
struct GaussianNumbers {
  private var state: UInt64
  private var second: Double?

  init(seed: UInt64) { state = seed }

  private mutating func word() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number in (0, 1].
  private mutating func uniform() -> Double { (Double(word() >> 11) + 1) * 0x1p-53 }

  /// The next number of mean 0 and variance 1.
  mutating func next() -> Float {
    if let number = second {
      second = nil
      return Float(number)
    }
    let radius = (-2 * log(uniform())).squareRoot()
    let angle = 2 * Double.pi * uniform()
    second = radius * sin(angle)
    return Float(radius * cos(angle))
  }

  /// So many vectors of such numbers.
  mutating func vectors(_ count: Int, length: Int) -> VectorSet {
    VectorSet(count: count, length: length, elements: (0..<count * length).map { _ in next() })
  }
}
