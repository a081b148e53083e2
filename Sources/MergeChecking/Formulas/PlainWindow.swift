/// Rows of a matrix from one on.
struct PlainWindow: PlainFormula {
  let formula: any PlainFormula
  let first: Int

  var rank: Int { formula.rank }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    formula.add(row: first + row, columns: columns, scale: scale, to: &delta, &exact, at: place, &scratch)
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    formula.addSpread(row: first + row, columns: columns, scale: scale, to: &sums, at: place, &scratch)
  }
}
