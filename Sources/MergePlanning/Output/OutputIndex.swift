import Checkpoints
import JSONText
import Safetensors

/// The index of the output's weight files.
struct OutputIndex {
  let inputs: MergeInputs
  let updates: [TensorName: PendingUpdate]

  /// The index of several files, and of one where the base has one; its metadata is the base's with the sizes set.
  func text(of output: OutputShards) -> MergePlan.TextFile? {
    let (base, isDivided) = (inputs.base, inputs.fileSizes != .asBase)
    if isDivided {
      guard output.shards.count > 1 else { return nil }
    } else {
      guard base.index != nil else { return nil }
    }
    var totalSize = 0
    var parameters = 0
    var weightMap: [(tensor: TensorName, shardName: String)] = []
    for shard in output.shards {
      for tensor in shard.tensors {
        totalSize += tensor.outputRange.count
        parameters &+= parameterCount(tensor)
        weightMap.append((tensor.name, shard.name))
      }
    }
    // Codes count as the numbers that they stand for, decoded or not, and scales not at all.
    var before = 0
    for entry in inputs.baseTensors.files.joined() where entry.owner == nil { before &+= entry.info.elementCount }
    var metadata = (base.index?.metadata ?? []).map { member in
      guard member.key == "total_parameters", case .integer(let count) = member.value else { return member }
      return JSONMember(key: member.key, value: .integer(count + Int64(parameters - before)))
    }
    if isDivided, !metadata.contains(where: { $0.key == "total_parameters" }) {
      metadata.append(JSONMember(key: "total_parameters", value: .integer(Int64(parameters))))
    }
    return MergePlan.TextFile(
      name: output.indexName, text: CheckpointIndex.text(metadata: metadata, totalSize: totalSize, weightMap: weightMap)
    )
  }

  /// The numbers that a tensor of the output stands for: of codes that stay, those; of their scales none.
  private func parameterCount(_ tensor: MergePlan.Tensor) -> Int {
    switch tensor.content {
    case .computed(_, let update, .requantized(let requantized)):
      return requantized.part == .codes ? update.rows &* update.columns : 0
    case .computed(.codes, _, .numbers): return tensor.shape.reduce(1, &*)
    case .computed, .copied: break
    }
    if let location = inputs.base.location(of: tensor.name) {
      if let group = inputs.quantized.group(at: location), updates[group.name] == nil {
        return group.shape.reduce(1, &*)
      }
      if inputs.quantized.owner(at: location) != nil { return 0 }
    }
    return tensor.shape.reduce(1, &*)
  }
}
