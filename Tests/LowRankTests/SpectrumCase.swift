import JSONText
import LowRank
import TestSupport

/// A matrix of `Fixtures/spectra/cases.json` with what numpy's SVD says of it.
struct SpectrumCase: CustomStringConvertible {
  let kind: String
  let rows: Int
  let columns: Int
  let seed: UInt64
  /// The shares of the squares at the ranks 1, 2, 4, ... below the shorter side, and at the shorter side.
  let shares: [Double]
  /// The smallest rank that has 0.9503 of the squares.
  let smallest: Int

  var description: String { "\(kind) \(rows) x \(columns)" }
  var shorter: Int { min(rows, columns) }
  var ranks: [Int] { (0..<10).map { 1 << $0 }.filter { $0 < shorter } + [shorter] }

  static func all() throws -> [SpectrumCase] {
    let text = try contents(fixturesPath() + "/spectra/cases.json")
    let json = try JSONParser.parse(text.span)
    guard case .array(let lines) = json else { return [] }
    return lines.compactMap { line -> SpectrumCase? in
      guard case .array(let fields) = line, fields.count == 6, case .string(let kind) = fields[0],
        case .array(let shares) = fields[4]
      else { return nil }
      let numbers = (fields + shares).map { value -> Double in
        switch value {
        case .integer(let number): Double(number)
        case .real(let number): number
        default: .nan
        }
      }
      return SpectrumCase(
        kind: kind, rows: Int(numbers[1]), columns: Int(numbers[2]), seed: UInt64(numbers[3]),
        shares: Array(numbers[6...]), smallest: Int(numbers[5]))
    }
  }

  // MARK: - The matrix, as Fixtures/generator/spectra.py makes it

  private static func word(_ seed: UInt64, _ index: Int) -> UInt64 {
    var mixed = seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  private func fraction(_ place: Int) -> Float { Float(Int(Self.word(seed, place) >> 48) - 32768) / 32768 }

  private func product(_ rank: Int, _ seed: UInt64, _ row: Int, _ column: Int) -> Float {
    (0..<rank).reduce(0) { sum, k in
      sum + Float(Int(Self.word(seed, row * rank + k) >> 60) - 8)
        * Float(Int(Self.word(seed + 1, k * columns + column) >> 60) - 8)
    }
  }

  /// The elements, row by row.
  var matrix: [Float] {
    (0..<rows * columns).map { place in
      let (row, column) = (place / columns, place % columns)
      return switch kind {
      case "random": fraction(place)
      case "rank3": product(3, seed, row, column)
      case "rank9": product(9, seed, row, column)
      case "repeated": row % columns == column ? (row % 3 == 0 ? 2 : 1) : 0
      case "equal": (row & column).nonzeroBitCount % 2 == 0 ? 1 : -1
      case "graded": fraction(place) * Float(sign: .plus, exponent: -(column % 24), significand: 1)
      case "sparse": Self.word(seed + 1, place) % 17 == 0 ? fraction(place) : 0
      case "spiked": product(2, seed + 7, row, column) + fraction(place) / 64
      case "large": fraction(place) * 0x1p50
      case "small": fraction(place) * 0x1p-50
      case "copies": fraction(column) * (row % 2 == 0 ? 1 : -0.5)
      default: 0
      }
    }
  }
}
