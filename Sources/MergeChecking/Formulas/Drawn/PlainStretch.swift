/// A matrix whose rows and columns stand several times each.
struct PlainStretch: PlainFormula {
  let formula: any PlainFormula
  let rows: Int
  let columns: Int

  var rank: Int { formula.rank }

  func add(
    row: Int, columns count: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    var own = PlainScratch(columns: count / columns)
    let (narrow, wide) = formula.row(row / rows, count / columns, &own)
    for column in 0..<count {
      let scaled = scale * narrow[column / columns]
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * wide[column / columns]
    }
  }

  func addSpread(
    row: Int, columns count: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    var own = PlainScratch(columns: count / columns)
    let spread = formula.spread(row / rows, count / columns, &own)
    for column in 0..<count { sums[place + column] += Double(abs(scale)) * spread[column / columns] }
  }
}
