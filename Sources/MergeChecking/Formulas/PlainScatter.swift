/// Values in some places of a matrix; those outside of it, which no merge accepts, count for nothing.
struct PlainScatter: PlainFormula {
  private let byRow: [Int: [(column: Int, value: Float)]]

  let rank = 1

  /// - Parameters:
  ///   - places: The rows of all values, then the columns of all.
  ///   - isFlat: Whether they are places in the matrix as a whole instead, row after row.
  init(values: [Float], places: [Int], isFlat: Bool, columns: Int) {
    let pairs = values.indices.map { index in
      isFlat
        ? (row: places[index] / columns, column: places[index] % columns)
        : (row: places[index], column: places[values.count + index])
    }
    self.init(values: values, places: pairs, columns: columns)
  }

  init(values: [Float], places: [(row: Int, column: Int)], columns: Int) {
    var byRow: [Int: [(column: Int, value: Float)]] = [:]
    for (value, place) in zip(values, places) where (0..<columns).contains(place.column) {
      byRow[place.row, default: []].append((place.column, value))
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
