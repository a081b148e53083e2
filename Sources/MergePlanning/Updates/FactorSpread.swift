import Adapters

/// Which rows and columns of a matrix are stored, where zeros stand between them: an update of every second column of a
/// tensor is a product whose right factor has zeros in the other columns.
public struct FactorSpread: Sendable, Equatable {
  public let rows: Turn
  public let columns: Turn

  public init(rows: Turn = .every, columns: Turn = .every) {
    self.rows = rows
    self.columns = columns
  }

  /// Whether all elements are stored.
  public var isEmpty: Bool { rows == .every && columns == .every }
}

extension FactorView {
  /// The matrix with zeros before, between and behind its columns.
  func spreadingColumns(_ turn: Turn) -> FactorView {
    FactorView(
      source, rows: rows, columns: columns * turn.count, offset: offset, rowStride: rowStride,
      columnStride: columnStride,
      spread: FactorSpread(rows: spread.rows, columns: turn))
  }

  /// What is stored of it.
  public var stored: FactorView {
    FactorView(
      source, rows: rows / spread.rows.count, columns: columns / spread.columns.count, offset: offset,
      rowStride: rowStride, columnStride: columnStride)
  }
}
