import Safetensors
import TileKernels

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// 65,536 values of a normal distribution, one for each 16 random bits, in a dtype; or as many pairs of bytes.
///
/// Two instructions a value: a file of some GiB is filled as fast as it is written. Values in fp32 get their low 16 bits
/// at random. No value is zero, subnormal, infinite or NaN.
struct NormalValues: Sendable {
  private let bits: [UInt32]
  private let byteCount: Int

  init(_ kind: ValueKind, _ dtype: DType) throws(BenchmarkError) {
    if dtype.bitCount == 8 {
      let bytes = (0..<256).map { Self.byte(UInt32($0), kind, dtype) }
      byteCount = 2
      bits = (0..<65_536).map { bytes[$0 >> 8] << 8 | bytes[$0 & 0xFF] }
      return
    }
    let type: ElementType
    switch dtype {
    case .bf16: type = .bf16
    case .f16: type = .f16
    case .f32: type = .f32
    default: throw .dtypeNotMade(dtype)
    }
    let smallest: Float = dtype == .f16 ? 0x1p-14 : 0x1p-100
    let values = Self.quantiles.map { quantile in
      let value = Float(kind.mean + kind.deviation * quantile)
      return abs(value) < smallest ? (value < 0 ? -smallest : smallest) : value
    }
    byteCount = type.byteCount
    bits = Self.encode(values, as: type)
  }

  /// A random byte as one of its kind.
  private static func byte(_ random: UInt32, _ kind: ValueKind, _ dtype: DType) -> UInt32 {
    // 12 * 2^-7 is about 0.1.
    if kind == .exponents { return 117 + random % 4 }
    return dtype == .f8E4M3 && random & 0x7F == 0x7F ? random - 1 : random
  }

  /// Fills `buffer` from its start up to a whole word after `byteCount` bytes; the same bits for the same `key`.
  func fill(_ buffer: UnsafeMutableBufferPointer<UInt64>, byteCount: Int, key: UInt64) {
    var random = SplitMix(state: key)
    bits.withUnsafeBufferPointer { bits in
      let words = (byteCount + 7) / 8
      if self.byteCount == 2 {
        for word in 0..<words {
          let choice = random.next()
          let low = UInt64(bits[Int(choice & 0xFFFF)]) | UInt64(bits[Int(choice >> 16 & 0xFFFF)]) << 16
          let high = UInt64(bits[Int(choice >> 32 & 0xFFFF)]) | UInt64(bits[Int(choice >> 48)]) << 16
          buffer[word] = low | high << 32
        }
      } else {
        for word in 0..<words {
          let choice = random.next()
          let low = UInt64(bits[Int(choice & 0xFFFF)] & 0xFFFF_0000) | choice >> 16 & 0xFFFF
          let high = UInt64(bits[Int(choice >> 32 & 0xFFFF)] & 0xFFFF_0000) | choice >> 48
          buffer[word] = low | high << 32
        }
      }
    }
  }

  /// The standard normal distribution's quantiles at the middles of 65,536 equal parts.
  private static let quantiles: [Double] = {
    let count = 1 << 15
    var upper: [Double] = []
    upper.reserveCapacity(count)
    var x = 0.0
    for part in 0..<count {
      let tail = 0.5 - (Double(part) + 0.5) / Double(2 * count)
      // Newton's method from the left, where it cannot overshoot: the distribution is concave above 0.
      while true {
        let step = (erfc(x / 2.0.squareRoot()) / 2 - tail) / (exp(-x * x / 2) / (2 * Double.pi).squareRoot())
        x += step
        if abs(step) < 1e-12 { break }
      }
      upper.append(x)
    }
    return upper.reversed().map { -$0 } + upper
  }()

  private static func encode(_ values: [Float], as type: ElementType) -> [UInt32] {
    switch type {
    case .f32: values.map(\.bitPattern)
    case .f16: values.map { UInt32(FloatFormat.f16($0)) }
    case .bf16: values.map { UInt32(FloatFormat.bf16($0)) }
    }
  }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
