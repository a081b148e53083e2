import Adapters
import CPlainArithmetic
import Checkpoints
import MergePlanning
import Platform
import Safetensors

/// The differences of two models, adapters or files.
public struct ModelDifference: Sendable {
  public struct Options: Sendable {
    /// Whether values are compared; if not, nothing is known about tensors whose headers are equal.
    public var readsData = true
    /// Which of several variants of the weights is compared, as in `Checkpoint`.
    public var variant: String?
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

  public struct Tensor: Sendable, Equatable {
    public let name: TensorName
    /// Nil if one side does not have the tensor.
    public let left: TensorInfo?
    public let right: TensorInfo?
    /// Nil if values were not compared.
    public internal(set) var values: Values?

    /// Whether anything that was compared differs.
    public var isDifferent: Bool {
      left?.dtype != right?.dtype || left?.shape != right?.shape || (values?.changedCount ?? 0) > 0
    }
  }

  /// A key of `__metadata__` with its value on each side, nil if it is missing.
  public struct Metadata: Sendable, Equatable {
    public let key: String
    public let left: String?
    public let right: String?
  }

  /// Every tensor of either side, sorted by name.
  public let tensors: [Tensor]
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
    let one = try Side(left, options)
    let other = try Side(right, options)
    let names = Set(one.places.keys).union(other.places.keys).sorted()
    var tensors = names.map { Tensor(name: $0, left: one.info($0), right: other.info($0), values: nil) }
    if options.readsData { try Self.compare(&tensors, one, other, workers: options.workers) }
    self.tensors = tensors
    comparesValues = options.readsData
    metadata = Self.metadata(one, other)
    folders = try FolderDifference(one.folder, other.folder, comparesFiles: options.readsData)
    hasOtherFiles =
      one.files.map(\.name) != other.files.map(\.name)
      || names.contains { name in
        guard let left = one.places[name], let right = other.places[name] else { return false }
        return one.files[left.file].name != other.files[right.file].name
      }
  }

  /// The weight files of one side.
  struct Side {
    let files: [(name: String, path: String, header: SafetensorsHeader)]
    /// Nil for a single file.
    let folder: String?
    private(set) var places: [TensorName: (file: Int, index: Int)] = [:]
    private let weights: StoredWeights

    init(_ path: String, _ options: Options) throws {
      if ModelFolder(path) == .adapter {
        let name = "adapter_model.safetensors"
        let file = Paths.join(path, name)
        files = [(name, file, try SafetensorsHeader(path: file))]
        folder = path
        weights = .none
      } else {
        let checkpoint = try Checkpoint(path: path, workers: options.workers, variant: options.variant)
        files = checkpoint.files.map { ($0.name, $0.path, $0.header) }
        folder = checkpoint.folder
        weights = StoredWeights(checkpoint)
      }
      for (number, file) in files.enumerated() {
        for index in file.header.tensors.indices { places[file.header.tensors.name(at: index)] = (number, index) }
      }
    }

    /// How to compute with the elements of a tensor; nil if bytes are compared, as for codes of any dtype.
    func type(_ place: (file: Int, index: Int)) -> spa_dtype? {
      if case .codes = weights.role(file: place.file, index: place.index) { return nil }
      return PlainArithmetic.type(files[place.file].header.tensors[place.index].dtype)
    }

    func info(_ name: TensorName) -> TensorInfo? {
      places[name].map { files[$0.file].header.tensors[$0.index] }
    }

    /// The range of the tensor's bytes in its file.
    func range(_ place: (file: Int, index: Int)) -> Range<Int> {
      let header = files[place.file].header
      let offsets = header.tensors.dataOffsets(at: place.index)
      return header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound
    }
  }

  private static func metadata(_ one: Side, _ other: Side) -> [Metadata] {
    func values(_ side: Side) -> [String: String] {
      var values: [String: String] = [:]
      for entry in side.files.flatMap({ $0.header.metadata ?? [] }) {
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
