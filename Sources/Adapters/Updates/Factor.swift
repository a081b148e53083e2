/// A matrix in an adapter's file: its element (m, n) is the tensor's element
/// `offset + m * rowStride + n * columnStride`.
public struct Factor: Equatable, Sendable {
  /// Where the tensor is in the adapter's tensor table.
  public let tensor: Int
  public let rows: Int
  public let columns: Int
  /// In elements, as the strides are.
  public let offset: Int
  public let rowStride: Int
  public let columnStride: Int

  public init(_ tensor: Int, rows: Int, columns: Int, offset: Int = 0, rowStride: Int, columnStride: Int) {
    self.tensor = tensor
    self.rows = rows
    self.columns = columns
    self.offset = offset
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  /// The whole of a row-major matrix.
  public static func rowMajor(_ tensor: Int, rows: Int, columns: Int) -> Factor {
    Factor(tensor, rows: rows, columns: columns, rowStride: columns, columnStride: 1)
  }

  /// The same matrix with rows and columns exchanged.
  public var transposed: Factor {
    Factor(
      tensor, rows: columns, columns: rows, offset: offset, rowStride: columnStride, columnStride: rowStride)
  }
}
