/// A matrix of low rank that is near another one: `D ~ sum over k of left_k^T right_k`.
///
/// `left_k = sqrt(s_k) u_k` and `right_k = sqrt(s_k) v_k` with singular values s_k and singular vectors u_k, v_k: the two factors of
/// a LoRA with scaling 1, equally large. The largest element of each left vector is positive.
public struct LowRankFactors: Sendable, Equatable {
  /// rank vectors of as many elements as the matrix has rows.
  public let left: VectorSet
  /// rank vectors of as many elements as the matrix has columns.
  public let right: VectorSet
  /// The squares of the largest singular values, the largest first: at least rank of them.
  public let squares: [Double]
  /// The sum of the squares of all elements of the matrix, in fp64: that of all singular values.
  public let total: Double
  /// How much the share of the squares that are kept grew in the last step of the search; 0 where all values were computed.
  public let lastGain: Double
  /// Whether all singular values were computed, not only the largest.
  public let hasAllValues: Bool

  /// How many singular values are kept.
  public var rank: Int { left.count }

  /// The same vectors on the other side, without a change of signs: the factors of the matrix with rows and columns exchanged.
  public var exchanged: LowRankFactors {
    LowRankFactors(
      left: right, right: left, squares: squares, total: total, lastGain: lastGain, hasAllValues: hasAllValues)
  }

  /// The share of the squared Frobenius norm that is kept, from 0 to 1; 1 of a matrix of zeros.
  public var share: Double { total > 0 ? min(1, squares.prefix(rank).reduce(0, +) / total) : 1 }

  /// What a better search could add to the share at the most: the squares that no vector of the search holds.
  ///
  /// Any r singular values of D have a sum of squares below that of the r largest found, plus that of what was not searched (Ky
  /// Fan's inequality).
  public var shareBound: Double {
    guard total > 0, !hasAllValues else { return 0 }
    return max(0, 1 - squares.reduce(0, +) / total)
  }

  /// Factors with vectors that are orthonormal on the left.
  ///
  /// - Parameters:
  ///   - vectors: The left singular vectors.
  ///   - images: Each times the matrix, `u_k^T D`.
  init(
    vectors: VectorSet, images: VectorSet, squares: [Double], total: Double, lastGain: Double, hasAllValues: Bool
  ) {
    var (left, right) = (vectors, images)
    for index in 0..<vectors.count {
      let value = squares[index].squareRoot()
      let isLost = squares[index] <= (squares.first ?? 0) * 0x1p-50 || value == 0
      let root = Float(value.squareRoot()) * left.sign(index)
      left.scale(index, by: isLost ? 0 : root)
      right.scale(index, by: isLost ? 0 : 1 / root)
    }
    self.init(
      left: left, right: right, squares: squares, total: total, lastGain: lastGain, hasAllValues: hasAllValues)
  }

  init(
    left: VectorSet, right: VectorSet, squares: [Double], total: Double, lastGain: Double, hasAllValues: Bool
  ) {
    self.left = left
    self.right = right
    self.squares = squares
    self.total = total
    self.lastGain = lastGain
    self.hasAllValues = hasAllValues
  }

  /// The factors for rows and columns exchanged.
  var transposed: LowRankFactors {
    LowRankFactors(
      left: right, right: left, squares: squares, total: total, lastGain: lastGain, hasAllValues: hasAllValues
    ).withSigns
  }

  /// With the largest element of each left vector positive.
  var withSigns: LowRankFactors {
    var (left, right) = (self.left, self.right)
    for index in 0..<left.count {
      let sign = left.sign(index)
      left.scale(index, by: sign)
      right.scale(index, by: sign)
    }
    return LowRankFactors(
      left: left, right: right, squares: squares, total: total, lastGain: lastGain, hasAllValues: hasAllValues)
  }

  /// The same factors and vectors of zeros behind them, as many as make the rank `count`.
  func padded(to count: Int) -> LowRankFactors {
    guard count > rank else { return self }
    return LowRankFactors(
      left: left.appending(VectorSet(zeros: count - rank, length: left.length)),
      right: right.appending(VectorSet(zeros: count - rank, length: right.length)),
      squares: squares + [Double](repeating: 0, count: max(0, count - squares.count)), total: total,
      lastGain: lastGain, hasAllValues: hasAllValues)
  }
}

extension VectorSet {
  /// The sign of a vector's element of the largest magnitude, the first of several.
  func sign(_ index: Int) -> Float {
    var largest: Float = 0
    for place in index * length..<(index + 1) * length where elements[place].magnitude > largest.magnitude {
      largest = elements[place]
    }
    return largest < 0 ? -1 : 1
  }
}
