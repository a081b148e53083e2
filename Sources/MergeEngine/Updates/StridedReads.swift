import MergePlanning

/// The rows of a matrix in their tensor, as runs of elements of one length.
struct StridedReads {
  let count: Int
  /// Elements of each.
  let length: Int
  /// The matrix in the runs one after the other.
  let rowStride: Int
  let columnStride: Int
  private let start: Int
  private let distance: Int

  /// The first element of a run in the tensor.
  func first(_ number: Int) -> Int { start + number * distance }

  /// How many times what is needed may be read so as to have it in one run.
  private static let waste = 4

  init(_ view: FactorView, rows: Range<Int>) {
    start = view.offset + rows.lowerBound * view.rowStride
    guard !rows.isEmpty, view.columns > 0 else {
      (count, length, distance, rowStride, columnStride) = (0, 0, 0, max(1, view.columns), 1)
      return
    }
    let extent = (rows.count - 1) * view.rowStride + (view.columns - 1) * view.columnStride + 1
    if extent <= Self.waste * rows.count * view.columns || (view.rowStride > 1 && view.columnStride > 1) {
      (count, length, distance) = (1, extent, 0)
      (rowStride, columnStride) = (view.rowStride, view.columnStride)
    } else if view.columnStride == 1 {
      (count, length, distance) = (rows.count, view.columns, view.rowStride)
      (rowStride, columnStride) = (view.columns, 1)
    } else {
      (count, length, distance) = (view.columns, rows.count, view.columnStride)
      (rowStride, columnStride) = (1, rows.count)
    }
  }

  /// Elements of all runs.
  var elementCount: Int { count * length }
}
