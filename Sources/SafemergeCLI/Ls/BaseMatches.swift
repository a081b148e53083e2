import Adapters
import Checkpoints
import MergePlanning
import Safetensors

/// Which tensors of a base the modules of an adapter change.
struct BaseMatches: Sendable {
  /// Of each layer of the adapter, in its order.
  let targets: [[TensorName]]

  /// Plans a merge, so that every rule of one decides.
  ///
  /// - Throws: What would keep the adapter from being merged.
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
