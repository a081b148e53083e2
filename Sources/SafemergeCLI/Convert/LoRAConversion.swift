import AdapterWriting
import Adapters
import Checkpoints
import Factorization
import JSONText
import LowRank
import Platform
import Safetensors
import Staging

/// Makes a LoRA of an adapter of any kind.
struct LoRAConversion {
  let adapter: String
  let base: String
  let place: AdapterOutputOptions
  let rank: RankOptions
  let dtype: FactorDTypeOptions
  let seed: UInt64
  /// Whether changes that a LoRA cannot hold are left out.
  let skipsOther: Bool
  /// Whether a line for each module is printed.
  let isVerbose: Bool

  func carryOut(_ run: AdapterRun) throws {
    let input = try ModelArgument(adapter).read(Adapter.init(path:))
    let argument = try ModelArgument(base)
    let model = try argument.read { try Checkpoint(path: $0, workers: run.workers) }
    for warning in input.warnings { run.warn(warning) }
    // Adapters of image and video models are one file.
    let isOfImages = ImageExtractionPlan.reads(model)
    try place.check(isFile: isOfImages, "a LoRA of \(isOfImages ? "an image or video" : "a language") model")
    let destination = try run.reserve(isFolder: !isOfImages, adapters: [input], models: [model])
    var options = ExtractionOptions(rule: rank.rule ?? RankRule(.count(1)))
    options.dtype = dtype.dtype(of: [input.header])
    options.seed = seed
    options.leavesOutOthers = skipsOther
    options.baseName = input.statedBase ?? argument.title
    let plan: any ExtractedAdapter =
      isOfImages
      ? try ImageExtractionPlan(base: model, adapter: input, options)
      : try ExtractionPlan(base: model, adapter: input, options)
    if let warning = plan.leftOutWarning { run.warn(warning) }
    var summary = "\(NumberText.counted(plan.units.count, "module")) to LoRA"
    if plan.savedTensorCount > 0 { summary += ", \(NumberText.counted(plan.savedTensorCount, "whole tensor"))" }
    try run.tell(
      [
        LabeledLine.text("adapter", "\(input.path)   \(NumberText.counted(input.updates.count, "module"))"),
        LabeledLine.text("base", argument.title), LabeledLine.text("convert", summary),
      ] + plan.newModuleLines, details: plan.units.map { LabeledLine.text("matrix", $0.name) }, units: plan.units.count,
      destination,
      members: { event in
        event.member("adapter", input.path)
        event.member("to", "lora")
        event.member("base", model.path)
        plan.writeLists(&event)
      })
    if try run.endsDry() { return }
    let outcome = try run.write(plan.units, to: destination, as: identity(input, model)) { try plan.document($0) }
    let text = FactorText(outcome)
    if isVerbose { run.write(text.details) }
    try run.finish(outcome, text.lines, members: text.write)
  }

  private func identity(_ input: Adapter, _ model: Checkpoint) throws -> MergeIdentity {
    try MergeIdentity(
      command: "convert", version: Safemerge.number,
      options: [.init(name: "to", value: "lora")] + rank.recorded + [
        .init(name: "seed", value: "\(seed)"), .init(name: "dtype", value: (dtype.given ?? .float32).rawValue),
        .init(name: "skip-other", value: "\(skipsOther)"), .init(name: "base", value: base),
      ], adapters: [input], models: [model], interruption: Signals.interruption)
  }
}
