import Synchronization
import TileKernels

/// The statistics of the tensors in flight, a row at a time, and the sums of those that are complete.
///
/// Sums of doubles depend on their order, and tiles end in any: the rows of a tensor are kept until the last has come and
/// are then added in their order. So neither the workers nor the division into tiles changes a bit.
final class StatisticsStore: Sendable {
  private struct Pending {
    var rows: [RowStatistics]
    var missing: Int
  }

  private struct State {
    var pending: [Int: Pending] = [:]
    var complete: [Int: RowStatistics] = [:]
  }

  private let state = Mutex(State())

  /// Takes the first statistics of `tile` as those of `rows` of a tensor that has `rowCount`.
  func add(segment: Int, rowCount: Int, rows: Range<Int>, _ tile: borrowing [RowStatistics]) {
    let whole = state.withLock { state -> [RowStatistics]? in
      // Taken out while it is changed, so that no copy is made.
      var pending =
        state.pending.removeValue(forKey: segment)
        ?? Pending(rows: Array(repeating: RowStatistics(), count: rowCount), missing: rowCount)
      for row in rows { pending.rows[row] = tile[row - rows.lowerBound] }
      pending.missing -= rows.count
      if pending.missing == 0 { return pending.rows }
      state.pending[segment] = pending
      return nil
    }
    guard let whole else { return }
    var sum = RowStatistics()
    for row in whole { sum += row }
    state.withLock { [sum] in $0.complete[segment] = sum }
  }

  /// The sums of the complete tensors, by segment.
  var sums: [Int: RowStatistics] { state.withLock { $0.complete } }
}
