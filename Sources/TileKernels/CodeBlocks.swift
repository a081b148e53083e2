/// The scales of codes that are laid over a matrix in blocks.
@safe
public struct CodeBlocks: Sendable, Equatable {
  /// The place of the first row in its block.
  public let firstRow: Int
  public let rows: Int
  public let columns: Int
  /// Blocks of scales in a row of them; the last may be cut.
  public let scaleColumns: Int

  public init(firstRow: Int, rows: Int, columns: Int, scaleColumns: Int) {
    self.firstRow = firstRow
    self.rows = rows
    self.columns = columns
    self.scaleColumns = scaleColumns
  }
}
