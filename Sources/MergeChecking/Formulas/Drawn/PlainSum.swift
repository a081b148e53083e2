/// A weighted sum of matrices in double, each element rounded.
enum PlainSum {
  /// - Parameters:
  ///   - columns: Of the result.
  ///   - isTransposed: Whether rows and columns are exchanged.
  static func table(weights: [Float], matrices: [Float], columns: Int, isTransposed: Bool) -> PlainTable {
    let count = matrices.count / weights.count
    var (wide, spreads): ([Double], [Double]) = ([], [])
    for place in 0..<count {
      let element = isTransposed ? place % columns * (count / columns) + place / columns : place
      let products = weights.indices.map { Double(weights[$0]) * Double(matrices[$0 * count + element]) }
      wide.append(products.reduce(0, +))
      spreads.append(products.reduce(0) { $0 + abs($1) })
    }
    return PlainTable(rounding: wide, spreads: spreads, columns: columns)
  }
}
