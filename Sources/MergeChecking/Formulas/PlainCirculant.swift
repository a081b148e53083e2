/// Blocks whose element (j, l) is element l - j of a kernel, counted around.
struct PlainCirculant: PlainFormula {
  /// The kernels of blocks beside each other, one after another.
  let kernels: [Float]
  let size: Int

  let rank = 1

  private func value(_ row: Int, _ column: Int, _ columns: Int) -> Float {
    let around = (column % size + size - row % size) % size
    return kernels[row / size * columns + column / size * size + around]
  }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns {
      let value = value(row, column, columns)
      let scaled = scale * value
      delta[place + column] += scaled
      exact[place + column] += Double(scale) * Double(value)
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns { sums[place + column] += Double(abs(scale * value(row, column, columns))) }
  }
}
