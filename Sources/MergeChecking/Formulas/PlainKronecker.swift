import Inspection

/// A Kronecker product, each factor rounded to fp32 before.
struct PlainKronecker: PlainFormula {
  let outer: any PlainFormula
  let inner: any PlainFormula
  let outerColumns: Int
  let innerExtent: (rows: Int, columns: Int)
  /// Positions that are the last index of the outer matrix's columns.
  let kernel: Int

  /// The relative errors of both add up, and the product rounds.
  var rank: Int { outer.rank + inner.rank + 1 }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    let (one, other) = rows(row)
    for column in 0..<columns {
      let (a, b) = places(column)
      let product = one.narrow[a] * other.narrow[b]
      let scaled = scale * product
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * (one.wide[a] * other.wide[b])
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    var own = PlainScratch(columns: max(outerColumns, innerExtent.columns))
    let one = outer.spread(row / innerExtent.rows, outerColumns, &own)
    let other = inner.spread(row % innerExtent.rows, innerExtent.columns, &own)
    for column in 0..<columns {
      let (a, b) = places(column)
      sums[place + column] += Double(abs(scale)) * one[a] * other[b]
    }
  }

  private func rows(
    _ row: Int
  ) -> (outer: (narrow: [Float], wide: [Double]), inner: (narrow: [Float], wide: [Double])) {
    var own = PlainScratch(columns: max(outerColumns, innerExtent.columns))
    return (
      outer.row(row / innerExtent.rows, outerColumns, &own),
      inner.row(row % innerExtent.rows, innerExtent.columns, &own)
    )
  }

  /// The columns of both matrices that a column of the product is of.
  private func places(_ column: Int) -> (outer: Int, inner: Int) {
    let channel = column / kernel
    let outer = channel / innerExtent.columns * kernel + column % kernel
    return (outer, channel % innerExtent.columns)
  }
}
