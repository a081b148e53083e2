import Adapters
import Checkpoints
import MergePlanning
import Safetensors

/// Decides whether adapters can be taken out of a merged model: whether what they change is a sum, of which the delta follows from
/// the adapter alone.
enum UnmergeCheck {
  /// Refuses adapters that cannot be taken out, by a plan that merges them: what has no meaning with a weight below zero would
  /// be refused for that reason first.
  ///
  /// - Throws: ``UnmergeError``; what planning throws.
  static func check(_ request: MergeRequest) throws {
    let adapters = request.adapters.map(\.adapter)
    for adapter in adapters { try check(adapter) }
    try check(MergePlan(base: request.base, adapters: adapters.map { AdapterUse($0) }, options: request.planning))
  }

  /// Refuses an adapter that replaces anything, or makes other layers.
  private static func check(_ adapter: Adapter) throws(UnmergeError) {
    if adapter.config.layerReplication != nil {
      throw UnmergeError(path: adapter.configPath, .notASum("the merge replicates layers (\"layer_replication\")"))
    }
    if let replacement = adapter.replacements.first {
      throw UnmergeError(
        path: adapter.weightsPath, tensor: adapter.header.tensors.name(at: replacement.tensor).string,
        .replaces("\(replacement.target) as a whole"))
    }
    if let rows = adapter.tokenRows.first {
      throw UnmergeError(
        path: adapter.weightsPath, tensor: adapter.header.tensors.name(at: rows.tensor).string,
        .replaces("rows of \(rows.module)"))
    }
  }

  /// Refuses a plan in which a tensor is changed in another way than by one sum.
  private static func check(_ plan: MergePlan) throws(UnmergeError) {
    for shard in plan.shards {
      for tensor in shard.tensors {
        try check(tensor, plan)
      }
    }
  }

  private static func check(_ tensor: MergePlan.Tensor, _ plan: MergePlan) throws(UnmergeError) {
    func refuse(_ problem: UnmergeError.Problem) -> UnmergeError {
      UnmergeError(path: plan.inputs[tensor.source.input].path, tensor: tensor.name.string, problem)
    }
    if plan.inputs[tensor.source.input].isAdapter { throw refuse(.replaces("this tensor")) }
    guard case .computed(let weight, let update, _) = tensor.content, update.changesElements else { return }
    switch weight {
    case .numbers: break
    case .codes: throw refuse(.quantized(plan.quantization?.method ?? "codes"))
    case .padded: throw refuse(.notASum("the merge made the tensor larger"))
    case .numbersThroughQLoRA: throw refuse(.notASum("the merge quantized the tensor as in training"))
    }
    if let reason = update.reasonNotASum { throw refuse(.notASum(reason)) }
  }
}
