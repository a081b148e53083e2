/// The Q of `P = Q R` in double, by reflections with the signs of LAPACK's: where a column has something below the diagonal, its
/// element on the diagonal changes its sign.
///
/// Source: LAPACK `dgeqr2`, `dlarfg`, `dorg2r`.
struct HouseholderQR {
  /// rows x columns, row after row.
  let q: [Double]

  /// The least part of a column that is not a sum of those before it, for its direction to be more than a rounding error of fp32.
  private static let leastPart = 0x1p-18

  /// Nil: a column is a sum of those before it, so that its direction is not determined.
  ///
  /// - Parameter matrix: At least as many rows as columns, row after row.
  init?(_ matrix: [Double], columns: Int) {
    let rows = columns == 0 ? 0 : matrix.count / columns
    // Each column in one piece.
    var vectors = (0..<columns).map { column in (0..<rows).map { matrix[$0 * columns + column] } }
    var scales = [Double](repeating: 0, count: columns)
    for column in 0..<columns {
      let whole = vectors[column].reduce(0) { $0 + $1 * $1 }.squareRoot()
      let below = vectors[column][(column + 1)...].reduce(0) { $0 + $1 * $1 }
      let first = vectors[column][column]
      let norm = (first * first + below).squareRoot()
      guard norm > whole * Self.leastPart else { return nil }
      if below == 0 { continue }
      let other = first > 0 || (first == 0 && first.sign == .plus) ? -norm : norm
      scales[column] = (other - first) / other
      for row in column + 1..<rows { vectors[column][row] /= first - other }
      vectors[column][column] = 1
      for next in column + 1..<max(columns, column + 1) {
        Self.reflect(&vectors[next], at: vectors[column], from: column, scales[column])
      }
    }
    // The reflections in reverse order on the first columns of the identity.
    var result = (0..<columns).map { column in (0..<rows).map { $0 == column ? 1.0 : 0 } }
    for reflection in (0..<columns).reversed() where scales[reflection] != 0 {
      for column in 0..<columns {
        Self.reflect(&result[column], at: vectors[reflection], from: reflection, scales[reflection])
      }
    }
    q = (0..<rows * columns).map { result[$0 % columns][$0 / columns] }
  }

  /// `vector -= scale (u . vector) u`, u being 0 before `first`.
  private static func reflect(_ vector: inout [Double], at u: [Double], from first: Int, _ scale: Double) {
    var part = 0.0
    for row in first..<vector.count { part += u[row] * vector[row] }
    part *= scale
    for row in first..<vector.count { vector[row] -= part * u[row] }
  }
}
