import CTileKernels

/// Codes of half a byte, in the orders that formats pack them, as a byte each.
public enum NibbleUnpacking {
  /// How eight codes share a word of 32 bits in a matrix that is stored transposed.
  public enum WordOrder: Sendable {
    /// Eight columns, the first lowest: GPTQ.
    case columns
    /// Eight rows, in the places 0, 4, 1, 5, 2, 6, 3, 7: AWQ.
    case rows
  }

  /// Unpacks `count` codes from the one at place `first` on to `codes[place...]`.
  ///
  /// - Throws: ``ShapeError`` if a range leaves its array.
  public static func unpack(
    _ source: [UInt8], first: Int, count: Int, isHighFirst: Bool, into codes: inout [UInt8], at place: Int
  ) throws(ShapeError) {
    try requireNotNegative("first", first)
    try requireNotNegative("count", count)
    try requireNotNegative("place", place)
    guard count > 0 else { return }
    try require(.source, source.count, atLeast: (first + count - 1) / 2 + 1)
    try require(.output, codes.count, atLeast: place + count)
    unsafe source.withUnsafeBufferPointer { source in
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        unsafe smk_unpack_nibbles(
          source.baseAddress, first, count, isHighFirst ? 1 : 0, codes.baseAddress.map { unsafe $0 + place })
      }
    }
  }

  /// Unpacks some rows of a matrix that is stored transposed, in words of 32 bits, to the start of `codes`.
  ///
  /// - Parameters:
  ///   - words: Bytes of words in the order of the file, `wordColumns` for each of their rows.
  ///   - columns: Of the matrix as it is not transposed.
  /// - Throws: ``ShapeError`` if a range leaves its array.
  public static func unpackTransposed(
    _ words: [UInt8], _ order: WordOrder, wordColumns: Int, rows: Range<Int>, columns: Int, into codes: inout [UInt8]
  ) throws(ShapeError) {
    try requireNotNegative("rows", rows.lowerBound)
    try requireNotNegative("columns", columns)
    guard columns % 8 == 0 else { throw .wrongCount(.source, expected: columns / 8 * 8, found: columns) }
    guard !rows.isEmpty, columns > 0 else { return }
    let wordRows = order == .columns ? columns / 8 : columns
    try require(.source, words.count / 4, atLeast: try product(wordRows, wordColumns, of: .source))
    let rowCount = order == .columns ? wordColumns : try product(wordColumns, 8, of: .source)
    guard rows.upperBound <= rowCount else { throw .outOfRange("rows", rows, count: rowCount) }
    try require(.output, codes.count, atLeast: try product(rows.count, columns, of: .output))
    unsafe words.withUnsafeBufferPointer { words in
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        switch order {
        case .columns:
          unsafe smk_unpack_along_columns(
            words.baseAddress, wordColumns, rows.lowerBound, rows.count, columns, codes.baseAddress)
        case .rows:
          unsafe smk_unpack_along_rows(
            words.baseAddress, wordColumns, rows.lowerBound, rows.count, columns, codes.baseAddress)
        }
      }
    }
  }
}
