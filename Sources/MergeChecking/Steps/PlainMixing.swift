import Adapters
import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// Rows or columns mixed in pairs: each is a sum of two products in double, rounded to fp32.
struct PlainMixing: PlainStep {
  /// For each row, or column: its own factor, and that of its partner.
  private let own: [Double]
  private let other: [Double]
  private let half: Int
  private let axis: Axis

  var multiplies: Bool { true }
  var sumLength: Int { 2 }

  init(_ mixing: PairMixing<FactorView>, _ reader: inout FactorReader) throws(SafetensorsError) {
    half = mixing.groupSize / 2
    axis = mixing.axis
    let type = mixing.roundedTo.flatMap(PlainArithmetic.type)
    var columns: [[Double]] = []
    for (polar, isSine) in [
      (mixing.first.cosine, false), (mixing.first.sine, true), (mixing.second.cosine, false),
      (mixing.second.sine, true),
    ] {
      let (scales, angles) = (try reader.values(polar.scales), try reader.values(polar.angles))
      let products = zip(scales, angles).map { scale, angle in
        let (cosine, sine) = Self.direction(Double(angle))
        return Double(scale) * (isSine ? sine : cosine)
      }
      columns.append(type.map { Self.rounded(products, to: $0) } ?? products)
    }
    let count = 2 * columns[0].count
    var (own, other) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
    for pair in columns[0].indices {
      let place = pair / half * 2 * half + pair % half
      (own[place], other[place]) = (columns[0][pair], -columns[1][pair])
      (own[place + half], other[place + half]) = (columns[2][pair], columns[3][pair])
    }
    (self.own, self.other) = (own, other)
  }

  private static func rounded(_ values: [Double], to type: spa_dtype) -> [Double] {
    var (numbers, bytes) = (values.map { Float($0) }, [UInt8](repeating: 0, count: values.count * 8))
    PlainArithmetic.round(numbers, as: type, count: values.count, into: &bytes)
    PlainArithmetic.widen(bytes, as: type, count: values.count, into: &numbers)
    return numbers.map { Double($0) }
  }

  /// Takes whole turns off the angle, computes the sine and the versed sine (1 - cos) of an eighth of the rest, and doubles the
  /// angle three times. The versed sine keeps the digits that a cosine near 1 would lose.
  private static func direction(_ angle: Double) -> (cosine: Double, sine: Double) {
    guard angle.magnitude < 0x1p52 else { return (.nan, .nan) }
    let turn = 0x1.921fb54442d18p2
    let part = angle.remainder(dividingBy: turn)
    let turns = ((angle - part) / turn).rounded()
    let x = (part - turns * 0x1.1a62633145c07p-52) / 8
    var (term, sine, versed) = (x, x, 0.0)
    for k in 2...24 {
      term *= x / Double(k)
      switch k % 4 {
      case 0: versed -= term
      case 1: sine += term
      case 2: versed += term
      default: sine -= term
      }
    }
    for _ in 0..<3 { (sine, versed) = (2 * sine * (1 - versed), 2 * sine * sine) }
    return (1 - versed, sine)
  }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    let columns = state.columns
    let (values, exact, scales) = (state.values, state.exact, state.scales)
    for row in 0..<rows.count {
      for column in 0..<columns {
        let place = axis == .rows ? rows.lowerBound + row : column
        let distance = place % (2 * half) < half ? half : -half
        let index = row * columns + column
        let partner = index + distance * (axis == .rows ? columns : 1)
        state.values[index] = Float(own[place] * Double(values[index]) + other[place] * Double(values[partner]))
        state.exact[index] = own[place] * exact[index] + other[place] * exact[partner]
        state.scales[index] = abs(own[place]) * scales[index] + abs(other[place]) * scales[partner]
      }
    }
  }
}
