import TileKernels

/// The operations besides the product and the sum, written down plainly.
extension Reference {
  static func value(_ bits: UInt32, _ type: ElementType) -> Float { Float(bitPattern: widen(bits, type)) }

  /// What is written for a value that was computed from a weight, and whether a finite weight lost its finiteness.
  static func encode(
    _ value: Float, _ weight: UInt32, _ weightType: ElementType, _ outputType: ElementType
  ) -> (bits: UInt32, overflows: Bool) {
    let wide = widen(weight, weightType)
    let nan = isNaN(wide) ? wide | 0x0040_0000 : 0x7fc0_0000
    let bits = narrow(value.isNaN ? nan : value.bitPattern, outputType)
    return (bits, Float(bitPattern: wide).isFinite && !Reference.value(bits, outputType).isFinite)
  }

  static func rowNorm(_ row: [Float]) -> Float {
    var lanes = [Double](repeating: 0, count: 8)
    for (n, value) in row.enumerated() { lanes[n % 8] += Double(value) * Double(value) }
    return Float(lanes.reduce(0, +).squareRoot())
  }

  static func torchRowNorm(_ row: [Float]) -> Float {
    if row.count == 1 { return row[0].magnitude }
    var lanes = [Float](repeating: 0, count: 8)
    let inLanes = row.count / 8 * 8
    for n in 0..<inLanes { lanes[n % 8] += row[n] * row[n] }
    var sum = lanes.dropFirst().reduce(lanes[0], +)
    let rest = row[inLanes...]
    let plain = rest.count >= 4 ? 4 : 0
    for value in rest.prefix(plain) { sum += value * value }
    for value in rest.dropFirst(plain) { sum = sum.addingProduct(value, value) }
    return sum.squareRoot()
  }

  /// Philox4x32-10 as in the paper: ten rounds, the key stepped between them.
  static func philox(counter: [UInt32], key: [UInt32]) -> [UInt32] {
    var c = counter
    var k = key
    for round in 0..<10 {
      if round > 0 {
        k[0] &+= 0x9e37_79b9
        k[1] &+= 0xbb67_ae85
      }
      let (high0, low0) = UInt32(0xd251_1f53).multipliedFullWidth(by: c[0])
      let (high1, low1) = UInt32(0xcd9e_8d57).multipliedFullWidth(by: c[2])
      c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
    }
    return c
  }

  static func word(of stream: RandomStream, element: UInt64) -> UInt32 {
    func words(_ value: UInt64) -> [UInt32] { [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)] }
    let block = philox(counter: words(element / 4) + words(stream.tensor), key: words(stream.seed))
    return block[Int(element % 4)]
  }

  /// Rounds a finite fp32 at random, through the neighbors that rounding towards zero and away from it finds.
  static func narrowStochastically(_ value: Float, _ type: ElementType, word: UInt32) -> UInt32 {
    let nearest = narrow(value.bitPattern, type)
    if type == .f32 || !Reference.value(nearest, type).isFinite { return nearest }
    let sign = nearest & 0x8000
    let rounded = Double(Reference.value(nearest & 0x7fff, type))
    let magnitude = Double(value.magnitude)
    if rounded == magnitude { return nearest }
    let lower = rounded < magnitude ? nearest & 0x7fff : (nearest & 0x7fff) - 1
    let greatest: UInt32 = type == .f16 ? 0x7bff : 0x7f7f
    if lower == greatest { return sign | greatest }
    let x0 = Double(Reference.value(lower, type))
    let x1 = Double(Reference.value(lower + 1, type))
    let threshold = ((magnitude - x0) / (x1 - x0) * 0x1p32).rounded(.down)
    return sign | (Double(word) < threshold ? lower + 1 : lower)
  }
}
