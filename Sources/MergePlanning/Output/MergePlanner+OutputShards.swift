import Checkpoints
import JSONText
import Safetensors

extension MergePlanner {
  /// How the result is divided; a base of one file is one file already.
  var fileSizes: ShardingPolicy {
    if case .shardedFolder = base.layout { return options.fileSizes }
    return options.fileSizes == .single ? .asBase : options.fileSizes
  }

  /// Divides the output among files: the base's with their names, or others of the sizes that are asked for, over which the
  /// tensors go on in the base's order.
  ///
  /// - Parameters:
  ///   - decoded: The quantized weights that are written as numbers.
  ///   - requantized: Those that are merged and written as codes.
  ///   - trained: Those that are quantized as in training first.
  func shards(
    decoded: Set<TensorName>, requantized: [TensorName: QuantizedTensor], trained: QLoRAWeights,
    _ warnings: inout [String]
  ) throws -> [MergePlan.Shard] {
    let files = try base.files.indices.map {
      try tensors(ofFile: $0, decoded: decoded, requantized: requantized, trained: trained)
    }
    guard fileSizes != .asBase else {
      return try zip(base.files, files).map { file, tensors in
        // The data keeps its place in the blocks of the file, so that what is not changed can be shared with the base.
        let metadata = withFormat(withNumbers(file.header.metadata ?? [], decoded: decoded))
        return try shard(file.name, metadata, tensors, path: file.path) { _ in file.header.dataStart }
      }
    }
    let all = Array(files.joined())
    var groups = [Array(all.indices)]
    if case .atMost(let limit) = fileSizes {
      groups = ShardingPolicy.groups(try all.map { try Self.encoded($0).byteCount }, limit: limit)
    }
    let metadata = withFormat(withNumbers(commonMetadata(&warnings), decoded: decoded))
    return try groups.enumerated().map { number, places in
      let tensors = try Self.aligned(places.map { all[$0] })
      return try shard(ShardingPolicy.name(stem, number, of: groups.count), metadata, tensors, path: base.path) {
        phase(tensors, dataOffsets: $0)
      }
    }
  }

  /// What weight files and index are called, without their endings: as in the base, if that is a folder.
  private var stem: String {
    let (name, endings): (String, [String]) =
      switch base.layout {
      case .singleFile: ("model", [])
      case .folder: (base.files.first?.name ?? "model", [".safetensors"])
      case .shardedFolder(let indexName): (indexName, [".index.json", ".safetensors"])
      }
    return endings.reduce(name) { name, ending in
      name.hasSuffix(ending) ? String(name.dropLast(ending.count)) : name
    }
  }

  /// Where the index is, or would be.
  var indexName: String {
    if case .shardedFolder(let name) = base.layout { return name }
    return stem + ".safetensors.index.json"
  }

  /// The name under which a model of these files is opened.
  private func mainName(_ shards: [MergePlan.Shard]) -> String { shards.count == 1 ? shards[0].name : indexName }

  /// The change of config.json where that says which file has the weights, and they are in another now.
  func weightsEdit(_ shards: [MergePlan.Shard]) -> ConfigEdit? {
    guard fileSizes != .asBase, case .string(let name)? = base.config?["transformers_weights"],
      name != mainName(shards)
    else { return nil }
    return .weights(mainName(shards))
  }

  // MARK: - One file

  private static func encoded(_ tensor: OutputTensor) throws(SafetensorsError) -> HeaderEncoder.Tensor {
    try HeaderEncoder.Tensor(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape)
  }

  /// - Parameters:
  ///   - path: Named if the header would be too large.
  ///   - phase: Where the data should start, modulo a block, by the offsets of the tensors in the data.
  private func shard(
    _ name: String, _ metadata: [SafetensorsHeader.MetadataEntry], _ tensors: [OutputTensor], path: String,
    phase: ([Range<Int>]) -> Int?
  ) throws -> MergePlan.Shard {
    let entries = try tensors.map { try Self.encoded($0) }
    var offsets: [Range<Int>] = []
    for entry in entries {
      let start = offsets.last?.upperBound ?? 0
      offsets.append(start..<start + entry.byteCount)
    }
    let header = try HeaderEncoder(path: path, metadata: metadata, tensors: entries, phase: phase(offsets))
    let placed = zip(tensors, header.dataOffsets).map { output, range in
      MergePlan.Tensor(
        name: output.name, shape: output.shape, source: output.source, outputDType: output.dtype,
        outputRange: header.bytes.count + range.lowerBound..<header.bytes.count + range.upperBound,
        update: update(of: output), quantized: output.quantized, requantized: output.requantized?.1,
        qloraQuantization: output.qloraQuantization)
    }
    return MergePlan.Shard(
      name: name, headerBytes: header.bytes, fileByteCount: header.fileByteCount, tensors: placed)
  }

  private func update(of output: OutputTensor) -> TensorUpdate? {
    if let weight = output.requantized?.weight, let group = quantized.groups[weight] {
      return update(weight, shape: group.shape, from: .f32, to: .f32, isDecoded: true)
    }
    return update(
      output.name, shape: output.shape, from: output.quantized?.dtype ?? output.source.dtype, to: output.dtype,
      isDecoded: output.quantized != nil || output.qloraQuantization != nil)
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
  private func phase(_ tensors: [OutputTensor], dataOffsets: [Range<Int>]) -> Int? {
    let block = HeaderEncoder.blockByteCount
    var copied: [Int: Int] = [:]
    for (tensor, range) in zip(tensors, dataOffsets) {
      guard tensor.dtype == tensor.source.dtype, tensor.quantized == nil, tensor.qloraQuantization == nil,
        works[tensor.name].map({ $0.steps.isEmpty && $0.rows.isEmpty }) ?? true
      else { continue }
      let phase = (tensor.source.range.lowerBound - range.lowerBound) % block
      copied[phase < 0 ? phase + block : phase, default: 0] += range.count
    }
    return copied.filter { $0.key % 8 == 0 }.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key
  }

  /// Metadata with `format: pt` added where it is missing: transformers up to 4.41 cannot load without.
  private func withFormat(_ own: [SafetensorsHeader.MetadataEntry]) -> [SafetensorsHeader.MetadataEntry] {
    own.contains { $0.key == "format" } ? own : own + [.init(key: "format", value: "pt")]
  }

  /// The metadata of files that no file of the base corresponds to: what no two of the base's files say differently.
  private func commonMetadata(_ warnings: inout [String]) -> [SafetensorsHeader.MetadataEntry] {
    var order: [String] = []
    var values: [TensorName: Set<TensorName>] = [:]
    for entry in base.files.flatMap({ $0.header.metadata ?? [] }) {
      if values[TensorName(entry.key)] == nil { order.append(entry.key) }
      values[TensorName(entry.key), default: []].insert(TensorName(entry.value))
    }
    let differing = order.filter { (values[TensorName($0)]?.count ?? 0) > 1 }
    if !differing.isEmpty {
      warnings.append(
        "\(base.path): its files have different metadata under \(differing.joined(separator: ", ")), which is left out")
    }
    return order.compactMap { key in
      guard let found = values[TensorName(key)], found.count == 1, let value = found.first else { return nil }
      return .init(key: key, value: value.string)
    }
  }

  // MARK: - The index

  /// The index of several files, and of one where the base has one; its metadata is the base's with the sizes set.
  func indexText(_ shards: [MergePlan.Shard]) -> MergePlan.TextFile? {
    if fileSizes == .asBase {
      guard base.index != nil else { return nil }
    } else {
      guard shards.count > 1 else { return nil }
    }
    var totalSize = 0
    var parameters = 0
    var weightMap: [(tensor: TensorName, shardName: String)] = []
    for shard in shards {
      for tensor in shard.tensors {
        totalSize += tensor.outputRange.count
        parameters &+= parameterCount(tensor)
        weightMap.append((tensor.name, shard.name))
      }
    }
    // Codes count as the numbers that they stand for, decoded or not, and scales not at all.
    var before = 0
    for entry in baseTensors.files.joined() where entry.owner == nil { before &+= entry.info.elementCount }
    var metadata = (base.index?.metadata ?? []).map { member in
      guard member.key == "total_parameters", case .integer(let count) = member.value else { return member }
      return JSONMember(key: member.key, value: .integer(count + Int64(parameters - before)))
    }
    if fileSizes != .asBase, !metadata.contains(where: { $0.key == "total_parameters" }) {
      metadata.append(JSONMember(key: "total_parameters", value: .integer(Int64(parameters))))
    }
    return MergePlan.TextFile(
      name: indexName, text: CheckpointIndex.text(metadata: metadata, totalSize: totalSize, weightMap: weightMap))
  }
}
