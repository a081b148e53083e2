import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Platform
import Reports
import Staging
import TileKernels

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge adapters into a base model.",
    usage: "safemerge merge [<options>] <base> <adapter> ... --output <path>",
    discussion: """
      The output has the layout of the base: a file for a file, a folder with the same shards for a folder. Config and \
      tokenizer files are copied. Every tensor of the adapters is used, or nothing is written.

      Examples:
        safemerge merge ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge meta-llama/Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge ./base ./style=0.7 ./facts -o ./merged
        safemerge merge ./my-adapter -o ./merged
        safemerge merge --dry-run ./Llama-3.1-8B ./my-adapter
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: """
      The base model: a folder, an index file, a .safetensors file, or a Hugging Face model ID in the local cache (ORG/NAME, \
      ORG/NAME@REVISION, hf://...). Optional if the adapters name it.
      """, completion: .model)
  var base: String

  @Argument(
    help: ArgumentHelp(
      "Adapter folders or Hugging Face IDs in the local cache. ADAPTER=0.5 merges the adapter with a weight of 0.5.",
      valueName: "adapter"), completion: .directory)
  var adapters: [String] = []

  @OptionGroup(title: "Output")
  var place: OutputOptions

  @OptionGroup(title: "Adapters")
  var combine: CombineOptions

  @OptionGroup var result: ResultOptions

  @OptionGroup(title: "Output")
  var side: SideFileOptions

  @OptionGroup(title: "Output")
  var writing: WritingOptions

  @OptionGroup(title: "Output")
  var parts: PartOptions

  @OptionGroup(title: "Checks")
  var checking: CheckingOptions

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
    if parts.isUsed { try validateParts() }
    if checking.verify == .full, result.quantization.qlora != nil {
      throw ValidationError(
        "--verify full does not support --qlora", hint: "use --verify read, which reads the output back from disk")
    }
  }

  /// What parts of a merge do not support.
  private func validateParts() throws {
    let name = parts.finish ? "--finish" : "--part"
    for (isGiven, option, hint) in [
      (place.force, "--force", "remove the output first"), (combine.method != nil, "--combine", nil),
      (
        checking.verify == .full, "--verify full",
        "check the result: safemerge check OUTPUT --against BASE --adapter ADAPTER"
      ),
      (writing.breakLock, "--break-lock", "parts have no lock"),
      (!writing.resume, "--no-resume", "remove the parts first: safemerge clean OUTPUT --yes"),
      (parts.finish && place.dryRun, "--dry-run", nil),
    ] as [(Bool, String, String?)] where isGiven {
      throw ValidationError("\(name) does not support \(option)", hint: hint ?? "run the merge without \(name)")
    }
  }

  /// Request, prepare, report the plan, run, report the outcome.
  func run() throws {
    let (output, dryRun, json) = (place.output, place.dryRun, format.format == .json)
    if json { EventStream.standard.begin(command: "merge") }
    // Do not start if the events cannot be written.
    try EventStream.standard.check()
    if output == nil, !dryRun {
      throw ValidationError(
        "missing required option --output (-o): where to write the merged model", hint: "for example -o merged")
    }
    let engine = try engineOptions()
    let part = try parts.part?.chosen(ProcessEnvironment.variables)
    Signals.prepareForMerge()
    Signals.endAtOnce(events: json)
    var clock = StepClock()
    let teller = MergeTeller(isQuiet: progress.quiet, verbosity: progress.verbose, isJSON: json)
    let request = request(
      try MergeModels(base, adapters, workers: engine.workers, variant: result.base.variant), engine)
    // They are printed before an error too: a base that does not fit may need these weights.
    for notice in MergeWarning.unreadWeights(request.adapters) { teller.warn(notice.message, notice.kind) }
    Signals.remember()
    // Lock before any work: nothing is computed for an output that is in use or impossible.
    let reserved = try request.reserve()
    Signals.endAtOnce(removing: reserved.temporaryPaths, events: json)
    clock.finish("headers")
    let merge = try request.prepare(in: reserved, warn: teller.warn)
    let text = PlanText(merge)
    let report = ReportFile(merge, options: reported)
    let partRun =
      parts.isUsed ? PartRun(options: parts, part: part, merge: merge, teller: teller, report: report) : nil
    try partRun?.check()
    // A signal must not cut an event.
    Signals.remember()
    EventStream.standard.plan(text, output: output, isDryRun: dryRun)
    Signals.endAtOnce(removing: reserved.temporaryPaths, events: json)
    clock.finish("plan")
    if dryRun {
      return try teller.finishDryRun(
        text, MergeSummary(dryRunOf: text, output: output, verification: checking.verify, duration: clock.duration))
    }
    teller.tell(text, merge.engine)
    partRun?.announce()
    let identity = try merge.identity()
    clock.finish("inputs")
    let line = ProgressLine(
      mode: progress.progress, isQuiet: progress.quiet, namesShards: progress.verbose > 0,
      events: json ? .standard : nil)
    defer { line.finish() }
    if let partRun, let identity {
      Signals.remember()
      return try naming(request.adapters, engine.workers, line) { try partRun.run(as: identity, line, &clock) }
    }
    teller.tellWhatIsMadeAgain(merge)
    Signals.remember()
    let outcome = try naming(request.adapters, engine.workers, line) {
      try merge.run(as: identity) { line.update($0) }
    }
    line.finish()
    clock.finish("weights")
    teller.tell(outcome)
    try report?.write(outcome, teller)
    clock.finish("report")
    teller.tell(clock)
    try teller.finish(MergeSummary(text, outcome, merge, duration: clock.duration))
  }

  /// Runs a merge; of an adapter that is damaged, the error names that instead of a tensor of the output.
  private func naming<Result>(
    _ adapters: [AdapterUse], _ workers: Int, _ line: ProgressLine, _ body: () throws -> Result
  ) throws -> Result {
    do { return try body() } catch let error as any ReportableError {
      line.finish()
      throw DamagedAdapter(error, adapters, workers: workers) ?? error
    }
  }

  private func engineOptions() throws -> MergeEngine.Options {
    var options = MergeEngine.Options(
      workers: try WorkerCount.of(resources.threads.jobs), kernels: try KernelSet.chosen())
    options.rounding = result.round.rounding
    options.nonFinite = checking.onNonfinite
    options.collectsStatistics = place.report != nil
    options.computesChecksums = checking.checksums
    options.copyMode = writing.reflink
    options.interruption = Signals.interruption
    return options
  }

  /// The request as typed, with its models.
  private func request(_ models: MergeModels, _ engine: MergeEngine.Options) -> MergeRequest {
    var request = MergeRequest(base: models.checkpoint, adapters: models.uses, output: place.output)
    request.planning = result.planning
    request.combination = combine.combination(result.arithmetic)
    request.sideFiles = side.selection
    request.engine = engine
    request.memoryLimit = resources.memory?.byteCount
    request.lapack = ProcessEnvironment.lapack
    request.isDryRun = place.dryRun
    request.isInParts = parts.isUsed
    request.force = place.force
    request.breaksLock = writing.breakLock
    request.report = place.report
    // Nothing is written to the Hugging Face cache.
    request.protectedPaths = [ModelArgument.cache.path]
    request.temporaryFolder =
      CombineOptions.temporaryFolder ?? (place.dryRun ? ProcessEnvironment.temporaryFolder : nil)
    request.resumes = writing.resume
    request.verification = checking.verify
    request.record = MergeRequest.Record(version: Safemerge.number, options: recorded)
    request.warnings = models.warnings
    if place.modelCard {
      let options = recorded.filter { !Self.defaults.contains($0) && $0.name != "model-card" }
      request.modelCard = ModelCardRequest(base: models.cardBase, adapters: models.cardAdapters, options: options)
    }
    return request
  }

  /// Every option that affects the bytes of the result, under its name on the command line.
  var recorded: [MergeIdentity.Option] {
    reported + combine.recordedOfDecomposition + (place.modelCard ? [.init(name: "model-card", value: "true")] : [])
  }

  /// The recorded options of a command without options.
  private static var defaults: [MergeIdentity.Option] { (try? MergeCommand.parse([""]))?.recorded ?? [] }

  /// The recorded options that a report shows.
  private var reported: [MergeIdentity.Option] {
    result.recorded + [.init(name: "on-nonfinite", value: checking.onNonfinite.rawValue)] + combine.recorded
  }
}
