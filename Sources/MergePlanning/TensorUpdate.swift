import Adapters
import Safetensors

/// What is done to one tensor, seen as a matrix of whole rows.
public struct TensorUpdate: Sendable, Equatable {
  /// The tensor's first dimensions multiplied, and its last; a vector is one row.
  public let rows: Int
  public let columns: Int
  /// What is taken out of the tensor before the first stage; nil: nothing.
  public let decomposition: DecompositionStep?
  /// Done one after another in fp32; the one rounding comes after the last.
  public let stages: [Stage]
  /// Rows that are written over, after everything else, in the order of their rows.
  public let rowReplacements: [RowReplacement]

  /// Deltas that are added together and, with a magnitude, the rescaling of DoRA behind them.
  public struct Stage: Sendable, Equatable {
    /// Added up in this order.
    public let terms: [DeltaTerm]
    public let magnitude: Magnitude?
    /// What PEFT rounds between its steps; nil: nothing is rounded before the end.
    public let intermediate: Intermediate?

    public init(terms: [DeltaTerm], magnitude: Magnitude? = nil, intermediate: Intermediate? = nil) {
      self.terms = terms
      self.magnitude = magnitude
      self.intermediate = intermediate
    }
  }

  /// What the stages start from in place of the tensor W: `round(W - P)` in W's dtype, with P of low rank, a part of a
  /// decomposition of W that only W's data tells.
  ///
  /// Source: PEFT 0.21.2 `LoraLayer.pissa_init`, `LoraLayer.olora_init`, `KasaLinearVariant._truncate_base_weight`.
  public struct DecompositionStep: Sendable, Equatable {
    /// What is taken out: for PiSSA the `rank` largest singular values with their vectors, for KaSA the smallest, for
    /// OLoRA `scaling` times the first columns of Q and rows of R.
    public let change: Decomposition
    /// At least 1 and at most the tensor's rows and columns.
    public let rank: Int
    /// s, not 0. In PiSSA it cancels out but for roundings; KaSA has none.
    public let scaling: Float
    /// Whether PEFT decomposes the transposed tensor: only roundings tell.
    public let isTransposed: Bool

    public init(change: Decomposition, rank: Int, scaling: Float, isTransposed: Bool = false) {
      self.change = change
      self.rank = rank
      self.scaling = scaling
      self.isTransposed = isTransposed
    }
  }

  /// The roundings inside of one of PEFT's steps, for results that equal its own bit for bit; the step's result is
  /// rounded too.
  public struct Intermediate: Sendable, Equatable {
    /// The dtype that is rounded to: the base's.
    public let dtype: DType
    /// Multiplies the sum of the terms, whose own scaling is then 1: the sums of a large rank's blocks are added before.
    public let scaling: Float?
    /// Whether the delta is rounded before it is added.
    public let roundsDelta: Bool

    public init(dtype: DType, scaling: Float? = nil, roundsDelta: Bool = false) {
      self.dtype = dtype
      self.scaling = scaling
      self.roundsDelta = roundsDelta
    }
  }

  /// DoRA: `value = m / n * (value + delta)`, n the norms of `W + delta`, W being the tensor before every stage
  /// and without what ``decomposition`` takes out.
  ///
  /// Source: Liu et al., DoRA, arXiv:2402.09353, equation 5; for several adapters the behaviour of PEFT 0.21.2.
  public struct Magnitude: Sendable, Equatable {
    public enum Axis: Sendable, Equatable {
      /// A magnitude for each row of the tensor, normed along it.
      case rows
      /// A magnitude for each column, normed down it: weights that are stored transposed.
      case columns
    }

    public let axis: Axis
    /// One row of as many values as the tensor has rows or columns.
    public let values: FactorView

    public init(axis: Axis, values: FactorView) {
      self.axis = axis
      self.values = values
    }
  }

  public init(
    rows: Int, columns: Int, decomposition: DecompositionStep? = nil, stages: [Stage],
    rowReplacements: [RowReplacement] = []
  ) {
    self.rows = rows
    self.columns = columns
    self.decomposition = decomposition
    self.stages = stages
    self.rowReplacements = rowReplacements
  }

  public var terms: [DeltaTerm] { stages.flatMap(\.terms) }

  /// A tensor's shape as a matrix: the first dimensions multiplied, and the last; a vector is one row.
  static func matrix(of shape: [Int]) -> (rows: Int, columns: Int) {
    (shape.dropLast().reduce(1, *), shape.last ?? 1)
  }

  /// Nothing but the rounding to another dtype of a tensor of this shape.
  init(roundingOnly shape: [Int]) {
    let (rows, columns) = Self.matrix(of: shape)
    self.init(rows: rows, columns: columns, stages: [])
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
  /// One row, by whose elements the columns of a low-rank term's left factor are multiplied in fp32; nil: by none.
  public let diagonal: FactorView?

  public init(rows: Range<Int>, columns: Range<Int>, kind: Kind, scaling: Float, diagonal: FactorView? = nil) {
    self.rows = rows
    self.columns = columns
    self.kind = kind
    self.scaling = scaling
    self.diagonal = diagonal
  }

  /// The matrices that it reads.
  public var views: [FactorView] {
    switch kind {
    case .lowRank(let left, let right): [left, right] + [diagonal].compactMap { $0 }
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
  /// Which rows and columns have elements, where not all have; the others are 0.
  public let spread: FactorSpread

  public init(
    _ source: MergePlan.Source, rows: Int, columns: Int, offset: Int = 0, rowStride: Int, columnStride: Int,
    spread: FactorSpread = FactorSpread()
  ) {
    self.spread = spread
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
      source, rows: columns, columns: rows, offset: offset, rowStride: columnStride, columnStride: rowStride,
      spread: FactorSpread(rows: spread.columns, columns: spread.rows))
  }
}
