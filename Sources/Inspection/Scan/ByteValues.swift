import Safetensors

/// The values that a byte encodes.
///
/// Source: OCP 8-bit Floating Point Specification 1.0 (E4M3, E5M2), OCP Microscaling Formats 1.0 (E8M0, E2M1), ONNX on
/// the types that end in FNUZ.
enum ByteValues {
  static func values(of dtype: DType) -> [Double]? {
    let bytes = (0...255).map { UInt8($0) }
    switch dtype {
    case .bool, .u8: return bytes.map(Double.init)
    case .i8: return bytes.map { Double(Int8(bitPattern: $0)) }
    case .f8E4M3: return bytes.map { $0 & 0x7F == 0x7F ? .nan : float($0, mantissaBits: 3, bias: 7) }
    case .f8E5M2:
      return bytes.map { byte in
        switch byte & 0x7F {
        case 0x7C: byte & 0x80 == 0 ? .infinity : -.infinity
        case 0x7D...: .nan
        default: float(byte, mantissaBits: 2, bias: 15)
        }
      }
    case .f8E4M3FNUZ: return bytes.map { $0 == 0x80 ? .nan : float($0, mantissaBits: 3, bias: 8) }
    case .f8E5M2FNUZ: return bytes.map { $0 == 0x80 ? .nan : float($0, mantissaBits: 2, bias: 16) }
    case .f8E8M0: return bytes.map { $0 == 0xFF ? .nan : Double(sign: .plus, exponent: Int($0) - 127, significand: 1) }
    default: return nil
    }
  }

  /// The value of the 4 bits above `shift` bits: a sign, two bits of exponent, one of mantissa.
  static func f4(shift: UInt8) -> [Double] {
    let magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    return (0...255).map { byte in
      let half = byte >> Int(shift) & 15
      return half & 8 == 0 ? magnitudes[half & 7] : -magnitudes[half & 7]
    }
  }

  /// A sign, an exponent and a mantissa, of which exponent 0 is subnormal.
  private static func float(_ byte: UInt8, mantissaBits: Int, bias: Int) -> Double {
    let exponent = Int(byte & 0x7F) >> mantissaBits
    let mantissa = Double(Int(byte) & (1 << mantissaBits - 1)) / Double(1 << mantissaBits)
    let magnitude =
      exponent == 0
      ? Double(sign: .plus, exponent: 1 - bias, significand: mantissa)
      : Double(sign: .plus, exponent: exponent - bias, significand: 1 + mantissa)
    return byte & 0x80 == 0 ? magnitude : -magnitude
  }
}
