import Adapters
import Checkpoints
import ModelNames
import Safetensors

/// Finds whole tensors that an adapter says it trained and doesn't have: what replaces a tensor of the base leaves no other
/// sign when it is missing.
struct LostReplacements {
  private let inputs: MergeInputs
  private let number: Int
  private let tensors: TensorShapes
  /// The tensors of the base that the adapter replaces.
  private let replaced: Set<TensorName>
  /// Whether an adapter brings tensors that the base doesn't have.
  private let addsTensors: Bool
  private let resolver: NameResolver

  /// - Parameters:
  ///   - number: The adapter; all that it has is matched.
  ///   - planner: What was matched.
  init(ofAdapter number: Int, _ planner: MergePlanner) {
    inputs = planner.inputs
    self.number = number
    tensors = planner.inputs.shapes(with: planner.works)
    replaced = planner.resolvedReplacements[number] ?? []
    addsTensors = !planner.added.isEmpty
    resolver = planner.resolver
  }

  private var adapter: Adapter { inputs.adapters[number].adapter }

  /// Throws if a tensor is lost.
  func check() throws(PlanError) {
    try checkSavedModules()
    try checkAddedBiases()
    try checkOutputProjections()
  }

  /// What `modules_to_save` and the like name is in the adapter.
  private func checkSavedModules() throws(PlanError) {
    // With a new head the adapter's model has parts that the base doesn't have, and the reverse: a part of the base
    // that no key of the adapter names is not one of its model's.
    let parts = Set(
      adapter.replacements.map { UntrainedParts.part($0.target) }
        + adapter.updates.map { UntrainedParts.part($0.module) })
    var untrained: UntrainedParts?
    // A head that is one tensor with the embedding is none of the base's, but was trained like one.
    let shared = adapter.config.tiesWeights ? [] : inputs.vocabulary.groups.filter(\.isTied).flatMap(\.absent)
    let changed = changed
    for name in inputs.base.tensorNames + shared where !replaced.contains(name) {
      if !inputs.quantized.groups.isEmpty, let location = inputs.base.location(of: name),
        inputs.quantized.owner(at: location) != nil
      {
        continue
      }
      let field =
        adapter.fieldReplacing(name.string)
        ?? resolver.runtimeName(of: name).flatMap { adapter.fieldReplacing($0.string) }
      guard let field, field != "target_modules" || !changed.contains(name) else { continue }
      if addsTensors, !parts.contains(UntrainedParts.part(name.string)) { continue }
      let others =
        untrained
        ?? UntrainedParts(adapter, changed: changed, base: inputs.base.tensorNames, config: inputs.base.config)
      untrained = others
      if others.hold(name) { continue }
      throw PlanError(path: adapter.weightsPath, tensor: name, .lostReplacement(field: field))
    }
  }

  /// The tensors that the adapter changes or replaces.
  private var changed: Set<TensorName> {
    Set(
      tensors.updates.filter { _, update in
        update.replacement?.adapter == number || update.users.contains { $0.adapter == number }
      }.keys)
  }

  /// The bias of a new module fits its weight.
  private func checkAddedBiases() throws(PlanError) {
    for replacement in adapter.replacements where replacement.target.hasSuffix(".bias") {
      let name = TensorName(replacement.target)
      guard inputs.baseTensors.entry(name) == nil, let found = tensors.updates[name]?.replacement?.shape else {
        continue
      }
      let weight = TensorName(replacement.target.dropLast("bias".count) + "weight")
      guard let expected = tensors.shape(of: weight) else {
        throw inputs.error(
          .noTarget(target: weight.string, candidates: [], otherModules: 0), number, key: replacement.tensor)
      }
      guard found == Array(expected.prefix(1)) else {
        throw inputs.error(
          .shape(factor: "the bias", found: found, target: weight.string, expected: expected), number,
          key: replacement.tensor)
      }
    }
  }

  /// An adapter of a MultiheadAttention's in_proj has its out_proj too.
  private func checkOutputProjections() throws(PlanError) {
    let modules = Set(adapter.updates.map(\.module))
    for update in adapter.updates
    where update.target == .weight && !tensors.exists(TensorName(update.module + ".weight")) {
      let output = update.module + ".out_proj"
      guard tensors.exists(TensorName(update.module + ".in_proj_weight")), !modules.contains(output) else { continue }
      throw inputs.error(.missingOutProj(output: output), number, key: update.inWitness.tensor)
    }
  }
}
