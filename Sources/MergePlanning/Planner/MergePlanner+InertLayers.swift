import Adapters
import Checkpoints
import Safetensors

extension MergePlan {
  /// Plans once more without the layers that change nothing, where one of them is what cannot be merged.
  ///
  /// - Throws: `error`, if it is about a layer that changes something.
  static func planner(
    _ base: Checkpoint, _ adapters: [AdapterUse], _ options: MergeOptions, after error: PlanError
  ) throws -> MergePlanner {
    var inert: [Int: Set<Int>] = [:]
    for (number, use) in adapters.enumerated() {
      let layers = use.adapter.layersWithoutEffect()
      // An adapter of nothing but zeros shows by its names alone whether it is one for this base.
      if !layers.isEmpty, layers.count < use.adapter.layers.count { inert[number] = layers }
    }
    let isInert = inert.contains { number, layers in
      let adapter = adapters[number].adapter
      return adapter.weightsPath == error.path
        && layers.contains { layer in
          adapter.layers[layer].tensorIndices.contains { adapter.header.tensors.name(at: $0) == error.tensorName }
        }
    }
    guard isInert else { throw error }
    var planner = try MergePlanner(base: base, adapters: adapters, options: options)
    planner.inertLayers = inert
    for number in adapters.indices { try planner.match(number) }
    return planner
  }
}

extension MergePlanner {
  /// Adds a layer that changes nothing, if that is possible, and else leaves it out with a warning.
  mutating func addInert(_ layer: AdapterLayer, _ number: Int) {
    var trial = self
    do throws(PlanError) {
      try trial.addLayer(layer, number)
      self = trial
    } catch {
      warnings.append(
        "\(adapters[number].adapter.weightsPath): \(layer.module) is left out: its factors are zero, so that it changes "
          + "nothing, and it could not be merged: \(error.message)")
    }
  }
}
