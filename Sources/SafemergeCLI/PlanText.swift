import Adapters
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import Safetensors

/// A plan in words.
struct PlanText {
  let checkpoint: Checkpoint
  let adapters: [AdapterUse]
  let plan: MergePlan
  let sideFiles: SideFiles
  let vocabulary: VocabularyFit?
  let memory: MemoryNeed
  let workers: Int
  /// The LAPACK that takes tensors apart; nil: none is needed.
  let library: String?

  /// Base, adapters, plan, memory and, if it has rows of padding, the vocabulary: a line each.
  var summary: [String] {
    let tensors = checkpoint.files.lazy.flatMap(\.header.tensors)
    let bytes = checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount }
    let isSharded = checkpoint.layout != .singleFile && plan.shards.count > 1
    let files = Quantities.counted(plan.shards.count, isSharded ? "shard" : "file")
    var lines = [
      "base     \(checkpoint.path)   \(files), \(Quantities.counted(checkpoint.tensorCount, "tensor")), "
        + "\(dtypes(tensors)), \(Quantities.bytes(bytes))"
    ]
    for use in adapters {
      let adapter = use.adapter
      let weight = use.weight == 1 ? "" : ", weight \(Quantities.number(use.weight))"
      lines.append(
        "adapter  \(adapter.path)   LoRA \(scalings(adapter)), \(Quantities.counted(adapter.layers.count, "module")), "
          + "\(dtypes(adapter.header.tensors)), \(Quantities.bytes(adapter.header.dataByteCount))\(weight)")
    }
    lines.append("plan     \(actions); layout kept: \(files)")
    for rule in plan.rules { lines.append("rule     \(rule.rule)   \(Quantities.counted(rule.count, "name"))") }
    if let quantisation = plan.quantisation {
      let change = quantisation.configChange.map { "; config.json: \($0)" } ?? ""
      lines.append(
        "codes    \(quantisation.method): \(Quantities.counted(quantisation.decoded, "weight")) decoded, "
          + "\(quantisation.kept) kept as they are\(change)")
    }
    if let library {
      let count = plan.updatedTensors.count { $0.update?.residual != nil }
      let what =
        count > 0 ? "takes a part out of \(Quantities.counted(count, "tensor"))" : "decomposes the combined updates"
      lines.append("lapack   \(library) \(what)")
    }
    if let line = vocabulary?.line { lines.append("vocab    \(line)") }
    lines.append("memory   at most \(Quantities.bytes(memory.total)) for \(Quantities.counted(workers, "worker"))")
    return lines.map(\.escapingUnprintable)
  }

  /// How many tensors are merged, replaced, converted and copied, and how many bytes they are.
  private var actions: String {
    var sums: [Action: (count: Int, bytes: Int)] = [:]
    for tensor in plan.shards.lazy.flatMap(\.tensors) {
      sums[action(tensor), default: (0, 0)].count += 1
      sums[action(tensor), default: (0, 0)].bytes += tensor.outputRange.count
    }
    let parts = Action.allCases.compactMap { action in
      sums[action].map { sum in
        "\(sum.count) \(action.participle) (\(Quantities.bytes(sum.bytes)))"
      }
    }
    let sides = checkpoint.layout == .singleFile ? [] : [Quantities.counted(sideFiles.files.count, "side file")]
    return "tensors: " + (parts + sides).joined(separator: ", ")
  }

  private enum Action: String, CaseIterable {
    case merge, replace, convert, copy

    var participle: String {
      switch self {
      case .merge: "merged"
      case .replace: "replaced"
      case .convert: "converted"
      case .copy: "copied"
      }
    }
  }

  private func action(_ tensor: MergePlan.Tensor) -> Action {
    if let update = tensor.update, !update.stages.isEmpty || !update.rowReplacements.isEmpty { return .merge }
    if plan.inputs[tensor.source.input].isAdapter { return .replace }
    return tensor.update == nil ? .copy : .convert
  }

  /// Each merged module, each other tensor, and each file that is written.
  var details: [String] {
    var lines = plan.modules.map { module in
      "merge    \(module.name)   r=\(module.rank) alpha=\(Quantities.number(module.alpha)) "
        + "scaling=\(Quantities.number(module.scaling)) -> \(targets(module))"
    }
    for tensor in plan.shards.lazy.flatMap(\.tensors) {
      if let rows = tensor.update?.rowReplacements.map(\.row), !rows.isEmpty {
        lines.append("rows     \(tensor.name)   \(rows.map(String.init).joined(separator: ", "))")
      }
      let action = action(tensor)
      guard action != .merge else { continue }
      let name = action.rawValue + String(repeating: " ", count: 9 - action.rawValue.count)
      lines.append("\(name)\(tensor.name)   \(tensor.outputDType.name) \(Quantities.shape(tensor.shape))")
    }
    for use in adapters {
      for ignored in use.adapter.ignoredTensors {
        lines.append("ignore   \(use.adapter.header.tensors.name(at: ignored.tensor))   \(ignored.reason)")
      }
    }
    for shard in plan.shards { lines.append("write    \(shard.name)   \(Quantities.bytes(shard.fileByteCount))") }
    for file in sideFiles.files {
      lines.append("write    \(file.name)   \(Quantities.bytes(file.byteCount)), copied from \(file.sourcePath)")
    }
    for file in plan.textFiles { lines.append("write    \(file.name)   \(Quantities.bytes(file.text.count))") }
    for name in sideFiles.skipped { lines.append("skip     \(name)   not on the list of files that are copied") }
    return lines.map(\.escapingUnprintable)
  }

  /// The tensors that a module changes, of many the first ones, and the rule by which they were found.
  private func targets(_ module: MergePlan.Module) -> String {
    let names = module.targets.prefix(Self.shownTargetCount).map(\.string)
    let others = module.targets.count - names.count
    return names.joined(separator: ", ") + (others > 0 ? " and \(others) more" : "")
      + (module.rule.map { "   (\($0))" } ?? "")
  }

  private static let shownTargetCount = 3

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
    #if os(Linux)
    // Not getrusage: its figure begins with that of the process that started this one.
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
    #else
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss
    #endif
  }

  private func scalings(_ adapter: Adapter) -> String {
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
}
