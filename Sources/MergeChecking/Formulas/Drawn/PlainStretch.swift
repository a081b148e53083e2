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

/// A weighted sum of matrices in double, each element rounded.
struct PlainSum: PlainFormula {
  private let narrow: [Float]
  private let wide: [Double]
  private let spreads: [Double]

  let rank = 1

  /// - Parameters:
  ///   - columns: Of the result.
  ///   - isTransposed: Whether rows and columns are exchanged.
  init(weights: [Float], matrices: [Float], columns: Int, isTransposed: Bool) {
    let count = matrices.count / weights.count
    var (wide, spreads): ([Double], [Double]) = ([], [])
    for place in 0..<count {
      let element = isTransposed ? place % columns * (count / columns) + place / columns : place
      let products = weights.indices.map { Double(weights[$0]) * Double(matrices[$0 * count + element]) }
      wide.append(products.reduce(0, +))
      spreads.append(products.reduce(0) { $0 + abs($1) })
    }
    (self.wide, self.spreads) = (wide, spreads)
    narrow = wide.map { Float($0) }
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
