import LowRank

/// The elements of a matrix as another one with as many elements: the first dimension of a tensor by all others.
struct ReshapedRows: MatrixRows {
  private let source: any MatrixRows
  let rows: Int
  let columns: Int

  /// - Parameter shape: The tensor's, with as many elements as `source` has.
  init(_ source: any MatrixRows, shape: [Int]) {
    self.source = source
    let isEmpty = shape.contains(0)
    rows = isEmpty ? 0 : shape.first ?? 1
    columns = isEmpty ? 0 : shape.dropFirst().reduce(1, *)
  }

  func read(_ rows: Range<Int>, into buffer: inout [Float]) throws {
    if source.columns == columns { return try source.read(rows, into: &buffer) }
    let count = rows.count * columns
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
    guard count > 0 else { return }
    let elements = rows.lowerBound * columns..<rows.upperBound * columns
    let first = elements.lowerBound / source.columns
    let last = (elements.upperBound - 1) / source.columns + 1
    var values: [Float] = []
    try source.read(first..<last, into: &values)
    let start = elements.lowerBound - first * source.columns
    buffer.replaceSubrange(0..<count, with: values[start..<start + count])
  }
}
