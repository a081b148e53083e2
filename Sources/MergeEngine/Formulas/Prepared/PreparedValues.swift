import TileKernels

/// A matrix that is in memory, row after row.
struct PreparedValues: PreparedFormula {
  let columns: Int
  private let values: FloatBuffer

  init(_ values: [Float], columns: Int) {
    self.columns = columns
    var buffer = FloatBuffer()
    buffer.set(values)
    self.values = buffer
  }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    try delta.addScaled(
      values, from: rows.lowerBound, rows: rows.count, columns: columns, scale: scale, at: offset, rowStride: rowStride,
      scratch.kernels)
  }

  func set(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, _ scratch: inout FactorScratch
  ) throws {
    let elements = rows.lowerBound * columns..<rows.upperBound * columns
    guard !elements.isEmpty else { return }
    try delta.setRow(
      offset..<offset + elements.count, to: values, from: elements, scale: scale, scratch.kernels)
  }
}
