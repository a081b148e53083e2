import LowRank

/// A matrix of zeros.
struct ZeroRows: MatrixRows {
  let rows: Int
  let columns: Int

  func read(_ rows: Range<Int>, into buffer: inout [Float]) {
    let count = rows.count * columns
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
    buffer.replaceSubrange(0..<count, with: repeatElement(0, count: count))
  }
}
