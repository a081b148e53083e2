import Adapters
import Checkpoints
import Safetensors

/// How two models, adapters or files differ.
public struct ModelDifference: Sendable {
  public struct Options: Sendable {
    /// Whether values are compared.
    public var readsData = false
    /// Threads, at least 1. The result does not depend on it.
    public var workers: Int

    public init(workers: Int) { self.workers = max(1, workers) }
  }

  /// How the values of two tensors of one shape differ.
  public struct Values: Sendable, Equatable {
    public let elementCount: Int
    /// Elements whose values differ, or of which one is NaN and the other is not; of types that are not computed on, those
    /// whose bytes differ.
    public let changedCount: Int
    /// The largest |a - b|; nil where the type is not computed on.
    public let largest: Double?
    /// ||A - B|| / ||A|| in the Frobenius norm, over the elements that are finite in both; nil where ||A|| is 0 or the type
    /// is not computed on.
    public let relativeNorm: Double?

    public var changedShare: Double { elementCount == 0 ? 0 : Double(changedCount) / Double(elementCount) }
  }

  public struct Tensor: Sendable, Equatable {
    public let name: TensorName
    /// Nil where one of the two has no such tensor.
    public let left: TensorInfo?
    public let right: TensorInfo?
    /// Nil where values were not compared.
    public internal(set) var values: Values?

    /// Whether anything differs that was looked at.
    public var isDifferent: Bool {
      left?.dtype != right?.dtype || left?.shape != right?.shape || (values?.changedCount ?? 0) > 0
    }
  }

  /// A key of `__metadata__` with its value in each, nil where it is absent.
  public struct Metadata: Sendable, Equatable {
    public let key: String
    public let left: String?
    public let right: String?
  }

  /// Every tensor of either, in the order of their names' bytes.
  public let tensors: [Tensor]
  /// Keys that differ.
  public let metadata: [Metadata]
  /// Whether a tensor is in a file of another name, or there are other files.
  public let hasOtherFiles: Bool

  /// Whether tensors or metadata differ; how they are split into files is no difference.
  public var isDifferent: Bool { !metadata.isEmpty || tensors.contains(where: \.isDifferent) }

  /// Compares what is at two paths: safetensors files, models, adapters.
  ///
  /// - Throws: What opening them throws; ``SafetensorsError`` where data cannot be read or changes meanwhile.
  public init(_ left: String, _ right: String, options: Options) throws {
    let one = try Side(left)
    let other = try Side(right)
    let names = Set(one.places.keys).union(other.places.keys).sorted()
    var tensors = names.map { Tensor(name: $0, left: one.info($0), right: other.info($0), values: nil) }
    if options.readsData { try Self.compare(&tensors, one, other, workers: options.workers) }
    self.tensors = tensors
    metadata = Self.metadata(one, other)
    hasOtherFiles =
      one.files.map(\.name) != other.files.map(\.name)
      || names.contains { name in
        guard let left = one.places[name], let right = other.places[name] else { return false }
        return one.files[left.file].name != other.files[right.file].name
      }
  }

  /// The weight files of one path.
  struct Side {
    let files: [(name: String, path: String, header: SafetensorsHeader)]
    private(set) var places: [TensorName: (file: Int, index: Int)] = [:]

    init(_ path: String) throws {
      if ModelFolder(path) == .adapter {
        let name = "adapter_model.safetensors"
        let weights = Paths.join(path, name)
        files = [(name, weights, try SafetensorsHeader(path: weights))]
      } else {
        files = try Checkpoint(path: path).files.map { ($0.name, $0.path, $0.header) }
      }
      for (number, file) in files.enumerated() {
        for index in file.header.tensors.indices { places[file.header.tensors.name(at: index)] = (number, index) }
      }
    }

    func info(_ name: TensorName) -> TensorInfo? {
      places[name].map { files[$0.file].header.tensors[$0.index] }
    }

    /// Where the tensor's bytes are in its file.
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

  // MARK: - Values

  private struct Sums {
    var changed = 0
    var largest = 0.0
    var differenceSquares = 0.0
    var leftSquares = 0.0

    mutating func add(_ other: Sums) {
      changed += other.changed
      largest = max(largest, other.largest)
      differenceSquares += other.differenceSquares
      leftSquares += other.leftSquares
    }
  }

  private static let pieceElementCount = 1 << 20

  private static func compare(_ tensors: inout [Tensor], _ one: Side, _ other: Side, workers: Int) throws {
    let open = OpenFiles(
      (one.files + other.files).map { ($0.path, $0.header.identity) })
    var pieces: [(tensor: Int, elements: Range<Int>)] = []
    for (number, tensor) in tensors.enumerated() {
      guard let left = tensor.left, let right = tensor.right, left.shape == right.shape else { continue }
      guard areComparable(left.dtype, right.dtype) else { continue }
      let count = left.elementCount
      if count == 0 { pieces.append((number, 0..<0)) }
      for start in stride(from: 0, to: count, by: pieceElementCount) {
        pieces.append((number, start..<min(start + pieceElementCount, count)))
      }
    }
    let found = ResultStore<Sums>(count: pieces.count)
    let (compared, firstOther) = (tensors, one.files.count)
    try concurrently(pieces.count, workers: workers) { [pieces] number in
      let piece = pieces[number]
      let name = compared[piece.tensor].name
      guard let left = one.places[name], let right = other.places[name] else { return }
      found.set(
        number,
        try sums(
          piece.elements, open, (left.file, one.range(left), compared[piece.tensor].left?.dtype ?? .u8),
          (firstOther + right.file, other.range(right), compared[piece.tensor].right?.dtype ?? .u8)))
    }
    try open.checkUnchanged()
    // In the order of the pieces, so that the sums do not depend on the threads.
    var totals: [Int: Sums] = [:]
    for (piece, sums) in zip(pieces, found.values) {
      totals[piece.tensor, default: Sums()].add(sums)
    }
    for (number, sums) in totals {
      guard let left = tensors[number].left, let right = tensors[number].right else { continue }
      let isNumber = PlainArithmetic.type(left.dtype) != nil && PlainArithmetic.type(right.dtype) != nil
      tensors[number].values = Values(
        elementCount: left.elementCount, changedCount: sums.changed, largest: isNumber ? sums.largest : nil,
        relativeNorm: isNumber && sums.leftSquares > 0
          ? sums.differenceSquares.squareRoot() / sums.leftSquares.squareRoot() : nil)
    }
  }

  private static func areComparable(_ one: DType, _ other: DType) -> Bool {
    one == other || (PlainArithmetic.type(one) != nil && PlainArithmetic.type(other) != nil)
  }

  private static func sums(
    _ elements: Range<Int>, _ files: OpenFiles, _ left: (file: Int, range: Range<Int>, dtype: DType),
    _ right: (file: Int, range: Range<Int>, dtype: DType)
  ) throws(SafetensorsError) -> Sums {
    var (one, other): ([UInt8], [UInt8]) = ([], [])
    func bytes(_ range: Range<Int>, _ dtype: DType) -> Range<Int> {
      // Pieces begin at bytes: their length is a multiple of 8 elements.
      let start = range.lowerBound + elements.lowerBound * dtype.bitCount / 8
      return start..<start + (elements.count * dtype.bitCount + 7) / 8
    }
    try files.read(left.file, bytes(left.range, left.dtype), into: &one)
    try files.read(right.file, bytes(right.range, right.dtype), into: &other)
    var sums = Sums()
    let byteCount = (elements.count * left.dtype.bitCount + 7) / 8
    if left.dtype == right.dtype, PlainArithmetic.type(left.dtype) == nil {
      guard !PlainArithmetic.areEqual(one, other, count: byteCount) else { return sums }
      let size = max(1, left.dtype.bitCount / 8)
      for place in stride(from: 0, to: byteCount, by: size)
      where one[place..<min(place + size, byteCount)] != other[place..<min(place + size, byteCount)] {
        sums.changed += 1
      }
      return sums
    }
    guard let leftType = PlainArithmetic.type(left.dtype), let rightType = PlainArithmetic.type(right.dtype) else {
      return sums
    }
    let found = PlainArithmetic.difference(one, leftType, other, rightType, count: elements.count)
    sums.changed = Int(found.changed)
    sums.largest = found.largest
    sums.differenceSquares = found.difference_squares
    sums.leftSquares = found.left_squares
    return sums
  }
}
