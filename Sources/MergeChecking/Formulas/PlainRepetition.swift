/// A matrix that repeats another one downwards and to the right.
struct PlainRepetition: PlainFormula {
  let formula: any PlainFormula
  /// Of the matrix that is repeated.
  let extent: (rows: Int, columns: Int)

  var rank: Int { formula.rank }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    var own = PlainScratch(columns: extent.columns)
    let (narrow, wide) = formula.row(row % extent.rows, extent.columns, &own)
    for column in 0..<columns {
      let scaled = scale * narrow[column % extent.columns]
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * wide[column % extent.columns]
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    var own = PlainScratch(columns: extent.columns)
    let spread = formula.spread(row % extent.rows, extent.columns, &own)
    for column in 0..<columns { sums[place + column] += Double(abs(scale)) * spread[column % extent.columns] }
  }
}
