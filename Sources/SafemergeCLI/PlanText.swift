import Adapters
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// A plan in words.
struct PlanText {
  let checkpoint: Checkpoint
  let adapter: Adapter
  let plan: MergePlan
  let sideFiles: SideFiles
  let memory: MemoryNeed
  let workers: Int

  /// Base, adapter, plan and memory: a line each.
  var summary: [String] {
    let tensors = checkpoint.files.lazy.flatMap(\.header.tensors)
    let bytes = checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount }
    let merged = plan.updatedTensors.reduce(0) { $0 + $1.outputRange.count }
    let mergedCount = plan.updatedTensors.reduce(0) { count, _ in count + 1 }
    let copied = plan.outputByteCount - merged - plan.shards.reduce(0) { $0 + $1.headerBytes.count }
    let files = counted(
      plan.shards.count, checkpoint.layout == .singleFile || plan.shards.count == 1 ? "file" : "shard")
    let sides = checkpoint.layout == .singleFile ? "" : ", \(counted(sideFiles.files.count, "side file"))"
    return [
      "base     \(checkpoint.path)   \(files), \(counted(checkpoint.tensorCount, "tensor")), "
        + "\(dtypes(tensors)), \(Quantities.bytes(bytes))",
      "adapter  \(adapter.path)   LoRA \(scalings), \(counted(adapter.layers.count, "module")), "
        + "\(dtypes(adapter.header.tensors)), \(Quantities.bytes(adapter.header.dataByteCount))",
      "plan     \(counted(mergedCount, "tensor")) merged (\(Quantities.bytes(merged))), "
        + "\(plan.tensorCount - mergedCount) copied (\(Quantities.bytes(copied)))\(sides); layout kept: \(files)",
      "memory   at most \(Quantities.bytes(memory.total)) of tiles and factors for \(counted(workers, "worker"))",
    ].map(\.escapingUnprintable)
  }

  /// Each merged module, each tensor that is copied, and each file that is written.
  var details: [String] {
    var lines = plan.modules.map { module in
      "merge    \(module.name)   r=\(module.rank) alpha=\(Quantities.number(module.alpha)) "
        + "scaling=\(Quantities.number(module.scaling)) -> \(module.targets.map(\.string).joined(separator: ", "))"
    }
    for shard in plan.shards {
      for tensor in shard.tensors where tensor.update == nil {
        lines.append("copy     \(tensor.name)   \(tensor.outputDType.name) \(Quantities.shape(tensor.shape))")
      }
    }
    for shard in plan.shards { lines.append("write    \(shard.name)   \(Quantities.bytes(shard.fileByteCount))") }
    for file in sideFiles.files {
      lines.append("write    \(file.name)   \(Quantities.bytes(file.byteCount)), copied from \(file.sourcePath)")
    }
    if let index = plan.index { lines.append("write    \(index.name)   \(Quantities.bytes(index.text.count))") }
    for name in sideFiles.skipped { lines.append("skip     \(name)   not on the list of files that are copied") }
    return lines.map(\.escapingUnprintable)
  }

  func done(at path: String, duration: Duration) -> String {
    let seconds = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    let tenths = Int((seconds * 10).rounded())
    let line =
      "done     \(path)   \(Quantities.bytes(plan.outputByteCount)) in \(tenths / 10).\(tenths % 10) s, "
      + "peak memory \(Quantities.bytes(Self.peakMemory))"
    return line.escapingUnprintable
  }

  /// The largest resident set so far, in bytes, mapped pages included.
  private static var peakMemory: Int {
    var usage = rusage()
    #if canImport(Darwin)
    getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss
    #else
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
    #endif
  }

  private var scalings: String {
    let layers = adapter.layers
    guard let first = layers.first else { return "" }
    let isUniform = layers.allSatisfy { $0.rank == first.rank && $0.alpha == first.alpha }
    guard isUniform else {
      let ranks = layers.map(\.rank)
      return "r=\(ranks.min() ?? 0)..\(ranks.max() ?? 0), alpha and scaling by module"
    }
    return "r=\(first.rank) alpha=\(Quantities.number(first.alpha)) (scaling \(Quantities.number(first.scaling)))"
  }

  private func dtypes(_ tensors: some Sequence<TensorInfo>) -> String {
    Set(tensors.map(\.dtype)).sorted().map(\.name).joined(separator: "+")
  }

  private func counted(_ count: Int, _ noun: String) -> String {
    "\(Quantities.grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }
}
