/// What a merge did to one row of a tensor, or to several rows whose statistics were added.
///
/// Sums of doubles depend on their order: to get the same numbers for every division of a tensor into tiles, add the rows
/// in their order.
public struct RowStatistics: Hashable, Sendable {
  /// Elements whose stored bits differ from those of the base; where the type changes, from the base rounded to it.
  public var changedCount: UInt64
  /// The sum of squares of the intended change.
  public var intendedSquares: Double
  /// The sum of squares of what rounding made of it, less what was intended: (output - base) - intended.
  public var lostSquares: Double
  /// The sum of squares of the base.
  public var baseSquares: Double

  public init(
    changedCount: UInt64 = 0, intendedSquares: Double = 0, lostSquares: Double = 0, baseSquares: Double = 0
  ) {
    self.changedCount = changedCount
    self.intendedSquares = intendedSquares
    self.lostSquares = lostSquares
    self.baseSquares = baseSquares
  }

  public static func += (total: inout RowStatistics, row: RowStatistics) {
    total.changedCount += row.changedCount
    total.intendedSquares += row.intendedSquares
    total.lostSquares += row.lostSquares
    total.baseSquares += row.baseSquares
  }
}
