import Inspection

/// A matrix that was computed before: in fp32, in fp64, and the magnitudes of what each element is summed up of.
struct PlainTable: PlainFormula {
  var narrow: [Float]
  var wide: [Double]
  var spreads: [Double]
  let columns: Int
  /// Roundings in each element.
  let rank: Int

  init(narrow: [Float], wide: [Double], spreads: [Double], columns: Int, rank: Int = 1) {
    (self.narrow, self.wide, self.spreads) = (narrow, wide, spreads)
    (self.columns, self.rank) = (columns, rank)
  }

  /// A matrix that the merge computes in double, and rounds.
  init(rounding wide: [Double], spreads: [Double], columns: Int) {
    self.init(narrow: wide.map { Float($0) }, wide: wide, spreads: spreads, columns: columns)
  }

  /// The same matrix with rows and columns exchanged.
  var transposed: PlainTable {
    let rows = columns == 0 ? 0 : narrow.count / columns
    let order = (0..<narrow.count).map { $0 % rows * columns + $0 / rows }
    return PlainTable(
      narrow: order.map { narrow[$0] }, wide: order.map { wide[$0] }, spreads: order.map { spreads[$0] }, columns: rows,
      rank: rank)
  }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns {
      let scaled = scale * narrow[row * columns + column]
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * wide[row * columns + column]
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns { sums[place + column] += Double(abs(scale)) * spreads[row * columns + column] }
  }
}
