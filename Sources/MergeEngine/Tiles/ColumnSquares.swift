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

  /// The norm of every column, or of all columns of its group together.
  ///
  /// - Parameter width: Neighboring columns of a group.
  func norms(_ kernels: KernelSet, groupsOf width: Int) throws(ShapeError) -> [Float] {
    let (floats, doubles) = (Self.sums(of: floats, groupsOf: width), Self.sums(of: doubles, groupsOf: width))
    var norms = [Float](repeating: 0, count: columns)
    var span = norms.mutableSpan
    if asTorch {
      try kernels.norms.torchColumns(fromSquares: floats.span, into: &span)
    } else {
      try kernels.norms.columns(fromSquares: doubles.span, into: &span)
    }
    return norms
  }

  /// The values, or at each place the sum of its group, added up in order.
  private static func sums<Value: FloatingPoint>(of values: [Value], groupsOf width: Int) -> [Value] {
    guard width > 1 else { return values }
    var sums = values
    for first in stride(from: 0, to: values.count, by: width) {
      let group = first..<min(first + width, values.count)
      let sum = values[group].reduce(0, +)
      for column in group { sums[column] = sum }
    }
    return sums
  }
}
