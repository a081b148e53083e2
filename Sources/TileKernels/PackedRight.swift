/// The right factor of a low-rank update (rank x columns), or a range of its panels, in the layout that
/// ``KernelSet/addLowRank(to:at:rowStride:left:right:rows:scale:)`` reads: fp32, panels of 16 columns, `[panel][k][16]`,
/// zeros after the last column.
public struct PackedRight: Sendable {
  /// Columns in a panel.
  public static let panelColumns = 16

  /// The columns of the whole factor.
  public let factorColumns: Int
  /// Those that are held here; all but the last panel are full.
  public let columns: Range<Int>
  public let rank: Int
  /// Element (k, n) of the factor is `elements[(p * rank + k) * 16 + n % 16]`, where p = n / 16 less the panels not held.
  public let elements: [Float]

  /// Packs `factor` (its rows are k, its columns n) out of `bytes`.
  ///
  /// - Parameters:
  ///   - panels: The part to pack: `nil` for all. Column n is in panel n / 16.
  ///   - kernels: Does the widening; its choice does not change the result.
  /// - Throws: ``ShapeError`` if `bytes` does not hold the factor or `panels` do not exist.
  public init(
    _ factor: StridedFactor, in bytes: RawSpan, panels: Range<Int>? = nil, kernels: KernelSet = .best
  ) throws(ShapeError) {
    let all = Self.panelCount(columns: factor.columns)
    let panels = panels ?? 0..<all
    self.elements = try kernels.packedRight(factor, in: bytes, panels: panels)
    self.factorColumns = factor.columns
    // The end of the last panel need not be an Int.
    func firstColumn(ofPanel panel: Int) -> Int { panel == all ? factor.columns : panel * Self.panelColumns }
    self.columns = firstColumn(ofPanel: panels.lowerBound)..<firstColumn(ofPanel: panels.upperBound)
    self.rank = factor.rows
  }

  /// Packs a matrix in memory, row after row.
  ///
  /// - Throws: ``ShapeError`` if `elements` does not hold so many rows and columns.
  package init(rowMajor elements: [Float], rows: Int, columns: Int, kernels: KernelSet = .best) throws(ShapeError) {
    let factor = try StridedFactor(rowMajor: .f32, rows: rows, columns: columns)
    try unsafe self.init(factor, in: elements.span.bytes, kernels: kernels)
  }

  public static func panelCount(columns: Int) -> Int {
    columns / panelColumns + (columns % panelColumns == 0 ? 0 : 1)
  }

  /// The memory that a packed factor takes: 64 * rank * ceil(columns / 16).
  ///
  /// - Throws: ``ShapeError`` if a number is negative or the product is not an `Int`.
  public static func byteCount(columns: Int, rank: Int) throws(ShapeError) -> Int {
    try requireNotNegative("columns", columns)
    try requireNotNegative("rank", rank)
    let elements = try product(try product(panelCount(columns: columns), panelColumns, of: .packed), rank, of: .packed)
    return try product(elements, MemoryLayout<Float>.stride, of: .packed)
  }

  public var byteCount: Int { elements.count * MemoryLayout<Float>.stride }
}
