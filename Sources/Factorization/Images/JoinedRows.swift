import LowRank

/// A matrix whose rows are rows of others, which have as many columns.
struct JoinedRows: MatrixRows {
  /// Adjacent rows of a matrix.
  struct Piece: Sendable {
    let source: any MatrixRows
    let rows: Range<Int>
  }

  private let pieces: [Piece]
  let rows: Int
  let columns: Int

  /// - Precondition: There is a piece.
  init(_ pieces: [Piece]) {
    self.pieces = pieces
    rows = pieces.reduce(0) { $0 + $1.rows.count }
    columns = pieces[0].source.columns
  }

  func read(_ rows: Range<Int>, into buffer: inout [Float]) throws {
    let count = rows.count * columns
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
    var start = 0
    var values: [Float] = []
    for piece in pieces {
      defer { start += piece.rows.count }
      let wanted = rows.clamped(to: start..<start + piece.rows.count)
      if wanted.isEmpty { continue }
      let first = piece.rows.lowerBound + wanted.lowerBound - start
      try piece.source.read(first..<first + wanted.count, into: &values)
      let place = (wanted.lowerBound - rows.lowerBound) * columns
      buffer.replaceSubrange(place..<place + wanted.count * columns, with: values[..<(wanted.count * columns)])
    }
  }
}
