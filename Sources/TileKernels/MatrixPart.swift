/// A part of a matrix that lies row by row: some columns of some rows.
public struct MatrixPart: Sendable, Equatable {
  /// The place of its first element in the matrix.
  public let first: Int
  public let rows: Int
  public let columns: Int
  /// Columns of the matrix.
  public let stride: Int

  public init(first: Int, rows: Int, columns: Int, stride: Int) {
    self.first = first
    self.rows = rows
    self.columns = columns
    self.stride = stride
  }

  /// How many elements the matrix has to have.
  func extent(_ argument: ShapeError.Argument) throws(ShapeError) -> Int {
    try requireNotNegative("first", first)
    try requireNotNegative("rows", rows)
    try requireNotNegative("columns", columns)
    guard stride >= columns else { throw .rowsOverlap(stride: stride, columns: columns) }
    return try TileKernels.extent(of: argument, offset: first, rows: rows, rowStride: stride, columns: columns)
  }
}
