/// Where the elements of a low-rank factor lie in the bytes of a tensor.
///
/// Element (i, j) is element `elementOffset + i * rowStride + j * columnStride` of the bytes. A transposed factor has
/// the strides of the stored one exchanged; a slice has an offset; a stride of 0 repeats.
public struct StridedFactor: Hashable, Sendable {
  public let elementType: ElementType
  public let rows: Int
  public let columns: Int
  public let elementOffset: Int
  public let rowStride: Int
  public let columnStride: Int
  /// The bytes that a tensor must have at least to hold every element.
  public let neededByteCount: Int

  /// - Throws: ``ShapeError`` if a number is negative or the position of the last element is not an `Int`.
  public init(
    elementType: ElementType, rows: Int, columns: Int, elementOffset: Int = 0, rowStride: Int, columnStride: Int = 1
  ) throws(ShapeError) {
    try requireNotNegative("rows", rows)
    try requireNotNegative("columns", columns)
    try requireNotNegative("element offset", elementOffset)
    try requireNotNegative("row stride", rowStride)
    try requireNotNegative("column stride", columnStride)
    let elements = try extent(
      of: .factor, offset: elementOffset, rows: rows, rowStride: rowStride, columns: columns,
      columnStride: columnStride)
    self.neededByteCount = try product(elements, elementType.byteCount, of: .factor)
    self.elementType = elementType
    self.rows = rows
    self.columns = columns
    self.elementOffset = elementOffset
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  /// A whole tensor of shape [rows, columns].
  public init(rowMajor elementType: ElementType, rows: Int, columns: Int) throws(ShapeError) {
    try self.init(elementType: elementType, rows: rows, columns: columns, rowStride: columns)
  }

  /// The transpose of a whole tensor of shape [columns, rows].
  public init(transposed elementType: ElementType, rows: Int, columns: Int) throws(ShapeError) {
    try self.init(elementType: elementType, rows: rows, columns: columns, rowStride: 1, columnStride: rows)
  }

  /// The same elements without the rows outside `range`.
  ///
  /// - Throws: ``ShapeError/outOfRange(_:_:count:)`` if there are no such rows.
  public func rows(_ range: Range<Int>) throws(ShapeError) -> StridedFactor {
    guard range.lowerBound >= 0, range.upperBound <= rows else {
      throw .outOfRange("rows", range, count: rows)
    }
    // A factor without elements may have any stride, and of an empty range the first row need not exist.
    let isEmpty = range.isEmpty || columns == 0
    let offset = isEmpty ? elementOffset : elementOffset + range.lowerBound * rowStride
    return try StridedFactor(
      elementType: elementType, rows: range.count, columns: columns, elementOffset: offset, rowStride: rowStride,
      columnStride: columnStride)
  }
}
