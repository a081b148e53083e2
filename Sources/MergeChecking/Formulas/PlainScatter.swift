/// Values in some places of a matrix; those outside of it, which no merge accepts, count for nothing.
struct PlainScatter: PlainFormula {
  private let byRow: [Int: [(column: Int, value: Float)]]

  let rank = 1

  /// - Parameter places: The rows of all values, then the columns of all.
  init(values: [Float], places: [Float], columns: Int) {
    var byRow: [Int: [(column: Int, value: Float)]] = [:]
    for (index, value) in values.enumerated() {
      guard let row = Int(exactly: places[index]), let column = Int(exactly: places[values.count + index]),
        (0..<columns).contains(column)
      else { continue }
      byRow[row, default: []].append((column, value))
    }
    self.byRow = byRow
  }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    for (column, value) in byRow[row] ?? [] {
      let scaled = scale * value
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * Double(value)
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    for (column, value) in byRow[row] ?? [] { sums[place + column] += Double(abs(scale * value)) }
  }
}
