import Adapters
import Checkpoints
import JSONText
import LinearAlgebra
import MergeEngine
import MergePlanning
import Merging
import Platform
import Reports
import Safetensors

/// A plan as text.
struct PlanText {
  let checkpoint: Checkpoint
  let adapters: [AdapterUse]
  let plan: MergePlan
  let sideFiles: SideFiles
  let vocabulary: VocabularyCheck?
  let fileSizes: ShardingPolicy
  let memory: MemoryNeed
  let workers: Int
  /// The LAPACK for decompositions; nil if none is needed.
  let library: String?

  init(_ merge: PreparedMerge) {
    checkpoint = merge.request.base
    adapters = merge.request.adapters
    plan = merge.plan
    sideFiles = merge.sideFiles
    vocabulary = merge.vocabulary
    fileSizes = merge.request.planning.fileSizes
    memory = merge.memory
    workers = merge.engine.workers
    library = merge.engine.decomposer?.libraryName
  }

  /// Base, adapters, plan, memory and, if it has padding rows, the vocabulary: one line each.
  var summary: [String] {
    let tensors = checkpoint.files.lazy.flatMap(\.header.tensors)
    let bytes = checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount }
    let files = Self.files(checkpoint.files.count)
    var lines = [
      "base     \(checkpoint.path)   \(files), \(NumberText.counted(checkpoint.tensorCount, "tensor")), "
        + "\(dtypes(tensors)), \(NumberText.bytes(bytes))"
    ]
    for use in adapters {
      let adapter = use.adapter
      let weight = use.weight == 1 ? "" : ", weight \(NumberText.number(use.weight))"
      lines.append(
        "adapter  \(adapter.path)   \(method(adapter)), \(NumberText.counted(adapter.updates.count, "module")), "
          + "\(dtypes(adapter.header.tensors)), \(NumberText.bytes(adapter.header.dataByteCount))\(weight)")
    }
    lines.append("plan     \(actions); \(layout)")
    for rule in plan.rules { lines.append("rule     \(rule.rule)   \(NumberText.counted(rule.count, "name"))") }
    if let quantization = plan.quantization {
      let change = quantization.configChange.map { "; config.json: \($0)" } ?? ""
      let what =
        quantization.requantized > 0
        ? NumberText.counted(quantization.requantized, "weight") + " merged and made codes again"
        : NumberText.counted(quantization.decoded, "weight") + " decoded"
      lines.append("codes    \(quantization.method): \(what), \(quantization.kept) kept as they are\(change)")
    }
    if let training = plan.training { lines.append("was      \(Self.text(training))") }
    if let library {
      let count = plan.updatedTensors.count { $0.update.decomposition != nil }
      let what =
        count > 0 ? "takes a part out of \(NumberText.counted(count, "tensor"))" : "decomposes the combined updates"
      lines.append("lapack   \(library) \(what)")
    }
    if let line = LeftOutText.line(sideFiles.leftOut) { lines.append("left out \(line)") }
    if let line = vocabulary.flatMap(vocabularyLine) { lines.append("vocab    \(line)") }
    lines.append("memory   at most \(NumberText.bytes(memory.total)) for \(NumberText.counted(workers, "worker"))")
    return lines.map(\.escapingUnprintable)
  }

  /// The weights that are quantized first, and those that may have been quantized in training and are not.
  private static func text(_ training: MergePlan.Training) -> String {
    let quantization = training.quantization
    let text =
      "nf4 in blocks of \(quantization.block)\(quantization.isNested ? ", scales too" : ""): "
      + NumberText.counted(training.merged, "merged weight") + " and "
      + NumberText.counted(training.others, "other linear weight") + " are what quantising left of them"
    guard !training.left.isEmpty else { return text }
    return text + "; not known to have been, and left as they are: \(firstOnes(training.left))"
  }

  private static func files(_ count: Int) -> String { NumberText.counted(count, count > 1 ? "shard" : "file") }

  /// The files of the result's weights.
  private var layout: String {
    let files = Self.files(plan.shards.count)
    switch fileSizes {
    case .asBase: return "layout kept: \(files)"
    case .single: return "written as \(files)"
    case .atMost(let limit):
      let larger = plan.shards.count { $0.tensors.count == 1 && $0.tensors[0].outputRange.count > limit }
      return "written as \(files) of at most \(NumberText.grouped(limit)) bytes"
        + (larger > 0 ? " and \(NumberText.counted(larger, "larger tensor")) alone" : "")
    }
  }

  /// The rows after the last token; nil if there are none.
  private func vocabularyLine(_ fit: VocabularyCheck) -> String? {
    guard fit.rows > fit.tokens else { return nil }
    return "embedding: \(NumberText.counted(fit.rows, "row")), tokenizer: \(NumberText.counted(fit.tokens, "token")), "
      + "\(NumberText.counted(fit.rows - fit.tokens, "row")) of padding"
  }

  /// The numbers and sizes of tensors that are merged, replaced, converted and copied.
  private var actions: String {
    let parts = plan.actionSums.filter { $0.tensorCount > 0 }.map { sum in
      "\(NumberText.grouped(sum.tensorCount)) \(sum.action.participle) (\(NumberText.bytes(sum.byteCount)))"
    }
    let sides = checkpoint.layout == .singleFile ? [] : [NumberText.counted(sideFiles.files.count, "side file")]
    return "tensors: " + (parts + sides).joined(separator: ", ")
  }

  /// The contribution of an adapter: `14 modules of ./adapter, r=4 alpha=7 (scaling 1.75)`.
  func mergedModules(_ use: AdapterUse) -> String {
    let weight = use.weight == 1 ? "" : ", weight \(NumberText.number(use.weight))"
    let scaling = StrengthText.summary(use.adapter).map { ", \($0)" } ?? ""
    return "\(NumberText.counted(use.adapter.updates.count, "module")) of \(use.adapter.path)\(scaling)\(weight)"
  }

  /// Each merged module, each tensor that is replaced or converted, and each file.
  ///
  /// - Parameter copies: Whether to list copied tensors as well.
  func details(copies: Bool) -> [String] {
    var lines = plan.modules.map { module in
      "merge    \(module.name)   \(StrengthText.summary(module).map { "\($0) " } ?? "")-> \(targets(module))"
    }
    for tensor in plan.shards.lazy.flatMap(\.tensors) {
      if let rows = tensor.update?.rowReplacements.map(\.row), !rows.isEmpty {
        lines.append("rows     \(tensor.name)   \(rows.map(String.init).joined(separator: ", "))")
      }
      let action = plan.action(tensor)
      guard action != .merge, copies || action != .copy else { continue }
      lines.append(
        "\(action.rawValue.padded(to: 9))\(tensor.name)   \(tensor.outputDType.name) \(NumberText.shape(tensor.shape))")
    }
    for use in adapters {
      for ignored in use.adapter.ignoredTensors {
        lines.append("ignore   \(use.adapter.header.tensors.name(at: ignored.tensor))   \(ignored.reason)")
      }
    }
    for shard in plan.shards { lines.append("write    \(shard.name)   \(NumberText.bytes(shard.fileByteCount))") }
    for file in sideFiles.files {
      lines.append("write    \(file.name)   \(NumberText.bytes(file.byteCount)), \(file.origin) \(file.sourcePath)")
    }
    for file in plan.textFiles { lines.append("write    \(file.name)   \(NumberText.bytes(file.text.count))") }
    for left in sideFiles.leftOut { lines.append("skip     \(left.name)   \(left.reason.text)") }
    return lines.map(\.escapingUnprintable)
  }

  /// The tensors that a module changes (the first few of many), and the rule that found them.
  private func targets(_ module: MergePlan.Module) -> String {
    Self.firstOnes(module.targets) + (module.rule.map { "   (\($0))" } ?? "")
  }

  /// The first of many names, and the number of the others.
  private static func firstOnes(_ names: [TensorName]) -> String {
    let first = names.prefix(shownTargetCount).map(\.string)
    let others = names.count - first.count
    return first.joined(separator: ", ") + (others > 0 ? " and \(others) more" : "")
  }

  private static let shownTargetCount = 3

  private func method(_ adapter: Adapter) -> String {
    let name = adapter.config.methodName
    return StrengthText.summary(adapter).map { "\(name) \($0)" } ?? name
  }

  private func dtypes(_ tensors: some Sequence<TensorInfo>) -> String {
    Set(tensors.map(\.dtype)).sorted().map(\.name).joined(separator: "+")
  }
}
