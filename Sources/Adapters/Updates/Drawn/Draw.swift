import Safetensors

/// A matrix of random numbers that a seed gives and no file has: a part of a tensor that PEFT draws when it loads an adapter.
///
/// With `k = n / blockColumns` element (m, n) is number `offset + m * rowStride + k * blockStride + n % blockColumns` of the
/// drawn tensor.
public struct Draw: Equatable, Sendable {
  /// What the numbers are.
  public enum Numbers: Equatable, Sendable {
    /// Even between a bound and its opposite, in fp32.
    case uniform(bound: Float)
    /// Numbers of bfloat16, even between a bound and its opposite, divided by their standard deviation.
    case normalizedBF16(bound: Float)
    /// -1 and 1, each for one of `2 * sparsity` numbers, and else 0, divided by their standard deviation in fp32.
    case signs(sparsity: Double)
  }

  /// Of torch's generator.
  public let seed: Int64
  /// Numbers that were drawn before those of the tensor.
  public let skipped: Int
  /// Numbers of the tensor.
  public let count: Int
  public let numbers: Numbers
  /// What the numbers are rounded to in the end.
  public let dtype: DType
  public let rows: Int
  public let columns: Int
  public let offset: Int
  public let rowStride: Int
  public let blockColumns: Int
  public let blockStride: Int
  /// Whether the matrix is the transposed one; ``rows`` and ``columns`` are those before.
  public let isTransposed: Bool

  public init(
    seed: Int64, skipped: Int, count: Int, _ numbers: Numbers, dtype: DType, rows: Int, columns: Int, offset: Int = 0,
    rowStride: Int,
    blockColumns: Int, blockStride: Int, isTransposed: Bool = false
  ) {
    self.seed = seed
    self.skipped = skipped
    self.count = count
    self.numbers = numbers
    self.dtype = dtype
    self.rows = rows
    self.columns = columns
    self.offset = offset
    self.rowStride = rowStride
    self.blockColumns = blockColumns
    self.blockStride = blockStride
    self.isTransposed = isTransposed
  }

  /// The first rows and columns of a matrix that was drawn row after row.
  init(
    seed: Int64, skipped: Int, _ numbers: Numbers, dtype: DType, of extent: (rows: Int, columns: Int), rows: Int,
    columns: Int
  ) {
    self.init(
      seed: seed, skipped: skipped, count: extent.rows * extent.columns, numbers, dtype: dtype, rows: rows,
      columns: columns,
      rowStride: extent.columns, blockColumns: extent.columns, blockStride: 0)
  }

  /// The place in the drawn tensor of an element of the matrix.
  package func place(row: Int, column: Int) -> Int {
    let (m, n) = isTransposed ? (column, row) : (row, column)
    return offset + m * rowStride + n / blockColumns * blockStride + n % blockColumns
  }

  /// The same matrix with rows and columns exchanged.
  package var transposed: Draw {
    Draw(
      seed: seed, skipped: skipped, count: count, numbers, dtype: dtype, rows: rows, columns: columns, offset: offset,
      rowStride: rowStride, blockColumns: blockColumns, blockStride: blockStride, isTransposed: !isTransposed)
  }

  /// Some of its rows, at a distance of `step`; not of a transposed matrix.
  package func rows(from first: Int, count: Int, step: Int) -> Draw {
    Draw(
      seed: seed, skipped: skipped, count: self.count, numbers, dtype: dtype, rows: count, columns: columns,
      offset: offset + first * rowStride, rowStride: step * rowStride, blockColumns: blockColumns,
      blockStride: blockStride, isTransposed: isTransposed)
  }

  /// Some of its columns; not of a transposed matrix, nor of one in blocks.
  package func columns(_ range: Range<Int>) -> Draw {
    Draw(
      seed: seed, skipped: skipped, count: count, numbers, dtype: dtype, rows: rows, columns: range.count,
      offset: offset + range.lowerBound, rowStride: rowStride, blockColumns: range.count, blockStride: 0,
      isTransposed: isTransposed)
  }
}
