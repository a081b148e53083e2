/// Square blocks along a diagonal, each packed as ``PackedRight`` packs a factor, one behind the other in one piece of memory.
public struct PackedBlocks: Sendable {
  /// Rows and columns of a block.
  public let size: Int
  public let count: Int
  /// Elements of a packed block.
  let stride: Int
  let elements: [Float]

  /// - Parameters:
  ///   - blocks: The elements of each block, row after row.
  ///   - size: Rows and columns of each.
  /// - Throws: ``ShapeError`` if a block has another size, or there is no column.
  public init(_ blocks: some Sequence<[Float]>, size: Int, kernels: KernelSet = .best) throws(ShapeError) {
    guard size > 0 else { throw .wrongCount(.blocks, expected: 1, found: size) }
    let needed = try product(size, size, of: .blocks)
    var elements: [Float] = []
    var count = 0
    for block in blocks {
      try require(.blocks, block.count, exactly: needed)
      elements += try PackedRight(rowMajor: block, rows: size, columns: size, kernels: kernels).elements
      count += 1
    }
    self.size = size
    self.count = count
    self.elements = elements
    stride = count == 0 ? 0 : elements.count / count
  }

  /// The memory that packed blocks take.
  ///
  /// - Throws: ``ShapeError`` if a number is negative or the product is not an `Int`.
  public static func byteCount(count: Int, size: Int) throws(ShapeError) -> Int {
    try requireNotNegative("count", count)
    return try product(count, try PackedRight.byteCount(columns: size, rank: size), of: .blocks)
  }
}
