import Adapters
import Checkpoints
import Safetensors

extension MergePlan {
  /// Plans once more without the updates that change nothing, where one of them is what cannot be merged.
  ///
  /// - Throws: `error`, if it is about an update that changes something.
  static func planner(
    _ base: Checkpoint, _ adapters: [AdapterUse], _ options: MergeOptions, after error: PlanError
  ) throws -> MergePlanner {
    var inert: [Int: Set<Int>] = [:]
    for (number, use) in adapters.enumerated() {
      let inertOnes = use.adapter.updatesWithoutEffect()
      // An adapter of nothing but zeros shows by its names alone whether it is one for this base.
      if !inertOnes.isEmpty, inertOnes.count < use.adapter.updates.count { inert[number] = inertOnes }
    }
    let isInert = inert.contains { number, places in
      let adapter = adapters[number].adapter
      return adapter.weightsPath == error.path
        && places.contains { place in
          adapter.updates[place].tensorIndices.contains { adapter.header.tensors.name(at: $0) == error.tensorName }
        }
    }
    guard isInert else { throw error }
    var planner = try MergePlanner(base: base, adapters: adapters, options: options)
    planner.inertUpdates = inert
    for number in adapters.indices { try planner.match(number) }
    return planner
  }
}

extension MergePlanner {
  /// Adds an update that changes nothing, if that is possible, and else leaves it out with a warning.
  mutating func addInert(_ update: ModuleUpdate, _ number: Int) {
    var trial = self
    do throws(PlanError) {
      try trial.add(update, number)
      self = trial
    } catch {
      warnings.append(
        "\(adapters[number].adapter.weightsPath): \(update.module) is skipped: its factors are zero, so it changes "
          + "nothing, and it cannot be merged: \(error.message)")
    }
  }
}
