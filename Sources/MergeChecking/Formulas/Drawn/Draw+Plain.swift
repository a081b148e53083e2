import Adapters
import Safetensors
import TorchRandom

extension Draw {
  /// The matrix, row after row, each number computed from the generator's bits.
  var plainElements: [Float] {
    var generator = TorchGenerator(seed: seed)
    generator.skip(skipped)
    let fractions = (0..<count).map { _ in Double(generator.next() & 0xff_ffff) / 16_777_216 }
    let all: [Float]
    switch numbers {
    case .uniform(let bound):
      all = fractions.map { Float($0 * Double(bound + bound) - Double(bound)) }
    case .normalizedBF16(let bound):
      let drawn = fractions.map { fraction -> Float in
        let number = Float(fraction * Double(bound + bound) - Double(bound)).roundedToBF16
        return number >= bound.roundedToBF16 ? -bound.roundedToBF16 : number
      }
      let deviation = Self.plainDeviation(drawn).roundedToBF16
      all = drawn.map { ($0 / deviation).roundedToBF16 }
    case .signs(let sparsity):
      let part = 1 / (2 * sparsity)
      let drawn = fractions.map { Float($0) < Float(part) ? Float(-1) : Float($0) > Float(1 - part) ? 1 : 0 }
      let deviation = Self.plainDeviation(drawn)
      all = drawn.map { $0 / deviation }
    }
    let (height, width) = isTransposed ? (columns, rows) : (rows, columns)
    return (0..<height * width).map {
      let number = all[place(row: $0 / width, column: $0 % width)]
      return dtype == .bf16 ? number.roundedToBF16 : dtype == .f16 ? Float(Float16(number)) : number
    }
  }

  /// By the mean of the squares and the square of the mean.
  private static func plainDeviation(_ values: [Float]) -> Float {
    let count = Double(values.count)
    let mean = values.reduce(0) { $0 + Double($1) } / count
    let square = values.reduce(0) { $0 + Double($1) * Double($1) } / count
    return Float(((square - mean * mean) * count / (count - 1)).squareRoot())
  }
}
