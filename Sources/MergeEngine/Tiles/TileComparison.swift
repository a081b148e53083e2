import MergePlanning
import TileKernels

/// What the rows of one tile were meant to become, and the statistics of what they became.
struct TileComparison {
  /// For each row of the tile that was compared last; the elements behind them are old.
  private(set) var rows: [RowStatistics] = []

  /// Compares the tile's rows with the base's and with `intended`.
  ///
  /// - Parameter output: The tile's bytes first.
  mutating func compare(
    _ output: [UInt8], as outputType: ElementType, with base: RawSpan, as baseType: ElementType, intended: [Float],
    are intention: KernelSet.Intention, rowCount: Int, columns: Int, _ kernels: KernelSet
  ) throws {
    if rows.count < rowCount { rows = Array(repeating: RowStatistics(), count: rowCount) }
    let bytes = output.span.extracting(0..<rowCount * columns * outputType.byteCount)
    var span = rows.mutableSpan
    try unsafe kernels.compare(
      bytes.bytes, as: outputType, with: base, as: baseType, intended: intended.span, are: intention, rows: rowCount,
      columns: columns, into: &span)
  }

  /// Compares one row of the tile again, which was written over with `values`.
  mutating func compare(
    row: Int, _ output: [UInt8], as outputType: ElementType, with base: RawSpan, as baseType: ElementType,
    values: [Float], columns: Int, _ kernels: KernelSet
  ) throws {
    let (outputRow, baseRow) = (columns * outputType.byteCount, columns * baseType.byteCount)
    let bytes = output.span.extracting(row * outputRow..<(row + 1) * outputRow)
    var one = [RowStatistics()]
    var span = one.mutableSpan
    try unsafe kernels.compare(
      bytes.bytes, as: outputType, with: base.extracting(row * baseRow..<(row + 1) * baseRow), as: baseType,
      intended: values.span, are: .values, rows: 1, columns: columns, into: &span)
    rows[row] = one[0]
  }
}
