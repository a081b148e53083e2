/// A matrix inside a tensor of a file: its element (m, n) is the tensor's element
/// `offset + m * rowStride + n * columnStride`.
public struct FactorView: Sendable, Equatable {
  /// The tensor.
  public let source: MergePlan.Source
  public let rows: Int
  public let columns: Int
  /// In elements, as the strides are.
  public let offset: Int
  public let rowStride: Int
  public let columnStride: Int
  /// Which rows and columns have elements, where not all have; the others are 0.
  public let spread: FactorSpread

  public init(
    _ source: MergePlan.Source, rows: Int, columns: Int, offset: Int = 0, rowStride: Int, columnStride: Int,
    spread: FactorSpread = FactorSpread()
  ) {
    self.spread = spread
    self.source = source
    self.rows = rows
    self.columns = columns
    self.offset = offset
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  /// The whole of a row-major matrix.
  public static func rowMajor(_ source: MergePlan.Source, rows: Int, columns: Int) -> FactorView {
    FactorView(source, rows: rows, columns: columns, rowStride: columns, columnStride: 1)
  }

  /// The same matrix with rows and columns exchanged.
  public var transposed: FactorView {
    FactorView(
      source, rows: columns, columns: rows, offset: offset, rowStride: columnStride, columnStride: rowStride,
      spread: FactorSpread(rows: spread.columns, columns: spread.rows))
  }

  /// Some of its rows, at a distance of `step`. Not of a matrix with zeros between its rows.
  func rows(from first: Int, count: Int, step: Int) -> FactorView {
    FactorView(
      source, rows: count, columns: columns, offset: offset + first * rowStride, rowStride: step * rowStride,
      columnStride: columnStride, spread: spread)
  }

  /// Some of its columns. Not of a matrix with zeros between its columns.
  func columns(_ range: Range<Int>) -> FactorView {
    FactorView(
      source, rows: rows, columns: range.count, offset: offset + range.lowerBound * columnStride, rowStride: rowStride,
      columnStride: columnStride, spread: spread)
  }
}
