import Adapters
import ArgumentParser
import Checkpoints
import Inspection
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Platform
import Staging
import TileKernels

/// Takes adapters out of a model that they were merged into.
struct UnmergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unmerge",
    abstract: "Subtract adapters from a model that they were merged into.",
    usage: "safemerge unmerge [<options>] <merged> <adapter> ... --output <path>",
    discussion: """
      The output is the merged model without the adapters' deltas, rounded once. In 16 bits it is not always the base to the \
      last bit: the summary says how many elements would differ after merging the adapters again. The record of the merge \
      tells which adapters were merged, and their weights.

      Examples:
        safemerge unmerge ./merged ./my-adapter -o ./base
        safemerge unmerge ./merged ./style=0.7 -o ./without-style
        safemerge unmerge ./merged ./my-adapter -o ./base --against ./Llama-3.1-8B
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help:
      "The merged model: a folder, an index file, a .safetensors file, or a Hugging Face model ID in the local cache.",
    completion: .model)
  var merged: String

  @Argument(
    help: ArgumentHelp(
      "Adapter folders or Hugging Face IDs in the local cache. ADAPTER=0.5 was merged with a weight of 0.5.",
      valueName: "adapter"), completion: .directory)
  var adapters: [String]

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The output: a folder, or a .safetensors file if the merged model is one file.", valueName: "path"),
    completion: .model)
  var output: String?

  @Flag(name: [.short, .long], help: "Replace an existing output, if it is a model.")
  var force = false

  @Flag(name: [.customShort("n"), .long], help: "Run all checks and print the plan; write nothing.")
  var dryRun = false

  @Option(
    help: ArgumentHelp("Compare the output with this model, usually the base of the merge.", valueName: "model"),
    completion: .model)
  var against: String?

  @Flag(help: "Take the adapters out even if the record of the merge does not have them, or has other weights.")
  var ignoreRecord = false

  @OptionGroup(title: "Base")
  var variant: VariantOptions

  @OptionGroup(title: "Adapters")
  var modules: ModuleOptions

  @OptionGroup(title: "Output")
  var writing: WritingOptions

  @OptionGroup(title: "Resources")
  var resources: ResourceOptions

  @OptionGroup(title: "Display")
  var progress: ProgressOptions

  @OptionGroup(title: "Display")
  var format: FormatOptions<Format>

  @OptionGroup(title: "Display")
  var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if output == nil, !dryRun {
      throw ValidationError(
        "missing required option --output (-o): where to write the model without the adapters",
        hint: "for example -o base")
    }
    if against != nil, dryRun { throw ValidationError("--against compares the output, and a dry run has none") }
  }

  func run() throws {
    let isJSON = format.format == .json
    if isJSON { EventStream.standard.begin(command: "unmerge") }
    try EventStream.standard.check()
    let workers = try WorkerCount.of(resources.threads.jobs)
    Signals.prepareForMerge()
    Signals.endAtOnce(events: isJSON)
    var clock = StepClock()
    let teller = MergeTeller(isQuiet: progress.quiet, verbosity: progress.verbose, isJSON: isJSON)
    let argument = try against.map { try ModelArgument($0) }
    let request = try request(workers: workers, argument)
    let original = try argument.map {
      try OriginalModel($0, merged: request.base.path, variant: variant.variant, workers: workers)
    }
    Signals.remember()
    let reserved = try request.reserve()
    Signals.endAtOnce(removing: reserved.temporaryPaths, events: isJSON)
    clock.finish("headers")
    let merge = try request.prepare(in: reserved, warn: teller.warn)
    let text = PlanText(merge)
    Signals.remember()
    EventStream.standard.plan(text, output: output, isDryRun: dryRun)
    Signals.endAtOnce(removing: reserved.temporaryPaths, events: isJSON)
    clock.finish("plan")
    if dryRun {
      return try teller.finishDryRun(
        text, MergeSummary(dryRunOf: text, output: output, verification: .none, duration: clock.duration))
    }
    teller.tell(text, merge.engine)
    let identity = try merge.identity()
    clock.finish("inputs")
    let line = ProgressLine(
      mode: progress.progress, isQuiet: progress.quiet, namesShards: progress.verbose > 0,
      events: isJSON ? .standard : nil)
    defer { line.finish() }
    Signals.remember()
    let outcome = try merge.run(as: identity) { line.update($0) }
    line.finish()
    clock.finish("weights")
    teller.tell(outcome)
    teller.tell(returned: ReturnedText(outcome.weights.returned))
    if let original, let output { try compare(original, output, teller, isJSON) }
    teller.tell(clock)
    try teller.finish(MergeSummary(text, outcome, merge, duration: clock.duration))
  }

  private func request(workers: Int, _ original: ModelArgument?) throws -> MergeRequest {
    let model = try ModelArgument(merged)
    if let error = AdapterAsBase(model.path, isAlone: false) { throw error }
    let arguments = try adapters.map(AdapterArgument.init)
    let found = try arguments.map { try $0.model.read(Adapter.init(path:)) }
    let base = try model.read { try Checkpoint(path: $0, workers: workers, variant: variant.variant) }
    // A record that is ignored may be unusable.
    let record = ignoreRecord ? (try? RecordedMerge(of: model.path)) : try RecordedMerge(of: model.path)
    var merged = MergedWeights(record, isIgnored: ignoreRecord)
    let weights = try merged.weights(of: zip(found, arguments.map(\.givenWeight)).map { $0 })
    var request = MergeRequest(
      base: base, adapters: zip(found, weights).map { AdapterUse($0, $1.negated) }, output: output)
    request.isUnmerge = true
    request.planning = planning
    request.engine = MergeEngine.Options(workers: workers, kernels: try KernelSet.chosen())
    request.engine.copyMode = writing.reflink
    request.engine.interruption = Signals.interruption
    request.memoryLimit = resources.memory?.byteCount
    request.lapack = ProcessEnvironment.lapack
    request.isDryRun = dryRun
    request.force = force
    request.breaksLock = writing.breakLock
    // Nothing is written to the Hugging Face cache, nor to the model that is compared with.
    request.protectedPaths = [ModelArgument.cache.path] + [original?.path].compactMap { $0 }
    request.resumes = writing.resume
    let command = MergeIdentity.Option(name: "command", value: MergeRequest.unmergeCommand)
    request.record = MergeRequest.Record(version: Safemerge.number, options: [command] + recorded + merged.remaining)
    return request
  }

  /// The options that decide how the adapters' modules are found.
  private var planning: MergeOptions {
    var options = MergeOptions()
    modules.apply(to: &options)
    return options
  }

  /// Every option that affects the bytes of the result.
  private var recorded: [MergeIdentity.Option] {
    modules.recorded + (variant.variant.map { [.init(name: "variant", value: $0)] } ?? [])
  }

  /// Compares the result, which is in place, with a model.
  private func compare(
    _ original: OriginalModel, _ output: String, _ teller: MergeTeller, _ isJSON: Bool
  ) throws {
    Signals.endAtOnce(
      saying: "interrupted; the output is complete, but it was not compared", events: isJSON)
    let difference = try original.difference(to: output)
    Signals.remember()
    teller.tell(compared: ComparedText(difference, with: original.argument.title))
  }
}
