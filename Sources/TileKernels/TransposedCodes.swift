/// Where the codes of some rows of a matrix are that is stored transposed, two codes a byte.
public struct TransposedCodes: Sendable, Equatable {
  public let firstRow: Int
  public let rowCount: Int
  public let columns: Int
  /// Of the whole matrix: a column's codes are that many half bytes.
  public let rows: Int
  /// Rows that share a scale.
  public let block: Int

  public init(rows: Int, columns: Int, block: Int, firstRow: Int, rowCount: Int) {
    self.rows = rows
    self.columns = columns
    self.block = block
    self.firstRow = firstRow
    self.rowCount = rowCount
  }
}
