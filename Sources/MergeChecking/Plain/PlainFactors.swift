import Safetensors

/// Factors of dtypes that the weights of a model do not have, an element at a time by the definition of each.
enum PlainFactors {
  /// Bytes an element; nil: another dtype.
  static func byteCount(_ dtype: DType) -> Int? {
    switch dtype {
    case .f64, .i64: 8
    case .i32: 4
    case .i16: 2
    case .f8E4M3, .f8E5M2, .u8: 1
    default: nil
    }
  }

  static func widen(_ bytes: [UInt8], _ dtype: DType, count: Int) -> [Float] {
    (0..<count).map { index in
      switch dtype {
      case .u8: Float(bytes[index])
      case .i16: Float(Int16(truncatingIfNeeded: integer(bytes, index, 2)))
      case .i32: Float(Int32(truncatingIfNeeded: integer(bytes, index, 4)))
      case .i64: Float(integer(bytes, index, 8))
      case .f64:
        Float(Double(bitPattern: (0..<8).reduce(0) { $0 | UInt64(bytes[index * 8 + $1]) << (8 * $1) }))
      case .f8E4M3: float8(bytes[index], exponentBits: 4, hasInfinity: false)
      default: float8(bytes[index], exponentBits: 5, hasInfinity: true)
      }
    }
  }

  /// Integers, or whole numbers of fp32; other numbers are -1.
  static func integers(_ bytes: [UInt8], _ dtype: DType, count: Int) -> [Int] {
    (0..<count).map { index in
      switch dtype {
      case .u8: Int(bytes[index])
      case .i16: Int(Int16(truncatingIfNeeded: integer(bytes, index, 2)))
      case .i32: Int(Int32(truncatingIfNeeded: integer(bytes, index, 4)))
      case .i64: Int(integer(bytes, index, 8))
      default: Int(exactly: Float(bitPattern: UInt32(truncatingIfNeeded: integer(bytes, index, 4)))) ?? -1
      }
    }
  }

  /// Little-endian bytes, without regard to a sign that is not in the last of eight.
  private static func integer(_ bytes: [UInt8], _ index: Int, _ count: Int) -> Int64 {
    (0..<count).reduce(0) { $0 | Int64(truncatingIfNeeded: UInt64(bytes[index * count + $1]) << (8 * $1)) }
  }

  /// OCP 8-bit floating point: a sign, an exponent, a significand.
  private static func float8(_ code: UInt8, exponentBits: Int, hasInfinity: Bool) -> Float {
    let significandBits = 7 - exponentBits
    let sign: Float = code & 0x80 == 0 ? 1 : -1
    let exponent = Int(code & 0x7F) >> significandBits
    let fraction = Int(code) & ((1 << significandBits) - 1)
    let largest = (1 << exponentBits) - 1
    if exponent == largest, hasInfinity { return fraction == 0 ? sign * .infinity : .nan }
    if exponent == largest, fraction == (1 << significandBits) - 1 { return .nan }
    let bias = (1 << (exponentBits - 1)) - 1
    let unit = Float(sign: .plus, exponent: max(exponent, 1) - bias - significandBits, significand: 1)
    return sign * unit * Float(fraction + (exponent == 0 ? 0 : 1 << significandBits))
  }
}
