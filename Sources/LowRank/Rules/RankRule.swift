/// How many singular values of a matrix are kept.
///
/// The rules for shares and ratios are those of `networks/resize_lora.py` in kohya-ss/sd-scripts: the smallest rank that
/// satisfies them, at least 1. With singular values s_1 >= s_2 >= ...
public struct RankRule: Sendable, Equatable {
  /// What decides.
  public enum Criterion: Sendable, Equatable {
    /// So many values, or as many as there are.
    case count(Int)
    /// The smallest r with `sum of s_i^2 for i <= r >= share * sum of all s_i^2`. sd-scripts' `sv_fro` with target t is the share
    /// t^2.
    case energy(Double)
    /// As many as are larger than s_1 / ratio: sd-scripts' `sv_ratio`.
    case ratio(Double)
  }

  /// What decides.
  public let criterion: Criterion
  /// The largest rank that is used whatever the criterion asks for; nil: no limit.
  public let limit: Int?

  /// Makes a rule.
  public init(_ criterion: Criterion, limit: Int? = nil) {
    self.criterion = criterion
    self.limit = limit
  }

  /// The rank by the squares of the largest singular values; nil: it depends on values that are not given.
  ///
  /// - Parameters:
  ///   - squares: The largest first; all of them, or the first ones.
  ///   - total: The sum of all squares.
  ///   - isAll: Whether these are all that are not 0.
  func rank(squares: [Double], total: Double, isAll: Bool) -> Int? {
    guard let first = squares.first else { return isAll ? 1 : nil }
    let found: Int? =
      switch criterion {
      case .count(let count): count <= squares.count || isAll ? count : nil
      case .energy(let share): Self.rank(squares, share * total)
      case .ratio(let ratio):
        // The first value that is too small ends the list.
        squares.firstIndex { $0 * ratio * ratio <= first }
      }
    guard let rank = found ?? (isAll ? squares.count : nil) else {
      // More values than the limit would not be used.
      guard let limit, squares.count >= limit else { return nil }
      return limit
    }
    return max(1, min(rank, limit ?? rank))
  }

  private static func rank(_ squares: [Double], _ wanted: Double) -> Int? {
    var sum = 0.0
    for (index, square) in squares.enumerated() {
      sum += square
      if sum >= wanted { return index + 1 }
    }
    return nil
  }

  /// How many values the search starts with.
  var firstCount: Int {
    if case .count(let count) = criterion { min(count, limit ?? count) } else { min(32, limit ?? 32) }
  }
}
