/// A matrix that can be read row by row as often as needed.
public protocol MatrixRows: Sendable {
  var rows: Int { get }
  var columns: Int { get }
  /// Sets the first `rows.count * columns` elements of `buffer` to those rows; the buffer grows if it has to.
  func read(_ rows: Range<Int>, into buffer: inout [Float]) throws
}

/// A matrix in memory.
public struct HeldRows: MatrixRows {
  public let rows: Int
  public let columns: Int
  private let elements: [Float]

  /// - Precondition: There are `rows * columns` elements, row by row.
  public init(_ elements: [Float], rows: Int, columns: Int) {
    precondition(elements.count == rows * columns)
    self.elements = elements
    self.rows = rows
    self.columns = columns
  }

  public func read(_ rows: Range<Int>, into buffer: inout [Float]) {
    let part = elements[rows.lowerBound * columns..<rows.upperBound * columns]
    if buffer.count < part.count { buffer = [Float](repeating: 0, count: part.count) }
    buffer.replaceSubrange(0..<part.count, with: part)
  }
}
