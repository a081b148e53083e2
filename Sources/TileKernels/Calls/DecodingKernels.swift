import CTileKernels

/// Dequantization, reached as ``KernelSet/decoding``.
///
/// Products are rounded to fp32, then to nearest even in the type of the output; every NaN is written as the positive quiet one.
public struct DecodingKernels: Sendable {
  let kernels: KernelSet

  private var table: OpaquePointer { unsafe kernels.table }

  /// Decodes codes of a byte: `output[m, n] = (table[code] - zero) * scale * factor`.
  ///
  /// - Parameters:
  ///   - codes: A byte for each element of the rows of `matrix`.
  ///   - table: 256 numbers.
  ///   - scales: One for each block, a row of blocks after another.
  ///   - zeros: Subtracted from the numbers of a block, like the scales; empty: none.
  ///   - blockOfColumn: Empty: the columns of a block follow each other.
  ///   - place: The element of the output that comes first.
  /// - Throws: ``ShapeError`` if a span does not fit.
  public func bytes(
    _ codes: RawSpan, by table: Span<Float>, _ matrix: CodeBlocks, blocks: (rows: Int, columns: Int),
    scales: Span<Float>, zeros: [Float] = [], blockOfColumn: [UInt32] = [], factor: Float = 1,
    into output: inout MutableRawSpan, at place: Int = 0, as type: ElementType
  ) throws(ShapeError) {
    try requireNotNegative("rows", matrix.rows)
    try requireNotNegative("columns", matrix.columns)
    try requireNotNegative("first row", matrix.firstRow)
    try requireNotNegative("rows of a block", blocks.rows - 1)
    try requireNotNegative("columns of a block", blocks.columns - 1)
    let count = try product(matrix.rows, matrix.columns, of: .source)
    try require(.source, codes.byteCount, atLeast: count)
    try require(.values, table.count, exactly: 256)
    guard count > 0 else { return }
    if blockOfColumn.isEmpty {
      try require(.factors, matrix.scaleColumns, exactly: (matrix.columns - 1) / blocks.columns + 1)
    } else {
      try require(.values, blockOfColumn.count, exactly: matrix.columns)
      guard blockOfColumn.allSatisfy({ $0 < matrix.scaleColumns }) else {
        throw .outOfRange("block of a column", 0..<Int(blockOfColumn.max() ?? 0), count: matrix.scaleColumns)
      }
    }
    let blockRows = (matrix.firstRow + matrix.rows - 1) / blocks.rows + 1
    try require(.factors, scales.count, atLeast: try product(blockRows, matrix.scaleColumns, of: .factors))
    if !zeros.isEmpty { try require(.factors, zeros.count, atLeast: blockRows * matrix.scaleColumns) }
    try requireNotNegative("place", place)
    try require(.output, output.byteCount, atLeast: try product(place + count, type.byteCount, of: .output))
    unsafe codes.withUnsafeBytes { codes in
      unsafe table.withUnsafeBufferPointer { table in
        unsafe scales.withUnsafeBufferPointer { scales in
          unsafe zeros.withUnsafeBufferPointer { zeros in
            unsafe blockOfColumn.withUnsafeBufferPointer { blockOfColumn in
              unsafe output.withUnsafeMutableBytes { output in
                var grid = unsafe smk_code_grid(
                  rows: matrix.rows, columns: matrix.columns, first_row: matrix.firstRow, block_rows: blocks.rows,
                  block_columns: blocks.columns, scales: scales.baseAddress, scale_columns: matrix.scaleColumns,
                  zeros: zeros.isEmpty ? nil : zeros.baseAddress,
                  blocks: blockOfColumn.isEmpty ? nil : blockOfColumn.baseAddress, factor: factor)
                unsafe smk_decode_codes(
                  self.table, table.baseAddress, codes.baseAddress?.assumingMemoryBound(to: UInt8.self), &grid,
                  type.code, output.baseAddress.map { unsafe $0 + place * type.byteCount })
              }
            }
          }
        }
      }
    }
  }

  /// Decodes codes of half a byte: `output[i] = table[code i] * scales[(first + i) / block]`.
  ///
  /// - Parameters:
  ///   - codes: From the byte of the first code on.
  ///   - table: 16 numbers.
  ///   - first: The place of the first code in its block; if it is odd, that is the second code of its byte.
  ///   - block: Codes that share a scale: an even number.
  ///   - isHighFirst: Whether the first code of a byte is in its upper half.
  /// - Throws: ``ShapeError`` if a span does not fit.
  public func nibbles(
    _ codes: RawSpan, by table: Span<Float>, first: Int, count: Int, block: Int, isHighFirst: Bool,
    scales: Span<Float>, into output: inout MutableRawSpan, as type: ElementType
  ) throws(ShapeError) {
    try requireNotNegative("first", first)
    try requireNotNegative("count", count)
    guard block > 0, block % 2 == 0 else { throw .wrongCount(.factors, expected: 2, found: block) }
    guard count > 0 else { return }
    try require(.source, codes.byteCount, atLeast: (first % 2 + count + 1) / 2)
    try require(.values, table.count, exactly: 16)
    try require(.factors, scales.count, atLeast: (first + count - 1) / block + 1)
    try require(.output, output.byteCount, atLeast: try product(count, type.byteCount, of: .output))
    unsafe codes.withUnsafeBytes { codes in
      unsafe table.withUnsafeBufferPointer { table in
        unsafe scales.withUnsafeBufferPointer { scales in
          unsafe output.withUnsafeMutableBytes { output in
            unsafe smk_decode_nibbles(
              self.table, table.baseAddress, codes.baseAddress?.assumingMemoryBound(to: UInt8.self), first, count,
              block, isHighFirst ? 1 : 0, scales.baseAddress, type.code, output.baseAddress)
          }
        }
      }
    }
  }

  /// Decodes rows of a matrix whose columns are stored one after the other, two codes a byte, the first in the lower half:
  /// `output[m, n] = table[code] * scaleTable[scale]`.
  ///
  /// - Parameters:
  ///   - codes: Of the whole matrix.
  ///   - scales: Of the whole matrix: a byte for each block of rows, a column after another.
  /// - Throws: ``ShapeError`` if a span does not fit.
  public func transposed(
    _ codes: RawSpan, by table: Span<Float>, scales: RawSpan, by scaleTable: Span<Float>, _ matrix: TransposedCodes,
    into output: inout MutableRawSpan, at place: Int = 0, as type: ElementType
  ) throws(ShapeError) {
    try requireNotNegative("place", place)
    try requireNotNegative("columns", matrix.columns)
    guard matrix.block > 0, matrix.block % 2 == 0, matrix.rows % matrix.block == 0 else {
      throw .wrongCount(.factors, expected: matrix.block, found: matrix.rows)
    }
    let end = matrix.firstRow + matrix.rowCount
    guard matrix.firstRow >= 0, matrix.rowCount >= 0, end <= matrix.rows else {
      throw .outOfRange("rows", matrix.firstRow..<max(end, matrix.firstRow), count: matrix.rows)
    }
    let blocks = matrix.rows / matrix.block
    try require(.source, codes.byteCount, atLeast: try product(matrix.columns, matrix.rows / 2, of: .source))
    try require(.factors, scales.byteCount, atLeast: try product(matrix.columns, blocks, of: .factors))
    try require(.values, table.count, exactly: 16)
    try require(.values, scaleTable.count, exactly: 256)
    let count = try product(matrix.rowCount, matrix.columns, of: .output)
    try require(.output, output.byteCount, atLeast: try product(place + count, type.byteCount, of: .output))
    guard count > 0 else { return }
    unsafe codes.withUnsafeBytes { codes in
      unsafe scales.withUnsafeBytes { scales in
        unsafe table.withUnsafeBufferPointer { table in
          unsafe scaleTable.withUnsafeBufferPointer { scaleTable in
            unsafe output.withUnsafeMutableBytes { output in
              var transposed = unsafe smk_transposed_codes(
                codes: codes.baseAddress?.assumingMemoryBound(to: UInt8.self), code_stride: matrix.rows / 2,
                scales: scales.baseAddress?.assumingMemoryBound(to: UInt8.self), scale_stride: blocks,
                block: matrix.block, first_row: matrix.firstRow, rows: matrix.rowCount, columns: matrix.columns)
              unsafe smk_decode_transposed(
                self.table, table.baseAddress, scaleTable.baseAddress, &transposed, type.code,
                output.baseAddress.map { unsafe $0 + place * type.byteCount })
            }
          }
        }
      }
    }
  }
}
