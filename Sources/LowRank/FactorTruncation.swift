/// Lower ranks of a product of two factors, computed from the factors: the product itself is never made.
///
/// With `L = Q_L R_L` and `R = Q_R R_R` the singular values of `L R^T` are those of the small matrix `R_L R_R^T`. The triangles come
/// from Gram matrices in fp64: `L^T L = V diag(e) V^T` gives `Q_L = L V diag(e)^(-1/2)`.
public enum FactorTruncation {
  /// The factors of lower rank that are nearest to `sum over k of left_k^T right_k`.
  ///
  /// - Parameters:
  ///   - left: rank vectors, one for each column of B (out x rank).
  ///   - right: rank vectors, the rows of A (rank x in).
  ///   - scale: What the product is multiplied by, such as alpha / r.
  ///   - rule: How many singular values are kept.
  /// - Returns: Factors with scaling 1.
  /// - Throws: ``LowRankError``.
  public static func factors(
    left: VectorSet, right: VectorSet, scale: Double, rule: RankRule
  ) throws(LowRankError) -> LowRankFactors {
    guard left.count == right.count else { throw LowRankError(.wrongShape(expected: left.count, found: right.count)) }
    let count = left.count
    // Vectors of the left are made 1 long, so that only their directions decide what is rounding.
    let lengths = OrthonormalVectors.lengths(left)
    guard lengths.allSatisfy(\.isFinite) else { throw LowRankError(.notFinite) }
    let inverses = lengths.map { $0 > 0 ? 1 / $0 : 0 }
    let leftSpectrum = try SymmetricSpectrum(
      scaled(SpectralSums.gram(left), by: inverses), order: count)
    let kept = leftSpectrum.values.count { $0 > (leftSpectrum.values.first ?? 0) * 0x1p-48 }
    let rightGram = scaled(SpectralSums.gram(right), by: lengths.map { $0 * scale })
    // The core C = T G T^T with T = diag(e)^(1/2) V^T: its eigenvalues are the squares of the singular values.
    let core = congruent(leftSpectrum, kept, rightGram)
    let spectrum = try SymmetricSpectrum(core, order: kept)
    let total = spectrum.values.reduce(0, +)
    let shorter = min(left.length, right.length)
    let most = min(count, shorter)
    let rank = min(most, kept, rule.rank(squares: spectrum.values, total: total, isAll: true) ?? kept)
    let turned = (0..<rank * count).map { place -> (left: Double, right: Double) in
      let (row, column) = (place / count, place % count)
      var (one, other) = (0.0, 0.0)
      for k in 0..<kept {
        let part = spectrum.vectors[row * kept + k] * leftSpectrum.vectors[k * count + column]
        let root = leftSpectrum.values[k].squareRoot()
        one += part / root
        other += part * root
      }
      return (one * inverses[column], other * lengths[column] * scale)
    }
    let roots = spectrum.values.prefix(rank).map { $0.squareRoot().squareRoot() }
    let first = spectrum.values.first ?? 0
    func isLost(_ row: Int) -> Bool { spectrum.values[row] <= first * 0x1p-50 || first == 0 }
    var found = LowRankFactors(
      left: SpectralSums.combine(
        turned.indices.map { isLost($0 / count) ? 0 : turned[$0].left * roots[$0 / count] }, left),
      right: SpectralSums.combine(
        turned.indices.map { isLost($0 / count) ? 0 : turned[$0].right / roots[$0 / count] }, right),
      squares: spectrum.values, total: total, lastGain: 0, hasAllValues: true)
    found = found.withSigns
    guard case .count(let wanted) = rule.criterion else { return rank == 0 ? found.padded(to: min(1, most)) : found }
    return found.padded(to: min(wanted, rule.limit ?? wanted, most))
  }

  /// A symmetric matrix with rows and columns multiplied by numbers.
  private static func scaled(_ matrix: [Double], by factors: [Double]) -> [Double] {
    let count = factors.count
    return matrix.indices.map { matrix[$0] * factors[$0 / count] * factors[$0 % count] }
  }

  /// `T G T^T` with the rows `sqrt(e_k) V_k` of T.
  private static func congruent(_ spectrum: SymmetricSpectrum, _ kept: Int, _ gram: [Double]) -> [Double] {
    let count = spectrum.order
    let rows = spectrum.scaledVectors(kept) { spectrum.values[$0].squareRoot() }
    var half = [Double](repeating: 0, count: kept * count)
    for row in 0..<kept {
      for k in 0..<count {
        let factor = rows[row * count + k]
        for column in 0..<count { half[row * count + column] += factor * gram[k * count + column] }
      }
    }
    var core = [Double](repeating: 0, count: kept * kept)
    for row in 0..<kept {
      for column in 0...row {
        var sum = 0.0
        for k in 0..<count { sum += half[row * count + k] * rows[column * count + k] }
        core[row * kept + column] = sum
        core[column * kept + row] = sum
      }
    }
    return core
  }
}
