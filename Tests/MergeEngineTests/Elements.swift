import Safetensors
import TestSupport

/// Elements of F32, F16 and BF16 as bits and numbers, written down plainly: through exact doubles, one at a time.
enum Elements {
  /// Precision in bits (the leading one included), smallest exponent of a normal number, largest exponent.
  private static func format(_ dtype: DType) -> (precision: Int, lowest: Int, highest: Int) {
    switch dtype {
    case .f16: (11, -14, 15)
    case .bf16: (8, -126, 127)
    default: (24, -126, 127)
    }
  }

  private static func power(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// What each of the 65,536 F16 stands for, but NaN.
  private static let wideF16: [Float] = (0..<65536).map { bits in
    let magnitude = bits & 0x7fff
    let (exponent, fraction) = (magnitude >> 10, Double(magnitude & 0x3ff))
    let value =
      exponent == 31
      ? .infinity : exponent == 0 ? fraction * 0x1p-24 : (1 + fraction * 0x1p-10) * power(exponent - 15)
    return bits < 0x8000 ? Float(value) : -Float(value)
  }

  /// The number; a NaN keeps as many bits of its payload as there are, and becomes quiet.
  static func widen(_ bits: UInt32, _ dtype: DType) -> Float {
    switch dtype {
    case .bf16: return quiet(Float(bitPattern: bits << 16))
    case .f16:
      if bits & 0x7fff > 0x7c00 {
        return Float(bitPattern: (bits >> 15) << 31 | 0x7fc0_0000 | (bits & 0x3ff) << 13)
      }
      return wideF16[Int(bits)]
    default: return quiet(Float(bitPattern: bits))
    }
  }

  private static func quiet(_ value: Float) -> Float {
    value.isNaN ? Float(bitPattern: value.bitPattern | 0x0040_0000) : value
  }

  /// The bits of a number rounded once, to nearest even.
  static func narrow(_ number: Double, _ dtype: DType) -> UInt32 {
    let (precision, lowest, highest) = format(dtype)
    let width = dtype == .f32 ? 32 : 16
    let sign: UInt32 = number.sign == .minus ? 1 << UInt32(width - 1) : 0
    let infinity = UInt32(highest - lowest + 2) << UInt32(precision - 1)
    let value = number.magnitude
    if value == 0 { return sign }
    if value.isInfinite { return sign | infinity }
    let quantum = power(max(Int(value.exponent), lowest) - precision + 1)
    let rounded = (value / quantum).rounded(.toNearestOrEven) * quantum
    if rounded >= power(highest + 1) { return sign | infinity }
    // Subnormal and normal numbers are one sequence: in units of the smallest, then an exponent at a time.
    if rounded < power(lowest) { return sign | UInt32(rounded / power(lowest - precision + 1)) }
    let exponent = Int(rounded.exponent)
    let fraction = UInt32((rounded / power(exponent) - 1) * power(precision - 1))
    return sign | UInt32(exponent - lowest + 1) << UInt32(precision - 1) | fraction
  }

  /// The same for fp32, NaN included.
  static func narrow(_ number: Float, _ dtype: DType) -> UInt32 {
    if number.isNaN {
      let bits = number.bitPattern | 0x0040_0000
      switch dtype {
      case .f32: return bits
      case .bf16: return bits >> 16
      default: return (bits >> 31) << 15 | 0x7c00 | (bits & 0x007f_ffff) >> 13
      }
    }
    if dtype == .f32 { return number.bitPattern }
    return narrow(Double(number), dtype)
  }

  /// The distance between two neighbors at this number.
  static func ulp(_ number: Double, _ dtype: DType) -> Double {
    let (precision, lowest, _) = format(dtype)
    return power((number == 0 ? lowest : max(Int(number.exponent), lowest)) - precision + 1)
  }

  static func bytes(_ elements: [UInt32], _ dtype: DType) -> [UInt8] {
    let size = dtype.bitCount / 8
    var result: [UInt8] = []
    result.reserveCapacity(elements.count * size)
    for element in elements {
      for byte in 0..<size { result.append(UInt8(truncatingIfNeeded: element >> UInt32(8 * byte))) }
    }
    return result
  }

  static func bits(_ bytes: [UInt8], _ dtype: DType) -> [UInt32] {
    let size = dtype.bitCount / 8
    return (0..<bytes.count / size).map { position in
      (0..<size).reduce(0) { $0 | UInt32(bytes[position * size + $1]) << UInt32(8 * $1) }
    }
  }

  static func numbers(_ bits: [UInt32], _ dtype: DType) -> [Float] { bits.map { widen($0, dtype) } }

  /// Where two lists of bits first differ; nil if they are equal.
  static func difference(_ found: [UInt32], _ expected: [UInt32]) -> String? {
    if found.count != expected.count { return "\(found.count) elements instead of \(expected.count)" }
    guard let i = found.indices.first(where: { found[$0] != expected[$0] }) else { return nil }
    return "element \(i) is \(String(found[i], radix: 16)) instead of \(String(expected[i], radix: 16))"
  }
}

extension TestTensor {
  /// A tensor of numbers, each rounded to the dtype.
  init(_ name: String, _ dtype: DType, _ shape: [Int], numbers: [Float]) {
    self.init(name, dtype, shape, bytes: Elements.bytes(numbers.map { Elements.narrow($0, dtype) }, dtype))
  }

  init(_ name: String, _ dtype: DType, _ shape: [Int], bits: [UInt32]) {
    self.init(name, dtype, shape, bytes: Elements.bytes(bits, dtype))
  }
}

extension SeededGenerator {
  /// Numbers in -1 ..< 1.
  mutating func numbers(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float(Int32(truncatingIfNeeded: next()) >> 8) * 0x1p-23 }
  }
}
