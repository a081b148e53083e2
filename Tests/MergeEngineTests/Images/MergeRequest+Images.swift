import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import Merging

extension MergeRequest {
  /// Merges on one thread, planning once.
  static func merge(
    _ base: String, _ adapters: [(path: String, weight: Double)], to output: String,
    options: MergeOptions = MergeOptions()
  ) throws {
    var request = MergeRequest(
      base: try Checkpoint(path: base),
      adapters: try adapters.map { AdapterUse(try Adapter(path: $0.path), weight: $0.weight) }, output: output)
    request.planning = options
    request.engine.workers = 1
    _ = try request.prepare().run()
  }
}
