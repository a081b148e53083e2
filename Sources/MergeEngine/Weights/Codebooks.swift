import MergePlanning
import Safetensors

/// What codes stand for, by their value.
package enum Codebooks {
  /// OCP 8-bit floating point, E4M3: no infinities, NaN where all bits but the sign are set.
  static let e4m3: [Float] = (0..<256).map { code in
    let magnitude = code & 0x7F
    if magnitude == 0x7F { return .nan }
    let exponent = magnitude >> 3
    let value =
      exponent == 0
      ? Float(magnitude & 7) * 0x1p-9
      : Float(8 + magnitude & 7) * Float(sign: .plus, exponent: exponent - 10, significand: 1)
    return code < 0x80 ? value : -value
  }

  /// OCP 8-bit floating point, E5M2: the upper half of an f16.
  static let e5m2: [Float] = (0..<256).map { code in
    let exponent = code >> 2 & 0x1F
    let significand = code & 3
    let value: Float =
      switch exponent {
      case 0: Float(significand) * 0x1p-16
      case 31: significand == 0 ? .infinity : .nan
      default: Float(4 + significand) * Float(sign: .plus, exponent: exponent - 17, significand: 1)
      }
    return code < 0x80 ? value : -value
  }

  static let int8: [Float] = (0..<256).map { Float(Int8(truncatingIfNeeded: $0)) }

  /// The values of the 4-bit NormalFloat, Dettmers et al., arXiv:2305.14314, appendix E, as bitsandbytes has them.
  package static let nf4: [Float] = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
  ]

  /// Half way between neighbors in ``nf4``.
  static let nf4Bounds: [Float] = zip(nf4, nf4.dropFirst()).map { ($0 + $1) / 2 }

  /// Half of the distance to the nearer neighbor in ``nf4``.
  static let nf4HalfSteps: [Float] = nf4.indices.map { code in
    let down = code > 0 ? nf4[code] - nf4[code - 1] : .infinity
    let up = code < 15 ? nf4[code + 1] - nf4[code] : .infinity
    return min(down, up) / 2
  }

  /// The values of bitsandbytes' FP4, which are those of E2M1 in another order, divided by 12.
  static let fp4: [Float] = [
    0.0, 0.005208333333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25, 0.0, -0.005208333333, -0.66666667, -1.0,
    -0.33333333, -0.5, -0.16666667, -0.25,
  ]

  /// The code itself, as the numbers of codes of a byte: only the first 16 are asked for.
  static let integers: [Float] = (0..<256).map { Float($0) }

  static func integers(less offset: Int) -> [Float] { offset == 0 ? integers : (0..<256).map { Float($0 - offset) } }

  /// E2M1, OCP Microscaling formats 1.0; only the first 16 are asked for.
  static let e2m1: [Float] = (0..<256).map { doubledE2M1[$0 % 16] / 2 }

  /// Twice the numbers of E2M1, OCP Microscaling formats 1.0: with half a scale the product is the same, and the largest
  /// scale, 2^128, has a half in fp32.
  static let doubledE2M1: [Float] = [0, 1, 2, 3, 4, 6, 8, 12, -0.0, -1, -2, -3, -4, -6, -8, -12]

  /// 2^(code - 128): half a scale of MXFP4.
  static let halvedPowers: [Float] = (0..<256).map { Float(sign: .plus, exponent: $0 - 128, significand: 1) }

  /// 2^(code - 127), the last infinite: scales of bytes, as transformers 5.24 reads them.
  static let powers: [Float] = (0..<256).map {
    $0 == 255 ? .infinity : Float(sign: .plus, exponent: $0 - 127, significand: 1)
  }

  /// E8M0: 2^(code - 127), the last NaN.
  static let e8m0: [Float] = powers.dropLast() + [.nan]

  static func nibbles(_ type: QuantizedWeight.FourBitCodebook) -> [Float] {
    switch type {
    case .nf4: nf4
    case .fp4: fp4
    }
  }
}
