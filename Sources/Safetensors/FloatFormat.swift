/// Conversion to and from fp32 for floating-point types that Swift does not have on every machine.
package enum FloatFormat {
  /// The value of an F16, exactly.
  ///
  /// - Source: IEEE 754-2019, binary16.
  package static func float(f16 bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10 & 0x1F)
    let fraction = UInt32(bits & 0x3FF)
    switch exponent {
    case 0x1F: return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
    case 0:
      // Subnormal: the fraction in units of 2^-24.
      let magnitude = Float(fraction) * 0x1p-24
      return Float(bitPattern: sign | magnitude.bitPattern)
    default: return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }
  }

  /// The value of a BF16, exactly.
  package static func float(bf16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  /// Rounds to the nearest F16, ties to even. A value that is too large becomes infinite, a NaN stays a quiet NaN.
  package static func f16(_ value: Float) -> UInt16 {
    let sign = UInt16(value.bitPattern >> 16) & 0x8000
    let magnitude = value.magnitude
    if value.isNaN { return sign | 0x7E00 | UInt16(truncatingIfNeeded: value.bitPattern >> 13) & 0x1FF }
    if magnitude >= 65520 { return sign | 0x7C00 }
    // Below 2^-14 in units of 2^-24: the sum with 0.5 has its last bit there, and rounds as F16 does.
    if magnitude < 0x1p-14 { return sign | UInt16(truncatingIfNeeded: (magnitude + 0.5).bitPattern - 0x3F00_0000) }
    let bits = magnitude.bitPattern - 112 << 23
    return sign | UInt16(truncatingIfNeeded: (bits + 0xFFF + (bits >> 13 & 1)) >> 13)
  }

  /// Rounds to the nearest BF16, ties to even. A NaN stays a quiet NaN.
  package static func bf16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
  }
}
