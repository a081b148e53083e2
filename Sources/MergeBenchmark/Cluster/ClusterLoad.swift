import Adapters
import Checkpoints
import MergePlanning
import Platform

/// What the parts of a merge read and write.
struct ClusterLoad {
  /// One weight file of the result.
  struct File {
    /// By which files are assigned to parts.
    let cost: Int
    /// Bytes that are read of the base, and bytes that are written.
    let byteCount: Int
  }

  let files: [File]
  /// The adapters' files: each part reads them whole.
  let adapterByteCount: Int
  /// How long a process plans before it reads and writes.
  var planSeconds: Double

  init(files: [File], adapterByteCount: Int, planSeconds: Double) {
    (self.files, self.adapterByteCount, self.planSeconds) = (files, adapterByteCount, planSeconds)
  }

  /// Plans the merge of an adapter into a base, as every part does, and measures how long that takes.
  ///
  /// - Parameters:
  ///   - base: The base's path.
  ///   - adapter: The adapter's.
  init(base: String, adapter: String) throws {
    let clock = ContinuousClock()
    let start = clock.now
    let plan = try MergePlan(
      base: try Checkpoint(path: base), adapters: [AdapterUse(try Adapter(path: adapter))], options: MergeOptions())
    let costs = plan.fileCosts
    planSeconds = Figures.seconds(of: clock.now - start)
    adapterByteCount = plan.inputs.indices.filter { plan.inputs[$0].isAdapter }.reduce(0) {
      $0 + plan.byteCount(ofInput: $1)
    }
    files = zip(plan.shards, costs).map { shard, cost in
      File(cost: cost, byteCount: shard.fileByteCount + plan.baseByteCount(of: shard))
    }
  }

  /// Bytes that parts read and write.
  ///
  /// - Parameter count: The number of parts that have files.
  func byteCount(parts count: Int) -> Int { files.reduce(0) { $0 + $1.byteCount } + count * adapterByteCount }

  /// Which files each part writes.
  func assignment(parts count: Int) -> Assignment { Assignment(costs: files.map(\.cost), parts: count) }
}

extension MergePlan {
  /// The size of an input's file, in bytes.
  fileprivate func byteCount(ofInput number: Int) -> Int { inputs[number].identity.byteCount }

  /// Bytes of the base that are read for a weight file of the result.
  fileprivate func baseByteCount(of shard: Shard) -> Int {
    shard.tensors.reduce(0) { sum, tensor in
      tensor.content.sources.reduce(sum) { $0 + (inputs[$1.input].isAdapter ? 0 : $1.range.count) }
    }
  }
}
