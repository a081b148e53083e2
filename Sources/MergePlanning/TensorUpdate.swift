import Safetensors

/// What is done to one tensor, seen as a matrix of whole rows.
public struct TensorUpdate: Sendable, Equatable {
  /// The tensor's first dimensions multiplied, and its last; a vector is one row.
  public let rows: Int
  public let columns: Int
  /// Added up in this order before the one rounding.
  public let terms: [DeltaTerm]
  /// Rows that are written over, after everything else, in the order of their rows.
  public let rowReplacements: [RowReplacement]

  public init(rows: Int, columns: Int, terms: [DeltaTerm], rowReplacements: [RowReplacement] = []) {
    self.rows = rows
    self.columns = columns
    self.terms = terms
    self.rowReplacements = rowReplacements
  }

  /// Nothing but the rounding to another dtype of a tensor of this shape.
  init(roundingOnly shape: [Int]) {
    let columns = shape.last ?? 1
    self.init(rows: shape.dropLast().reduce(1, *), columns: columns, terms: [])
  }
}

/// One part of a tensor's delta.
public struct DeltaTerm: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// `scaling * (left . right)`: `left` is rows x rank, `right` rank x columns; the sum runs over the rank in order.
    case lowRank(left: FactorView, right: FactorView)
    /// `scaling * values`, element by element: `values` has the term's rows and columns.
    case scaled(values: FactorView)
  }

  /// The rows and columns of the tensor that it is added to.
  public let rows: Range<Int>
  public let columns: Range<Int>
  public let kind: Kind
  /// Computed in double, rounded once.
  public let scaling: Float

  public init(rows: Range<Int>, columns: Range<Int>, kind: Kind, scaling: Float) {
    self.rows = rows
    self.columns = columns
    self.kind = kind
    self.scaling = scaling
  }

  /// The matrices that it reads.
  public var views: [FactorView] {
    switch kind {
    case .lowRank(let left, let right): [left, right]
    case .scaled(let values): [values]
    }
  }
}

/// One row of a tensor that takes the adapter's values as they are.
public struct RowReplacement: Sendable, Equatable {
  public let row: Int
  /// One row of the tensor's columns.
  public let values: FactorView

  public init(row: Int, values: FactorView) {
    self.row = row
    self.values = values
  }
}

/// A matrix inside a tensor of a file: its element (m, n) is the tensor's element
/// `offset + m * rowStride + n * columnStride`.
public struct FactorView: Sendable, Equatable {
  /// The tensor.
  public let source: MergePlan.Source
  public let rows: Int
  public let columns: Int
  /// In elements, as the strides are.
  public let offset: Int
  public let rowStride: Int
  public let columnStride: Int

  public init(
    _ source: MergePlan.Source, rows: Int, columns: Int, offset: Int = 0, rowStride: Int, columnStride: Int
  ) {
    self.source = source
    self.rows = rows
    self.columns = columns
    self.offset = offset
    self.rowStride = rowStride
    self.columnStride = columnStride
  }

  /// The whole of a row-major matrix.
  public static func rowMajor(_ source: MergePlan.Source, rows: Int, columns: Int) -> FactorView {
    FactorView(source, rows: rows, columns: columns, rowStride: columns, columnStride: 1)
  }

  /// The same matrix with rows and columns exchanged.
  public var transposed: FactorView {
    FactorView(
      source, rows: columns, columns: rows, offset: offset, rowStride: columnStride, columnStride: rowStride)
  }
}
