import Checkpoints
import Platform
import Safetensors
import Staging

/// The differences of two models, adapters or files.
public struct ModelDifference: Sendable {
  public struct Options: Sendable {
    /// Whether values are compared; if not, nothing is known about tensors whose headers are equal.
    public var readsData = true
    /// Which of several variants of the weights is compared of the left and of the right, as in `Checkpoint`.
    public var variants: (left: String?, right: String?)
    /// Threads, at least 1. The result does not depend on it.
    public var workers: Int

    public init(workers: Int) { self.workers = max(1, workers) }
  }

  /// The differences of the values of two tensors of one shape.
  public struct Values: Sendable, Equatable {
    public let elementCount: Int
    /// Elements whose values differ, or of which one is NaN and the other is not; for types without arithmetic, those
    /// whose bytes differ.
    public let changedCount: Int
    /// The largest |a - b|; nil for types without arithmetic.
    public let largest: Double?
    /// ||A - B|| / ||A|| in the Frobenius norm, over the elements that are finite in both; 0 where no value differs,
    /// nil if ||A|| is 0 or for types without arithmetic.
    public let relativeNorm: Double?
    /// Whether bytes differ: also where values are equal, by the signs of zeros, the payloads of NaNs or the dtype.
    public let hasOtherBytes: Bool

    public var changedShare: Double { elementCount == 0 ? 0 : Double(changedCount) / Double(elementCount) }
  }

  /// What is compared of one side: a tensor, or rows of one where the other side has them in a tensor of their own.
  public struct Part: Sendable, Equatable {
    /// The tensor's name.
    public let name: TensorName
    public let dtype: DType
    /// Of what is compared.
    public let shape: [Int]
    /// Rows of the tensor's first dimension, in the order in which they are compared; nil: the whole tensor as it is.
    public let rows: [Range<Int>]?
    /// Whether rows and columns are exchanged.
    public let isTransposed: Bool

    /// How many elements are compared.
    public var elementCount: Int { shape.contains(0) ? 0 : shape.reduce(1, *) }

    init(_ tensor: TensorInfo) {
      self.init(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, rows: nil, isTransposed: false)
    }

    init(name: TensorName, dtype: DType, shape: [Int], rows: [Range<Int>]?, isTransposed: Bool) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
      self.rows = rows
      self.isTransposed = isTransposed
    }
  }

  /// A tensor of either side, or a parameter that both have, if under other names or in parts of other tensors.
  public struct Tensor: Sendable, Equatable {
    /// Nil if one side does not have the tensor.
    public let left: Part?
    public let right: Part?
    /// Nil if values were not compared.
    public internal(set) var values: Values?

    /// The name on the left, or on the right of what only that side has.
    public var name: TensorName { left?.name ?? right?.name ?? "" }

    /// Whether the sides have it under other names, or one has it as a part of a tensor.
    public var isRespelled: Bool {
      guard let left, let right else { return false }
      return left.name != right.name || left.rows != right.rows || left.isTransposed != right.isTransposed
    }

    /// Whether anything that was compared differs.
    public var isDifferent: Bool {
      left?.dtype != right?.dtype || left?.shape != right?.shape || (values?.changedCount ?? 0) > 0
    }
  }

  /// How two image models are named.
  public struct Spelling: Sendable, Equatable {
    /// The models that both have, such as the diffusion model and a text encoder, by the beginnings of their names.
    public struct Match: Sendable, Equatable {
      /// Such as `FLUX.1`; nil: of a text encoder, or not known.
      public let architecture: String?
      /// What the names of its tensors begin with, such as `model.diffusion_model.` or `unet/`; may be empty.
      public let left: String
      public let right: String
    }

    public let matches: [Match]
    /// Models on the left that may be several on the right, or the other way around, by the beginnings of their names. They are
    /// compared by name alone.
    public let ambiguousLeft: [String]
    public let ambiguousRight: [String]
  }

  /// A key of `__metadata__` with its value on each side, nil if it is missing.
  public struct Metadata: Sendable, Equatable {
    public let key: String
    public let left: String?
    public let right: String?
  }

  /// Every tensor of either side, sorted by name. Of a tensor that the other side has in several, every part is one.
  public let tensors: [Tensor]
  /// What is known of two image models that name their tensors in different ways; nil: names alone were compared.
  public let spelling: Spelling?
  /// Keys that differ.
  public let metadata: [Metadata]
  /// Whether tensors are distributed differently among files, or file names differ.
  public let hasOtherFiles: Bool
  /// How the two folders differ apart from the weights.
  public let folders: FolderDifference
  /// Whether values were compared.
  public let comparesValues: Bool

  /// Whether tensors, metadata or the configuration differ, as far as they were compared. Sharding does not count as a
  /// difference.
  public var hasDifference: Bool {
    !metadata.isEmpty || folders.hasDifference || tensors.contains(where: \.isDifferent)
  }

  /// Whether the two are different; nil if no difference was found but values were not compared.
  public var isDifferent: Bool? { hasDifference ? true : comparesValues ? false : nil }

  /// Compares two paths: safetensors files, models or adapters.
  ///
  /// - Throws: What opening them throws; `SafetensorsError` where data cannot be read or changes meanwhile.
  public init(_ left: String, _ right: String, options: Options) throws {
    let one = try DifferenceSide(left, variant: options.variants.left, workers: options.workers)
    let other = try DifferenceSide(right, variant: options.variants.right, workers: options.workers)
    let matching = TensorMatching(one, other)
    var tensors = matching.tensors
    spelling = matching.spelling
    if options.readsData { try Self.compare(&tensors, one, other, workers: options.workers) }
    self.tensors = tensors
    comparesValues = options.readsData
    metadata = Self.metadata(one, other)
    folders = try FolderDifference(one.folder, other.folder, comparesFiles: options.readsData)
    hasOtherFiles =
      one.files.map(\.name) != other.files.map(\.name)
      || one.places.contains { name, left in
        guard let right = other.places[name] else { return false }
        return one.files[left.file].name != other.files[right.file].name
      }
  }

  private static func metadata(_ one: DifferenceSide, _ other: DifferenceSide) -> [Metadata] {
    func values(_ side: DifferenceSide) -> [String: String] {
      var values: [String: String] = [:]
      // How a model came to be is no difference of what it is: folders have it in .safemerge.json.
      for entry in side.files.flatMap({ $0.header.metadata ?? [] }) where entry.key != FileProvenance.metadataKey {
        values[entry.key] = values[entry.key] ?? entry.value
      }
      return values
    }
    let (left, right) = (values(one), values(other))
    return Set(left.keys).union(right.keys).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .filter { left[$0] != right[$0] }
      .map { Metadata(key: $0, left: left[$0], right: right[$0]) }
  }
}
