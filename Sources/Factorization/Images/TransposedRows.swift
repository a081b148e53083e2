import LowRank

/// A matrix with rows and columns exchanged.
///
/// Every read passes over the whole matrix: only small ones, such as the projection of a text encoder, are stored the other way.
struct TransposedRows: MatrixRows {
  let source: any MatrixRows

  var rows: Int { source.columns }
  var columns: Int { source.rows }

  func read(_ rows: Range<Int>, into buffer: inout [Float]) throws {
    let count = rows.count * columns
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
    var values: [Float] = []
    try source.read(0..<source.rows, into: &values)
    for (place, row) in rows.enumerated() {
      for column in 0..<columns { buffer[place * columns + column] = values[column * source.columns + row] }
    }
  }
}
