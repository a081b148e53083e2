import Adapters
import Checkpoints
import MergePlanning
import Safetensors

/// Which tensors of a base the modules of an adapter change.
struct BaseMatches: Sendable {
  /// The targets of each layer of the adapter, in the adapter's order.
  let targets: [[TensorName]]

  /// Plans a merge, so that all of a merge's rules apply.
  ///
  /// - Throws: The reason why the adapter could not be merged.
  init(_ adapter: Adapter, base: Checkpoint) throws {
    var options = MergeOptions()
    options.tied = .split
    options.addsTensors = true
    let plan = try MergePlan(base: base, adapters: [AdapterUse(adapter)], options: options)
    var modules = plan.modules[...]
    // The plan has a module for each update, in their order.
    targets = adapter.updates.map { update in
      guard modules.first?.name == update.module else { return [] }
      return modules.removeFirst().targets
    }
  }
}
