import MergePlanning

/// The number of rows of a tensor that are computed at once. The result does not depend on it.
struct TileSize: Sendable, Equatable {
  /// Elements of a tile, if a row is not longer.
  let elementCount: Int
  /// Rows that share one pass over the packed factor, as long as a tile of them is no larger than
  /// ``largestElementCount``.
  let smallestRowCount: Int

  /// 4 MiB of fp32.
  static let largestElementCount = 1 << 20
  /// Half a MiB of fp32, which stays in a second-level cache.
  static let standard = TileSize(elementCount: 128 << 10, smallestRowCount: 8)
  /// From the fastest to the smallest, which is one row.
  static let all = [
    standard, TileSize(elementCount: 64 << 10, smallestRowCount: 8),
    TileSize(elementCount: 32 << 10, smallestRowCount: 4),
    TileSize(elementCount: 8 << 10, smallestRowCount: 1), TileSize(elementCount: 1, smallestRowCount: 1),
  ]

  /// Of an update, in whole units of rows that are computed together.
  func rows(_ update: TensorUpdate) -> Int { update.wholeUnits(rows(columns: update.columns)) }

  func rows(columns: Int) -> Int {
    let columns = max(1, columns)
    return max(1, elementCount / columns, min(smallestRowCount, Self.largestElementCount / columns))
  }
}
