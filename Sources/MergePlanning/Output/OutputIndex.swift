import Checkpoints
import JSONText
import Safetensors

/// The indexes of the output's weight files: one, or one per part of a pipeline.
struct OutputIndex {
  let inputs: MergeInputs
  let updates: [TensorName: PendingUpdate]

  /// The index of several files, and of one where the base has one; its metadata is the base's with the sizes set.
  func texts(of output: OutputShards) -> [MergePlan.TextFile] {
    let base = inputs.base
    if base.layout == .pipeline {
      return base.parts.compactMap { part in
        guard let index = part.index, let name = part.indexName else { return nil }
        // Shards are in the order of the base's files.
        return text(name, index, shards: output.shards[part.files], files: part.files, prefix: part.prefix)
      }
    }
    let isDivided = inputs.fileSizes != .asBase
    guard isDivided ? output.shards.count > 1 : base.index != nil else { return [] }
    return [text(output.indexName, base.index, shards: output.shards[...], files: base.files.indices, prefix: "")]
  }

  /// - Parameters:
  ///   - index: The base's.
  ///   - shards: The files that it lists.
  ///   - files: The base's files that it listed.
  ///   - prefix: What names of files and tensors have in the program and not in the index.
  private func text(
    _ name: String, _ index: CheckpointIndex?, shards: ArraySlice<MergePlan.Shard>, files: Range<Int>, prefix: String
  ) -> MergePlan.TextFile {
    var totalSize = 0
    var parameters = 0
    var weightMap: [(tensor: TensorName, shardName: String)] = []
    for shard in shards {
      for tensor in shard.tensors {
        totalSize += tensor.outputRange.count
        parameters &+= parameterCount(tensor)
        let own = prefix.isEmpty ? tensor.name : TensorName(Self.without(prefix, tensor.name.string))
        weightMap.append((own, Self.without(prefix, shard.name)))
      }
    }
    // Codes count as the numbers that they stand for, decoded or not, and scales not at all.
    var before = 0
    for entry in inputs.baseTensors.files[files].joined() where entry.owner == nil {
      before &+= entry.info.elementCount
    }
    var metadata = (index?.metadata ?? []).map { member in
      guard member.key == "total_parameters", case .integer(let count) = member.value else { return member }
      return JSONMember(key: member.key, value: .integer(count + Int64(parameters - before)))
    }
    if inputs.fileSizes != .asBase, !metadata.contains(where: { $0.key == "total_parameters" }) {
      metadata.append(JSONMember(key: "total_parameters", value: .integer(Int64(parameters))))
    }
    return MergePlan.TextFile(
      name: name, text: CheckpointIndex.text(metadata: metadata, totalSize: totalSize, weightMap: weightMap))
  }

  private static func without(_ prefix: String, _ text: String) -> String {
    text.utf8.starts(with: prefix.utf8) ? String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self) : text
  }

  /// The numbers that a tensor of the output stands for: of codes that stay, those; of their scales none.
  private func parameterCount(_ tensor: MergePlan.Tensor) -> Int {
    switch tensor.content {
    case .computed(_, let update, .requantized(let requantized)):
      return requantized.part == .codes ? update.rows &* update.columns : 0
    case .computed(.codes, _, .numbers): return tensor.shape.reduce(1, &*)
    case .computed, .copied: break
    }
    if !inputs.quantized.groups.isEmpty, let location = inputs.base.location(of: tensor.name) {
      if let group = inputs.quantized.group(at: location), updates[group.name] == nil {
        return group.shape.reduce(1, &*)
      }
      if inputs.quantized.owner(at: location) != nil { return 0 }
    }
    return tensor.shape.reduce(1, &*)
  }
}
