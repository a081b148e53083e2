import AdapterWriting
import ArgumentParser
import Checkpoints
import Factorization
import JSONText
import LowRank
import MergeEngine
import Platform
import Safetensors
import Staging

/// Makes an adapter of the difference of two models.
struct ExtractCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Extract an adapter from a tuned model.",
    discussion: """
      The output is a PEFT adapter whose merge into the base gives the tuned model, as well as the rank allows. Each changed \
      matrix becomes two factors by its largest singular values. Norms, new heads and embeddings of another size are saved \
      whole, and biases too. Of image and video models the output is one .safetensors file in ComfyUI's names.

      Examples:
        safemerge extract ./base ./tuned -o ./adapter --rank 64
        safemerge extract ./base ./tuned -o ./adapter --energy 0.95 --max-rank 256
        safemerge extract ./base ./tuned -o ./adapter --target 'self_attn' --dtype bfloat16
        safemerge extract sdxl.safetensors tuned.safetensors -o lora.safetensors --rank 32
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help:
      "The base model: a folder, an index file, a .safetensors file, or a Hugging Face model ID in the local cache.",
    completion: .model)
  var base: String

  @Argument(help: "The tuned model, with the same parameters.", completion: .model)
  var tuned: String

  @OptionGroup(title: "Output")
  var place: AdapterOutputOptions

  @OptionGroup(title: "Output")
  var dtype: FactorDTypeOptions

  @OptionGroup(title: "Rank")
  var rank: RankOptions

  @Option(
    help: ArgumentHelp(
      "Decompose only matrices of modules whose names this regular expression finds. Default: every changed matrix.",
      valueName: "regex"))
  var target: String?

  @Option(
    help: ArgumentHelp("Leave out matrices of modules whose names this regular expression finds.", valueName: "regex"))
  var exclude: String?

  @Flag(help: "Leave out changes that an adapter cannot hold, and list them. Without it they are an error.")
  var skipOther = false

  @Option(help: ArgumentHelp("Seed of the random numbers of the search for large matrices.", valueName: "number"))
  var seed: UInt64 = 0

  @OptionGroup(title: "Resources")
  var threads: JobOptions

  @OptionGroup(title: "Display")
  var progress: ProgressOptions

  @OptionGroup(title: "Display")
  var format: FormatOptions<Format>

  @OptionGroup(title: "Display")
  var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    _ = try pattern(target, "--target")
    _ = try pattern(exclude, "--exclude")
  }

  private func pattern(_ text: String?, _ option: String) throws -> Regex<AnyRegexOutput>? {
    guard let text else { return nil }
    do { return try Regex(text) } catch {
      throw ValidationError("invalid value \"\(text)\" for \(option): not a regular expression")
    }
  }

  func run() throws {
    let run = try AdapterRun(
      "extract", output: place, progress: progress, isJSON: format.format == .json, threads: threads)
    let arguments = [try ModelArgument(base), try ModelArgument(tuned)]
    let models = try arguments.map { argument in
      try argument.read { try Checkpoint(path: $0, workers: run.workers) }
    }
    // Adapters of image and video models are one file.
    let isOfImages = models.contains(where: ImageExtractionPlan.reads)
    try place.check(
      isFile: isOfImages, "the extracted adapter" + (isOfImages ? " of an image or video model" : ""))
    let destination = try run.reserve(isFolder: !isOfImages, models: models)
    let options = try options(arguments[0], models[1])
    let plan: any ExtractedAdapter =
      isOfImages
      ? try ImageExtractionPlan(base: models[0], tuned: models[1], options)
      : try ExtractionPlan(base: models[0], tuned: models[1], options)
    if let warning = plan.leftOutWarning { run.warn(warning) }
    var lines = [
      LabeledLine.text("base", arguments[0].title), LabeledLine.text("tuned", arguments[1].title),
      LabeledLine.text("extract", summary(plan)),
    ]
    lines += plan.newModuleLines
    try run.tell(
      lines, details: plan.units.map { LabeledLine.text("matrix", $0.name) }, units: plan.units.count, destination,
      members: { event in
        event.member("base", models[0].path)
        event.member("tuned", models[1].path)
        plan.writeLists(&event)
        event.member("unselected", plan.unselected)
      })
    if try run.endsDry() { return }
    let outcome = try run.write(plan.units, to: destination, as: identity(models)) { try plan.document($0) }
    let text = FactorText(outcome)
    if progress.verbose > 0 { run.write(text.details) }
    try run.finish(outcome, text.lines, members: text.write)
  }

  private func options(_ base: ModelArgument, _ tuned: Checkpoint) throws -> ExtractionOptions {
    var options = ExtractionOptions(rule: rank.rule ?? RankRule(.count(32)))
    let (wanted, unwanted) = (try pattern(target, "--target"), try pattern(exclude, "--exclude"))
    options.selects = { name in
      let isWanted = wanted.map { name.firstMatch(of: $0) != nil } ?? true
      return isWanted && !(unwanted.map { name.firstMatch(of: $0) != nil } ?? false)
    }
    options.leavesOutOthers = skipOther
    options.dtype = dtype.dtype(of: tuned.files.map(\.header))
    options.seed = seed
    options.baseName = base.title
    return options
  }

  private func identity(_ models: [Checkpoint]) throws -> MergeIdentity {
    let options: [MergeIdentity.Option] =
      rank.recorded + [
        .init(name: "target", value: target ?? ""), .init(name: "exclude", value: exclude ?? ""),
        .init(name: "skip-other", value: "\(skipOther)"), .init(name: "seed", value: "\(seed)"),
        .init(name: "dtype", value: (dtype.given ?? .float32).rawValue), .init(name: "base", value: base),
      ]
    return try MergeIdentity(
      command: "extract", version: Safemerge.number, options: options, models: models,
      interruption: Signals.interruption)
  }

  private func summary(_ plan: any ExtractedAdapter) -> String {
    var parts = [NumberText.counted(plan.units.count, "module")]
    if plan.savedTensorCount > 0 { parts.append("\(NumberText.counted(plan.savedTensorCount, "whole tensor"))") }
    if !plan.unselected.isEmpty {
      parts.append("\(NumberText.counted(plan.unselected.count, "module")) not selected")
    }
    return parts.joined(separator: ", ")
  }
}
