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
    for step in update.steps {
      if let reason = reason(step) { throw refuse(.notASum(reason)) }
    }
    if update.steps.count > 1 { throw refuse(.notASum("several adapters change it one after the other")) }
  }

  /// Why a step is not a sum that can be taken back; nil: it is one.
  private static func reason(_ step: TensorUpdate.Step) -> String? {
    switch step {
    case .add(let addition):
      if addition.multipliesWeight { return "the adapter multiplies the weight by its delta" }
      if addition.allTerms.contains(where: { $0.formula.dependsOnWeight }) {
        return "the adapter's delta follows from the weight before the merge"
      }
      return addition.isPlain ? nil : "the adapter's delta is rounded before it is added"
    case .rescale: return "DoRA rescales the weight by norms of the weight before the merge"
    case .scale, .rotate, .mix, .mixBlocks: return "the adapter multiplies the weight"
    case .part: return "the adapter changes the weight by steps that do not only add"
    case .subtract: return "the merge first subtracts a part of the weight, as PiSSA, OLoRA and KaSA do"
    case .round: return "the merge rounds between its steps"
    case .replaceRows: return "the adapter replaces rows of it"
    }
  }
}

extension Formula {
  /// Whether it follows from values of the tensor that is changed.
  fileprivate var dependsOnWeight: Bool {
    switch self {
    case .derived, .image: true
    case .composed(let one, let other), .hadamard(let one, let other), .kronecker(let one, let other, _):
      one.dependsOnWeight || other.dependsOnWeight
    case .repeated(let formula, _, _), .stretched(let formula, _, _), .window(let formula, _): formula.dependsOnWeight
    case .matrix, .product, .tucker, .scattered, .bounded, .mixed, .circulant, .drawn, .chosen, .weighted, .spectral,
      .open:
      false
    }
  }
}
