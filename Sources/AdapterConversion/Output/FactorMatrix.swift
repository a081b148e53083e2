import Adapters
import Safetensors

/// A matrix that is put together of an adapter's matrices, with zeros between them: what a converted factor holds.
package struct FactorMatrix: Equatable, Sendable {
  /// A matrix of the adapter, and where its first element goes.
  package struct Piece: Equatable, Sendable {
    package let row: Int
    package let column: Int
    package let factor: Factor
  }

  package let rows: Int
  package let columns: Int
  /// Of all pieces, and of the matrix.
  package let dtype: DType
  package let pieces: [Piece]

  /// One matrix as it is.
  init(_ factor: Factor, _ dtype: DType) {
    (rows, columns, self.dtype) = (factor.rows, factor.columns, dtype)
    pieces = [Piece(row: 0, column: 0, factor: factor)]
  }

  init(rows: Int, columns: Int, dtype: DType, _ pieces: [Piece]) {
    (self.rows, self.columns, self.dtype, self.pieces) = (rows, columns, dtype, pieces)
  }

  /// The same matrix with rows and columns exchanged.
  var transposed: FactorMatrix {
    FactorMatrix(
      rows: columns, columns: rows, dtype: dtype,
      pieces.map { Piece(row: $0.column, column: $0.row, factor: $0.factor.transposed) })
  }

  /// The tensor that it is as it is stored; nil: it is a part of one.
  func tensor(in table: TensorTable) -> Int? {
    guard let only = pieces.first, pieces.count == 1 else { return nil }
    let factor = only.factor
    let isWhole =
      factor.offset == 0 && factor.rowStride == columns && factor.columnStride == 1
      && factor.rows == rows && factor.columns == columns
    return isWhole && table.shape(at: factor.tensor).reduce(1, *) == rows * columns ? factor.tensor : nil
  }
}

extension Factor {
  /// Some of its rows.
  func rows(_ range: Range<Int>) -> Factor {
    Factor(
      tensor, rows: range.count, columns: columns, offset: offset + range.lowerBound * rowStride, rowStride: rowStride,
      columnStride: columnStride)
  }

  /// Some of its columns.
  func columns(_ range: Range<Int>) -> Factor { transposed.rows(range).transposed }
}
