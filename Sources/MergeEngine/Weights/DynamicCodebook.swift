/// The 8-bit numbers in which bitsandbytes keeps scales of scales.
///
/// Source: Dettmers, 8-Bit Approximations for Parallelism in Deep Learning, arXiv:1511.04561; bitsandbytes 0.50.2
/// `create_dynamic_map`, with torch's `linspace` in fp32 and its fused multiply-adds.
enum DynamicCodebook {
  /// In ascending order.
  static let numbers: [Float] = {
    var numbers: [Float] = [0, 1]
    let first: Float = 0.1
    for exponent in 0..<7 {
      let count = 1 << exponent + 1
      let step = (1 - first) / Float(count - 1)
      // Exact in fp64, and rounded once.
      let bounds = (0..<count).map { index in
        index < count / 2
          ? Float(Double(first) + Double(step) * Double(index)) : Float(1 - Double(step) * Double(count - 1 - index))
      }
      let power = powers[exponent]
      for (low, high) in zip(bounds, bounds.dropFirst()) {
        let number = power * ((low + high) / 2)
        numbers += [number, -number]
      }
    }
    return numbers.sorted()
  }()

  /// 10^-6 to 1.
  private static let powers: [Float] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1]

  /// Half way between neighbors.
  private static let bounds: [Float] = zip(numbers, numbers.dropFirst()).map { ($0 + $1) / 2 }

  /// Scales of a group of them share a scale.
  private static let block = 256

  /// What is left of scales that are kept as codes about their mean: `map[code] * largest + mean`, the largest magnitude of
  /// 256 differences at a time. The mean is summed in fp64 and rounded once, where bitsandbytes sums in fp32, in an order of
  /// its own.
  static func throughCodes(_ scales: [Float]) -> [Float] {
    guard !scales.isEmpty else { return [] }
    let mean = Float(scales.reduce(0.0) { $0 + Double($1) } / Double(scales.count))
    return codes(scales[...], about: mean, block: block).numbers
  }

  /// Codes of scales about a mean, the scale of each `block` of them, and what they stand for.
  static func codes(
    _ scales: ArraySlice<Float>, about mean: Float, block: Int
  ) -> (codes: [UInt8], scales: [Float], numbers: [Float]) {
    var result = scales.map { $0 - mean }
    var codes = [UInt8](repeating: 0, count: result.count)
    var outer: [Float] = []
    for start in stride(from: 0, to: result.count, by: block) {
      let range = start..<min(start + block, result.count)
      let largest = result[range].reduce(0) { max($0, abs($1)) }
      outer.append(largest)
      let factor = 1 / max(largest, 1e-38)
      for index in range {
        let code = code(of: min(max(result[index] * factor, -1), 1))
        codes[index] = UInt8(code)
        let product = numbers[code] * largest
        result[index] = product + mean
      }
    }
    return (codes, outer, result)
  }

  /// How many bounds are below a number.
  private static func code(of value: Float) -> Int {
    var (low, high) = (0, bounds.count)
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
