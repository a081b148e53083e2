import TileKernels

/// Takes a tile's delta away again, and counts the elements that are not what they were: in their dtype a sum is rounded, so
/// that `round(round(w + d) - d)` need not be w.
struct ReturnTrip {
  private var negated: [Float] = []
  private var bytes: [UInt8] = []
  private var comparison = TileComparison()

  /// - Parameters:
  ///   - output: The tile's result, its bytes first.
  ///   - deltas: What was added, in fp32.
  ///   - weight: The tile before.
  /// - Returns: How many elements differ in a bit from those of `weight`.
  mutating func countChanges(
    _ output: [UInt8], as outputType: ElementType, without deltas: [Float], from weight: RawSpan,
    as weightType: ElementType, rowCount: Int, columns: Int, _ kernels: KernelSet
  ) throws -> UInt64 {
    let count = rowCount * columns
    negated.grow(to: count, filler: 0)
    for element in 0..<count { negated[element] = -deltas[element] }
    bytes.grow(to: count * weightType.byteCount, filler: 0)
    try kernels.combine(output, as: outputType, count: count, with: negated, into: &bytes, as: weightType)
    try comparison.compare(
      bytes, as: weightType, with: weight, as: weightType, intended: negated, are: .deltas, rowCount: rowCount,
      columns: columns, kernels)
    return comparison.rows[..<rowCount].reduce(0) { $0 + $1.changedCount }
  }

  /// Bytes for each element of a tile.
  static let memoryPerElement = 4 + 4
}
