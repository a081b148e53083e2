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
  let hasModelCard: Bool
  /// What the base is as an image or video model; nil: it isn't one that is known.
  let image: String?

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
    hasModelCard = merge.request.modelCard != nil
    image = checkpoint.imageArchitecture
  }

  /// Base, adapters, plan, memory and, if it has padding rows, the vocabulary: one line each.
  var summary: [String] {
    let tensors = checkpoint.files.lazy.flatMap(\.header.tensors)
    let bytes = checkpoint.files.reduce(0) { $0 + $1.header.dataByteCount }
    let files = Self.files(checkpoint.files.count)
    var lines = [
      LabeledLine.text(
        "base",
        "\(checkpoint.path)   \(image.map { "\($0), " } ?? "")\(files), \(NumberText.counted(checkpoint.tensorCount, "tensor")), "
          + "\(dtypes(tensors)), \(NumberText.bytes(bytes))")
    ]
    for use in adapters {
      let adapter = use.adapter
      let weight = use.weights.isOne ? "" : ", weight \(use.weights.label)"
      lines.append(
        LabeledLine.text(
          "adapter",
          "\(adapter.path)   \(method(adapter)), \(adapter.file.map { "\($0.dialect), " } ?? "")\(NumberText.counted(adapter.updates.count, "module")), "
            + "\(dtypes(adapter.header.tensors)), \(NumberText.bytes(adapter.header.dataByteCount))\(weight)"))
    }
    lines.append(LabeledLine.text("plan", "\(actions); \(layout)"))
    if plan.orderedTensorCount > 0 {
      lines.append(
        LabeledLine.text(
          "order",
          "\(NumberText.counted(plan.orderedTensorCount, "tensor")) multiplied by one adapter and changed by another: each adapter "
            + "changes what those before it made"))
    }
    for rule in plan.rules {
      lines.append(LabeledLine.text("rule", "\(rule.rule)   \(NumberText.counted(rule.count, "name"))"))
    }
    if let quantization = plan.quantization {
      let change = quantization.configChange.map { "; config.json: \($0)" } ?? ""
      var what: [String] = []
      if quantization.requantized > 0 {
        what.append(NumberText.counted(quantization.requantized, "weight") + " merged and requantized")
      }
      if quantization.decoded > 0 || what.isEmpty {
        what.append(NumberText.counted(quantization.decoded, "weight") + " dequantized")
      }
      let kept = "\(NumberText.grouped(quantization.kept)) copied as quantized"
      lines.append(
        LabeledLine.text("quantized", "\(quantization.method): \((what + [kept]).joined(separator: ", "))\(change)"))
    }
    if let training = plan.training { lines.append(LabeledLine.text("qlora", Self.text(training))) }
    if let library {
      let count = plan.updatedTensors.count { $0.update.decomposesWeight }
      let what = count > 0 ? NumberText.counted(count, "tensor") : "the combined updates"
      lines.append(LabeledLine.text("lapack", "\(library) decomposes \(what)"))
    }
    if let line = LeftOutText.line(sideFiles.leftOut) { lines.append(LabeledLine.text("skipped", line)) }
    if let line = vocabulary.flatMap(vocabularyLine) { lines.append(LabeledLine.text("vocab", line)) }
    lines.append(
      LabeledLine.text(
        "memory", "at most \(NumberText.bytes(memory.total)) with \(NumberText.counted(workers, "thread"))"))
    return lines.map(\.escapingUnprintable)
  }

  /// The weights that are quantized first, and those that may have been quantized in training and are not.
  private static func text(_ training: MergePlan.Training) -> String {
    let quantization = training.quantization
    let text =
      "nf4, block size \(quantization.block)\(quantization.isNested ? ", double quantization" : ""): "
      + NumberText.counted(training.merged + training.others, "linear weight")
      + " (\(NumberText.grouped(training.merged)) merged) quantized as in training"
    guard !training.left.isEmpty else { return text }
    return text + "; left unquantized: \(firstOnes(training.left))"
  }

  private static func files(_ count: Int) -> String { NumberText.counted(count, count > 1 ? "shard" : "file") }

  /// The files of the result's weights.
  private var layout: String {
    let files = Self.files(plan.shards.count)
    switch fileSizes {
    case .asBase: return "\(files), as in the base"
    case .single: return "re-sharded into \(files)"
    case .atMost(let limit):
      let larger = plan.shards.count { $0.tensors.count == 1 && $0.tensors[0].outputRange.count > limit }
      return "re-sharded into \(files) of at most \(NumberText.grouped(limit)) bytes"
        + (larger > 0 ? ", with \(NumberText.counted(larger, "larger tensor")) in shards of their own" : "")
    }
  }

  /// The rows after the last token; nil if there are none.
  private func vocabularyLine(_ fit: VocabularyCheck) -> String? {
    guard fit.rows > fit.tokens else { return nil }
    return "\(NumberText.counted(fit.rows, "embedding row")), \(NumberText.counted(fit.tokens, "token")), "
      + NumberText.counted(fit.rows - fit.tokens, "padding row")
  }

  /// The numbers and sizes of tensors that are merged, replaced, converted and copied.
  private var actions: String {
    let parts = plan.actionSums.filter { $0.tensorCount > 0 }.map { sum in
      "\(NumberText.grouped(sum.tensorCount)) \(sum.action.participle) (\(NumberText.bytes(sum.byteCount)))"
    }
    let sides = checkpoint.layout == .singleFile ? [] : [Self.configFiles(sideFiles.files.count)]
    return (["tensors: " + parts.joined(separator: ", ")] + sides).joined(separator: "; ")
  }

  /// `2 config and tokenizer files`.
  static func configFiles(_ count: Int) -> String {
    count == 1 ? "1 config or tokenizer file" : "\(NumberText.grouped(count)) config and tokenizer files"
  }

  /// The contribution of an adapter: `14 modules from ./adapter, r=4 alpha=7 (scaling 1.75)`.
  func mergedModules(_ use: AdapterUse) -> String {
    let weight = use.weights.isOne ? "" : ", weight \(use.weights.label)"
    let scaling = StrengthText.summary(use.adapter).map { ", \($0)" } ?? ""
    return "\(NumberText.counted(use.adapter.updates.count, "module")) from \(use.adapter.path)\(scaling)\(weight)"
  }

  /// Each merged module, each tensor that is replaced or converted, and each file.
  ///
  /// - Parameter copies: Whether to list copied tensors as well.
  func details(copies: Bool) -> [String] {
    let modules = plan.modules.enumerated().sorted { one, other in
      one.element.adapter == other.element.adapter
        ? NaturalOrder.precedes(one.element.name, other.element.name) : one.offset < other.offset
    }
    var lines = modules.map { _, module in
      LabeledLine.text(
        "merge",
        "\(module.name)   \(StrengthText.summary(module).map { "\($0) " } ?? "")-> \(targets(module))")
    }
    for tensor in detailedTensors(copies: copies) {
      if let rows = tensor.update?.rowReplacements.map(\.row), !rows.isEmpty {
        lines.append(
          LabeledLine.text("rows", "\(tensor.name)   \(rows.map(String.init).joined(separator: ", "))"))
      }
      let action = plan.action(tensor)
      guard action != .merge else { continue }
      lines.append(
        LabeledLine.text(
          action.rawValue, "\(tensor.name)   \(tensor.outputDType.name) \(NumberText.shape(tensor.shape))"))
    }
    for use in adapters {
      for ignored in use.adapter.ignoredTensors {
        lines.append(
          LabeledLine.text(
            "ignore", "\(use.adapter.header.tensors.name(at: ignored.tensor))   \(ignored.reason)"))
      }
    }
    func write(_ name: String, _ text: String) { lines.append(LabeledLine.text("write", "\(name)   \(text)")) }
    for shard in plan.shards { write(shard.name, NumberText.bytes(shard.fileByteCount)) }
    for file in sideFiles.files {
      write(file.name, "\(NumberText.bytes(file.byteCount)), \(file.origin) \(file.sourcePath)")
    }
    for file in plan.textFiles { write(file.name, NumberText.bytes(file.text.count)) }
    if hasModelCard { write("README.md", "model card") }
    for left in sideFiles.leftOut { lines.append(LabeledLine.text("skip", "\(left.name)   \(left.reason.text)")) }
    return lines.map(\.escapingUnprintable)
  }

  /// The tensors that may have a line of their own, by name.
  private func detailedTensors(copies: Bool) -> [MergePlan.Tensor] {
    var tensors: [MergePlan.Tensor] = []
    for shard in plan.shards {
      tensors += copies ? shard.tensors : shard.tensors.filter { plan.action($0) != .copy }
    }
    return tensors.sorted { NaturalOrder.precedes($0.name.string, $1.name.string) }
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
