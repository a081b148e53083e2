import Inspection

/// A product of two matrices that are computed first, each rounded to fp32.
struct PlainComposition: PlainFormula {
  let left: any PlainFormula
  let inner: Int
  /// inner x columns: in fp32, in fp64, and the magnitudes of what each element is summed up of.
  private let narrow: [Float]
  private let wide: [Double]
  private let spreads: [Double]
  private let rightRank: Int

  /// The relative errors of both factors add up to those of the sum.
  var rank: Int { inner + left.rank + rightRank }

  init(left: any PlainFormula, right: any PlainFormula, rank: Int, columns: Int) {
    self.left = left
    inner = rank
    rightRank = right.rank
    var scratch = PlainScratch(columns: columns)
    var (narrow, wide, spreads): ([Float], [Double], [Double]) = ([], [], [])
    for row in 0..<rank {
      let (plain, exact) = right.row(row, columns, &scratch)
      narrow += plain
      wide += exact
      spreads += right.spread(row, columns, &scratch)
    }
    (self.narrow, self.wide, self.spreads) = (narrow, wide, spreads)
  }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    let (factors, exactFactors) = leftRow(row)
    let before = Array(exact[place..<place + columns])
    PlainArithmetic.addProduct(
      left: factors, row: 0, right: narrow, rank: inner, columns: columns, scale: scale, to: &delta, &exact, at: place,
      &scratch.narrow, &scratch.wide)
    for column in 0..<columns {
      var sum = 0.0
      for k in 0..<inner { sum += exactFactors[k] * wide[k * columns + column] }
      exact[place + column] = before[column] + Double(scale) * sum
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    var own = PlainScratch(columns: inner)
    let factors = left.spread(row, inner, &own)
    for k in 0..<inner {
      let factor = Double(abs(scale)) * factors[k]
      for column in 0..<columns { sums[place + column] += factor * spreads[k * columns + column] }
    }
  }

  private func leftRow(_ row: Int) -> ([Float], [Double]) {
    var own = PlainScratch(columns: inner)
    return left.row(row, inner, &own)
  }
}
