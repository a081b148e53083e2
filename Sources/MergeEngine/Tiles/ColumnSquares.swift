import TileKernels

/// Sums of squares down the columns of a matrix that comes in tiles of rows, in their order.
struct ColumnSquares {
  private let columns: Int
  private let asTorch: Bool
  private var doubles: [Double]
  private var floats: [Float]

  /// - Parameter asTorch: Whether the sums are fp32 in the order of torch's CPU norms; otherwise they are fp64.
  init(columns: Int, asTorch: Bool) {
    self.columns = columns
    self.asTorch = asTorch
    doubles = Array(repeating: 0, count: asTorch ? 0 : columns)
    floats = Array(repeating: 0, count: asTorch ? columns : 0)
  }

  mutating func add(_ values: Span<Float>, rows: Int, _ kernels: KernelSet) throws(ShapeError) {
    let columns = columns
    if asTorch {
      var span = floats.mutableSpan
      try kernels.norms.torchAddColumnSquares(of: values, rows: rows, columns: columns, to: &span)
    } else {
      var span = doubles.mutableSpan
      try kernels.norms.addColumnSquares(of: values, rows: rows, columns: columns, to: &span)
    }
  }

  func norms(_ kernels: KernelSet) throws(ShapeError) -> [Float] {
    var norms = [Float](repeating: 0, count: columns)
    var span = norms.mutableSpan
    if asTorch {
      try kernels.norms.torchColumns(fromSquares: floats.span, into: &span)
    } else {
      try kernels.norms.columns(fromSquares: doubles.span, into: &span)
    }
    return norms
  }
}
