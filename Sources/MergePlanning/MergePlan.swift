import Checkpoints
import Safetensors

/// What a merge will do: for every tensor of the output whether it is copied or updated, by what, and where its bytes go.
///
/// Made from headers alone. Tensors are addressed by file, byte offset and strides from here on; names stay for messages.
public struct MergePlan: Sendable, Equatable {
  /// A file that the merge reads.
  public struct Input: Sendable, Equatable {
    public let path: String
    package let identity: SystemCalls.Identity
  }

  /// How one module of an adapter meets the base.
  public struct Module: Sendable, Equatable {
    /// The module's path as the adapter has it, without `base_model.model.`.
    public let name: String
    /// The place of the adapter in the request.
    public let adapter: Int
    public let rank: Int
    public let alpha: Double
    /// alpha / r, or alpha / sqrt(r), times the adapter's weight.
    public let scaling: Double
    /// The base tensors that it changes.
    public let targets: [TensorName]
  }

  /// What a merge writes for one weight file of the base.
  public struct Shard: Sendable, Equatable {
    /// Relative to the output's folder.
    public let name: String
    /// The place in ``inputs`` of the base's file.
    public let source: Int
    /// N and the header's JSON text.
    public let headerBytes: [UInt8]
    public let fileByteCount: Int
    /// In the order of their data.
    public let tensors: [Tensor]
  }

  /// One tensor of the output.
  public struct Tensor: Sendable, Equatable {
    public let name: TensorName
    public let shape: [Int]
    public let sourceDType: DType
    public let outputDType: DType
    /// Where its bytes are in the base's file and in the output, counted from the start of the file.
    public let sourceRange: Range<Int>
    public let outputRange: Range<Int>
    /// Nil: the bytes are copied.
    public let update: TensorUpdate?
  }

  public let inputs: [Input]
  public let modules: [Module]
  /// In the order of the base's files.
  public let shards: [Shard]
  /// The text of the output's index and its name; nil where the output has none.
  public let index: IndexFile?
  /// What a person should know before the merge.
  public let warnings: [String]

  public struct IndexFile: Sendable, Equatable {
    public let name: String
    public let text: [UInt8]
  }

  public var tensorCount: Int { shards.reduce(0) { $0 + $1.tensors.count } }
  public var outputByteCount: Int { shards.reduce(0) { $0 + $1.fileByteCount } }
  public var updatedTensors: some Sequence<Tensor> { shards.lazy.flatMap(\.tensors).filter { $0.update != nil } }
}

/// What is done to one tensor, seen as a matrix of whole rows.
public struct TensorUpdate: Sendable, Equatable {
  /// The tensor's first dimensions multiplied, and its last; a vector is one row.
  public let rows: Int
  public let columns: Int
  /// Added up in this order before the one rounding.
  public let terms: [DeltaTerm]

  public init(rows: Int, columns: Int, terms: [DeltaTerm]) {
    self.rows = rows
    self.columns = columns
    self.terms = terms
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
    /// `scaling * values`, element by element: `values` is one row of the tensor's columns.
    case scaled(values: FactorView)
  }

  /// The rows and columns of the tensor that it is added to.
  public let rows: Range<Int>
  public let columns: Range<Int>
  public let kind: Kind
  /// Computed in double, rounded once.
  public let scaling: Float
}

/// A matrix inside a file: element (m, n) stands `offset + (m * rowStride + n * columnStride) * size` bytes into it.
public struct FactorView: Sendable, Equatable {
  /// The place of the file in ``MergePlan/inputs``.
  public let input: Int
  /// F32, F16 or BF16.
  public let dtype: DType
  /// The bytes of the whole tensor in its file.
  public let range: Range<Int>
  public let rows: Int
  public let columns: Int
  /// In elements.
  public let rowStride: Int
  public let columnStride: Int

  public init(
    input: Int, dtype: DType, range: Range<Int>, rows: Int, columns: Int, rowStride: Int, columnStride: Int
  ) {
    self.input = input
    self.dtype = dtype
    self.range = range
    self.rows = rows
    self.columns = columns
    self.rowStride = rowStride
    self.columnStride = columnStride
  }
}
