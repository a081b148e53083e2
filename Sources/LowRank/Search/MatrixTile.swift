/// Some rows of a matrix, cut into blocks of columns: each block lies row by row, one block behind another.
struct MatrixTile {
  /// Rows of a tile and columns of a block: a packed panel of so many rows stays in the first level of cache.
  static let edge = 512

  /// The rows of the matrix.
  let rows: Range<Int>
  let columns: Int
  let elements: [Float]

  /// - Parameter source: The rows one behind the other, from its first element on.
  init(_ source: [Float], rows: Range<Int>, columns: Int) {
    self.rows = rows
    self.columns = columns
    var elements: [Float] = []
    elements.reserveCapacity(rows.count * columns)
    for block in Self.blocks(columns) {
      for row in 0..<rows.count {
        elements += source[row * columns + block.lowerBound..<row * columns + block.upperBound]
      }
    }
    self.elements = elements
  }

  /// The columns of every block.
  static func blocks(_ columns: Int) -> [Range<Int>] {
    stride(from: 0, to: columns, by: edge).map { $0..<min($0 + edge, columns) }
  }

  /// Where a block's elements are.
  func place(of block: Range<Int>) -> Range<Int> {
    rows.count * block.lowerBound..<rows.count * block.upperBound
  }
}
