import Adapters
import Inspection
import MergePlanning
import Safetensors

/// DoRA: `value = m / n * (value + delta)`, n the norms of `weight + delta`.
struct PlainRescaling: PlainStep {
  let delta: PlainAddition
  let magnitudes: [Float]
  let axis: Axis
  let norms: RescalingNorms
  /// Neighboring columns that have one norm and one magnitude.
  let width: Int
  private(set) var columnNorms: PlainColumnNorms?

  var addition: PlainAddition? { delta }
  var multiplies: Bool { true }
  /// PEFT's own norms are not.
  var hasKnownBits: Bool { norms == .exact }
  var needsColumnNorms: Bool { axis == .columns }
  var columnsPerNorm: Int { width }

  init(_ rescaling: Rescaling<FactorView>, _ reader: inout FactorReader) throws(SafetensorsError) {
    delta = try PlainAddition(rescaling.addition, &reader)
    magnitudes = try reader.values(rescaling.magnitudes)
    axis = rescaling.axis
    norms = rescaling.norms
    width = rescaling.columnsPerNorm
  }

  mutating func use(_ norms: PlainColumnNorms) { columnNorms = norms }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    delta.sum(rows, &state)
    switch axis {
    case .rows: rescaleRows(rows, &state)
    case .columns: rescaleColumns(rows, &state)
    }
  }

  private func rescaleColumns(_ rows: Range<Int>, _ state: inout PlainRows) {
    guard let norms = columnNorms else { return }
    let columns = state.columns
    var factors = [Double](repeating: 0, count: columns)
    for column in 0..<columns {
      let (magnitude, group) = (magnitudes[column / width], column / width)
      let factor = magnitude / norms.plain[group]
      factors[column] = Double(magnitude) / norms.exact[group]
      for index in stride(from: column, to: rows.count * columns, by: columns) {
        rescale(index, factor, factors[column], &state)
      }
    }
    state.columnFactors = factors
  }

  private func rescaleRows(_ rows: Range<Int>, _ state: inout PlainRows) {
    let columns = state.columns
    for row in 0..<rows.count {
      let range = row * columns..<(row + 1) * columns
      var square = 0.0
      for index in range {
        let sum = Double(state.weights[index]) + state.exactDelta[index]
        square += sum * sum
        state.scratch.narrow[index - range.lowerBound] = state.weights[index] + state.delta[index]
      }
      let magnitude = magnitudes[rows.lowerBound + row]
      let factor = magnitude / PlainArithmetic.norm(state.scratch.narrow, 0..<columns)
      state.rowFactors[row] = Double(magnitude) / square.squareRoot()
      for index in range { rescale(index, factor, state.rowFactors[row], &state) }
    }
  }

  private func rescale(_ index: Int, _ factor: Float, _ exactFactor: Double, _ state: inout PlainRows) {
    state.values[index] = factor * (state.values[index] + state.delta[index])
    state.exact[index] = exactFactor * (state.exact[index] + state.exactDelta[index])
    state.scales[index] = abs(exactFactor) * (state.scales[index] + abs(state.exactDelta[index]))
  }

  func rounding(weight: Double, spread: Double, isLast: Bool) -> Double {
    delta.rounding(weight: weight, spread: spread, isLast: isLast)
  }
}

/// Norms down the columns, of each column or of groups: in fp32, exactly, and those of the spreads.
struct PlainColumnNorms: Sendable {
  /// Columns of a group.
  let width: Int
  /// The rows that they are of.
  let rows: Int
  let plain: [Float]
  let exact: [Double]
  let spreads: [Double]
}

/// Sums of squares down the columns, of which these norms are the roots.
struct PlainSquares {
  var plain: [Double]
  var exact: [Double]
  var spreads: [Double]

  init(columns: Int) {
    plain = [Double](repeating: 0, count: columns)
    exact = plain
    spreads = plain
  }

  /// The norms of groups of so many neighboring columns, over so many rows.
  func norms(width: Int, rows: Int) -> PlainColumnNorms {
    func roots(_ squares: [Double]) -> [Double] {
      var sums = [Double](repeating: 0, count: (squares.count + width - 1) / width)
      for (column, square) in squares.enumerated() { sums[column / width] += square }
      return sums.map { $0.squareRoot() }
    }
    return PlainColumnNorms(
      width: width, rows: rows, plain: roots(plain).map { Float($0) }, exact: roots(exact), spreads: roots(spreads))
  }
}
