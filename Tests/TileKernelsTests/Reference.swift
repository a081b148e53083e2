import TileKernels

/// The arithmetic of the kernels, written down plainly: one element at a time, conversions through exact doubles.
enum Reference {
  static func isNaN(_ bits: UInt32) -> Bool { Float(bitPattern: bits).isNaN }

  /// Precision in bits (the leading one included), smallest exponent of a normal number, largest exponent.
  private static func format(_ type: ElementType) -> (precision: Int, lowest: Int, highest: Int) {
    switch type {
    case .f32: (24, -126, 127)
    case .f16: (11, -14, 15)
    case .bf16: (8, -126, 127)
    }
  }

  private static func power(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }

  /// The fp32 bits of an element given by its bits.
  static func widen(_ bits: UInt32, _ type: ElementType) -> UInt32 {
    if type == .f32 { return bits }
    let (precision, lowest, highest) = format(type)
    let fractionBits = precision - 1
    let fraction = bits & (1 << UInt32(fractionBits) - 1)
    let exponent = Int(bits & 0x7fff) >> fractionBits
    let sign = (bits >> 15) << 31
    if exponent == highest - lowest + 2 {
      let shifted = fraction << UInt32(23 - fractionBits)
      let quiet: UInt32 = type == .f16 && fraction != 0 ? 0x0040_0000 : 0
      return sign | 0x7f80_0000 | shifted | quiet
    }
    let value =
      exponent == 0
      ? Double(fraction) * power(lowest - fractionBits)
      : (1 + Double(fraction) * power(-fractionBits)) * power(lowest + exponent - 1)
    return sign | Float(value).bitPattern
  }

  /// The bits of an fp32 number rounded to `type`.
  static func narrow(_ bits: UInt32, _ type: ElementType) -> UInt32 {
    if type == .f32 { return bits }
    let (precision, lowest, highest) = format(type)
    let fractionBits = precision - 1
    let exponentField = UInt32(highest - lowest + 2) << UInt32(fractionBits)
    let sign = (bits >> 31) << 15
    let value = Double(Float(bitPattern: bits & 0x7fff_ffff))
    if value.isNaN {
      let fraction = (bits & 0x007f_ffff) >> UInt32(23 - fractionBits)
      return sign | exponentField | fraction | 1 << UInt32(fractionBits - 1)
    }
    if value == 0 { return sign }
    if value.isInfinite { return sign | exponentField }
    let quantum = power(max(Int(value.exponent), lowest) - fractionBits)
    let rounded = (value / quantum).rounded(.toNearestOrEven) * quantum
    if rounded >= power(highest + 1) { return sign | exponentField }
    if rounded < power(lowest) { return sign | UInt32(rounded / power(lowest - fractionBits)) }
    let exponent = Int(rounded.exponent)
    let fraction = (rounded / power(exponent) - 1) * power(fractionBits)
    return sign | UInt32(exponent - lowest + 1) << UInt32(fractionBits) | UInt32(fraction)
  }

  /// The output of one element, and whether a finite weight lost its finiteness.
  static func combine(
    _ weight: UInt32, _ weightType: ElementType, _ delta: Float, _ outputType: ElementType
  ) -> (bits: UInt32, overflows: Bool) {
    let wide = widen(weight, weightType)
    if isNaN(wide) { return (narrow(wide | 0x0040_0000, outputType), false) }
    let sum = Float(bitPattern: wide) + delta
    let bits = narrow(sum.isNaN ? 0x7fc0_0000 : sum.bitPattern, outputType)
    let outputIsFinite = Float(bitPattern: widen(bits, outputType)).isFinite
    return (bits, Float(bitPattern: wide).isFinite && !outputIsFinite)
  }

  /// One element of a scaled low-rank product.
  static func product(_ left: [Float], _ right: [Float], scale: Float) -> Float {
    var sum: Float = 0
    for k in left.indices { sum = sum.addingProduct(left[k], right[k]) }
    return scale * sum
  }
}
