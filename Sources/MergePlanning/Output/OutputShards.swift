import Adapters
import Checkpoints
import JSONText
import Safetensors

/// Divides the output among files: the base's with their names, or others of the sizes that are asked for, which hold the
/// tensors in the base's order.
struct OutputShards {
  private let inputs: MergeInputs
  private let dequantized: DequantizedWeights
  private(set) var shards: [MergePlan.Shard] = []
  private(set) var warnings: [String] = []

  /// - Parameter files: The output's tensors by the base's file.
  /// - Throws: `SafetensorsError` if a header would be too large.
  init(_ inputs: MergeInputs, _ files: [[OutputTensor]], dequantized: DequantizedWeights) throws {
    self.inputs = inputs
    self.dequantized = dequantized
    shards = try inputs.fileSizes == .asBase ? asBase(files) : divided(Array(files.joined()))
  }

  private func asBase(_ files: [[OutputTensor]]) throws -> [MergePlan.Shard] {
    try zip(inputs.base.files, files).map { file, tensors in
      // The data keeps its place in the blocks of the file, so that what is not changed can be shared with the base.
      let metadata = metadata(dequantized.metadata(file.header.metadata ?? []), of: tensors)
      return try Self.shard(file.name, metadata, tensors, path: file.path, named: file.ownName) { _ in
        file.header.dataStart
      }
    }
  }

  private mutating func divided(_ all: [OutputTensor]) throws -> [MergePlan.Shard] {
    var groups = [Array(all.indices)]
    if case .atMost(let limit) = inputs.fileSizes {
      groups = ShardingPolicy.groups(try all.map { try Self.encoded($0).byteCount }, limit: limit)
    }
    let metadata = metadata(dequantized.metadata(commonMetadata()), of: all)
    return try groups.enumerated().map { number, places in
      let tensors = try Self.aligned(places.map { all[$0] })
      return try Self.shard(
        ShardingPolicy.name(stem, number, of: groups.count), metadata, tensors, path: inputs.base.path, named: { $0 }
      ) { Self.phase(tensors, dataOffsets: $0) }
    }
  }

  // MARK: - Names

  /// What weight files and index are called, without their endings: as in the base, if that is a folder.
  private var stem: String {
    let (name, endings): (String, [String]) =
      switch inputs.base.layout {
      case .singleFile, .pipeline: ("model", [])
      case .folder: (inputs.base.files.first?.name ?? "model", [".safetensors"])
      case .shardedFolder(let indexName): (indexName, [".index.json", ".safetensors"])
      }
    return endings.reduce(name) { name, ending in
      name.hasSuffix(ending) ? String(name.dropLast(ending.count)) : name
    }
  }

  /// Where the index is, or would be.
  var indexName: String {
    if case .shardedFolder(let name) = inputs.base.layout { return name }
    return stem + ".safetensors.index.json"
  }

  /// The name under which a model of these files is opened.
  var mainName: String { shards.count == 1 ? shards[0].name : indexName }

  // MARK: - One file

  private static func encoded(
    _ tensor: OutputTensor, named name: TensorName? = nil
  ) throws(SafetensorsError) -> HeaderEncoder.Tensor {
    try HeaderEncoder.Tensor(name: name ?? tensor.name, dtype: tensor.dtype, shape: tensor.shape)
  }

  /// - Parameters:
  ///   - path: Named if the header would be too large.
  ///   - named: The name that a tensor has in the file; in the plan a part of a pipeline is before it.
  ///   - phase: Where the data should start, modulo a block, by the offsets of the tensors in the data.
  private static func shard(
    _ name: String, _ metadata: [SafetensorsHeader.MetadataEntry], _ tensors: [OutputTensor], path: String,
    named: (TensorName) -> TensorName, phase: ([Range<Int>]) -> Int?
  ) throws -> MergePlan.Shard {
    let entries = try tensors.map { try encoded($0, named: named($0.name)) }
    var offsets: [Range<Int>] = []
    for entry in entries {
      let start = offsets.last?.upperBound ?? 0
      offsets.append(start..<start + entry.byteCount)
    }
    let header = try HeaderEncoder(path: path, metadata: metadata, tensors: entries, phase: phase(offsets))
    let placed = zip(tensors, header.dataOffsets).map { output, range in
      MergePlan.Tensor(
        name: output.name, shape: output.shape, outputDType: output.dtype,
        outputRange: header.bytes.count + range.lowerBound..<header.bytes.count + range.upperBound,
        content: output.content)
    }
    return MergePlan.Shard(
      name: name, headerBytes: header.bytes, metadata: metadata, fileByteCount: header.fileByteCount, tensors: placed)
  }

  /// Tensors of several files behind one another: in their order, or, if an element would lie on no multiple of its size,
  /// with the widest dtypes first, as safetensors writes them.
  private static func aligned(_ tensors: [OutputTensor]) throws(SafetensorsError) -> [OutputTensor] {
    var end = 0
    for tensor in tensors {
      guard end % max(1, tensor.dtype.bitCount / 8) == 0 else {
        let places = tensors.indices.sorted {
          (-tensors[$0].dtype.bitCount, $0) < (-tensors[$1].dtype.bitCount, $1)
        }
        return places.map { tensors[$0] }
      }
      end += try encoded(tensor).byteCount
    }
    return tensors
  }

  /// Where the data should start so that as much as can be of what is copied has the place in its block that it has in the
  /// base; nil: nothing is copied.
  private static func phase(_ tensors: [OutputTensor], dataOffsets: [Range<Int>]) -> Int? {
    let block = HeaderEncoder.blockByteCount
    var copied: [Int: Int] = [:]
    for (tensor, range) in zip(tensors, dataOffsets) {
      guard case .copied(let source) = tensor.content, source.dtype == tensor.dtype else { continue }
      let phase = (source.range.lowerBound - range.lowerBound) % block
      copied[phase < 0 ? phase + block : phase, default: 0] += range.count
    }
    return copied.filter { $0.key % 8 == 0 }.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key
  }

  // MARK: - Metadata

  /// A file's metadata as it is true of these tensors.
  private func metadata(
    _ own: [SafetensorsHeader.MetadataEntry], of tensors: [OutputTensor]
  ) -> [SafetensorsHeader.MetadataEntry] {
    let isChanged = tensors.contains { if case .computed = $0.content { true } else { false } }
    let origin =
      inputs.options.origin
      ?? ResultOrigin(adapters: inputs.adapters.map { OutputMetadata.title(ofAdapter: $0.adapter.path) })
    return OutputMetadata.metadata(own, isChanged: isChanged, origin: origin)
  }

  /// The metadata of files that no file of the base corresponds to: what no two of the base's files say differently.
  private mutating func commonMetadata() -> [SafetensorsHeader.MetadataEntry] {
    var order: [String] = []
    var values: [TensorName: Set<TensorName>] = [:]
    for entry in inputs.base.files.flatMap({ $0.header.metadata ?? [] }) {
      if values[TensorName(entry.key)] == nil { order.append(entry.key) }
      values[TensorName(entry.key), default: []].insert(TensorName(entry.value))
    }
    let differing = order.filter { (values[TensorName($0)]?.count ?? 0) > 1 }
    if !differing.isEmpty {
      warnings.append(
        "\(inputs.base.path): its files have different metadata under \(differing.joined(separator: ", ")), which is "
          + "dropped")
    }
    return order.compactMap { key in
      guard let found = values[TensorName(key)], found.count == 1, let value = found.first else { return nil }
      return .init(key: key, value: value.string)
    }
  }
}
