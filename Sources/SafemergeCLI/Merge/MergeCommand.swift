import Adapters
import ArgumentParser
import Checkpoints
import MergeEngine
import MergePlanning
import Merging
import Reports
import Staging
import TileKernels

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge PEFT LoRA adapters into a base checkpoint.",
    discussion: """
      The result has the base's layout unless an option asks for another: a file for a file, a folder with the same \
      shards for a folder, with everything else of the base's folder but weights \
      in other formats and training state, and the tokenizer of the adapter if it has one. Every tensor of the adapter is \
      used, or nothing is written.

      Examples:
        safemerge merge ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge --dry-run ./Llama-3.1-8B ./my-adapter
        safemerge merge base.safetensors ./my-adapter -o merged.safetensors
        safemerge merge ./base ./style=0.7 ./facts -o ./merged
        safemerge merge meta-llama/Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge ./my-adapter -o ./merged
        safemerge merge ./base ./my-adapter -o ./merged --max-shard-size 5GB
      """)

  @Argument(
    help: """
      A folder with a model, its index file, one safetensors file, or a model of the hub in the local cache: ORG/NAME, \
      ORG/NAME@REVISION, hf://... May be left out if the adapters name it.
      """, completion: .model)
  var base: String

  @Argument(
    help: """
      Folders with adapter_config.json and adapter_model.safetensors, or adapters of the hub in the local cache; \
      ADAPTER=W merges W times the adapter.
      """, completion: .directory)
  var adapters: [String] = []

  @Option(
    name: [.short, .long], help: "The new folder, or the new .safetensors file for a base that is one file.",
    completion: .model)
  var output: String?

  @OptionGroup var result: ResultOptions

  @Option(
    help: """
      What happens if finite elements become infinite or NaN: \
      \(MergeEngine.NonFinite.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var onNonfinite: MergeEngine.NonFinite = .fail

  @OptionGroup var side: SideFileOptions

  @OptionGroup var combine: CombineOptions

  @Option(
    help: """
      Write what the merge did to every tensor, and what rounding lost, to a new JSON file; to one that ends in .html, as \
      a page for a browser.
      """, completion: .file(extensions: ["json", "html"]))
  var report: String?

  @Flag(
    help: """
      Write README.md, a model card for the Hugging Face hub: base, adapters, weights, options and how the result was \
      verified.
      """)
  var modelCard = false

  @Flag(name: [.customShort("n"), .long], help: "Check everything and print the plan; compute and write nothing.")
  var dryRun = false

  @Flag(name: [.short, .long], help: "Replace an output that is a model; nothing else is ever replaced.")
  var force = false

  @Option(name: [.short, .long], help: "Threads. Default: SAFEMERGE_THREADS, else the number of processors.")
  var jobs: Int?

  @Option(help: "The memory that the merge may hold, such as 64M or 2G; less is an error that says how much it takes.")
  var memory: SizeArgument?

  @Option(
    help: """
      How bytes that are not changed are copied; reflink shares the base's blocks or fails: \
      \(CopyMode.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var copy: CopyMode = .auto

  @OptionGroup var safety: SafetyOptions

  @Option(help: "\(ProgressLine.Mode.allCases.map(\.rawValue).joined(separator: ", ")).")
  var progress: ProgressLine.Mode = .auto

  @Flag(name: [.short, .long], help: "Print warnings and errors only.")
  var quiet = false

  @Flag(
    name: [.short, .long], help: "Print every module and file; twice: every tensor and how long each step took, too.")
  var verbose: Int

  @Flag(
    help: """
      Write events to standard output, a JSON object a line, in place of the lines for people on standard error; errors \
      and warnings come on both.
      """)
  var json = false

  func validate() throws {
    if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1.") }
    if safety.verify == .full, result.requantize != nil {
      throw ValidationError("--verify full does not compute the codes of --requantize again; --verify read reads them.")
    }
    if safety.verify == .full, result.baseWas != nil {
      throw ValidationError("--verify full does not quantise for --base-was again; --verify read reads the result.")
    }
    if quiet, verbose > 0 { throw ValidationError("--quiet and --verbose exclude each other.") }
  }

  /// Request, prepare, report the plan, run, report the outcome.
  func run() throws {
    if json { EventStream.standard.begin() }
    // Do not start if the events cannot be written.
    try EventStream.standard.check()
    if output == nil, !dryRun { throw ValidationError("Give the result's name with --output.") }
    let engine = try engineOptions()
    Signals.prepareForMerge()
    Signals.endAtOnce(events: json)
    var clock = StepClock()
    let teller = MergeTeller(isQuiet: quiet, verbosity: verbose, isJSON: json)
    let request = request(try MergeModels(base, adapters, workers: engine.workers), engine)
    // They are printed before an error too: a base that does not fit may need these weights.
    for notice in MergeWarning.unreadWeights(request.adapters) { teller.warn(notice.message, notice.kind) }
    Signals.remember()
    // Lock before any work: nothing is computed for an output that is in use or impossible.
    let reserved = try request.reserve()
    Signals.endAtOnce(removing: reserved.temporaryPaths, events: json)
    clock.finish("headers")
    let merge = try request.prepare(in: reserved, warn: teller.warn)
    let text = PlanText(merge)
    // A signal must not cut an event.
    Signals.remember()
    EventStream.standard.plan(text, output: output, isDryRun: dryRun)
    Signals.endAtOnce(removing: reserved.temporaryPaths, events: json)
    clock.finish("plan")
    if dryRun {
      return try teller.finishDryRun(
        text, MergeSummary(dryRunOf: text, output: output, verification: safety.verify, duration: clock.duration))
    }
    teller.tell(text, merge.engine)
    let identity = try merge.identity()
    clock.finish("inputs")
    let line = ProgressLine(mode: progress, isQuiet: quiet, events: json ? .standard : nil)
    defer { line.finish() }
    teller.tellWhatIsMadeAgain(merge)
    Signals.remember()
    let outcome = try merge.run(as: identity) { line.update($0) }
    line.finish()
    clock.finish("weights")
    teller.tell(outcome)
    try writeReport(merge, outcome, teller)
    clock.finish("report")
    teller.tell(clock)
    try teller.finish(MergeSummary(text, outcome, merge, duration: clock.duration))
  }

  private func engineOptions() throws -> MergeEngine.Options {
    var options = MergeEngine.Options(workers: try WorkerCount.of(jobs), kernels: try kernels())
    options.rounding = result.round.rounding
    options.nonFinite = onNonfinite
    options.collectsStatistics = report != nil
    options.computesChecksums = safety.sums
    options.copyMode = copy
    options.interruption = Signals.interruption
    return options
  }

  private func kernels() throws -> KernelSet {
    do throws(KernelSelectionError) {
      return try KernelSet.selected(environment: ProcessEnvironment.variables["SAFEMERGE_SIMD"])
    } catch { throw ValidationError("SAFEMERGE_SIMD: \(error.description)") }
  }

  /// The request as typed, with its models.
  private func request(_ models: MergeModels, _ engine: MergeEngine.Options) -> MergeRequest {
    var request = MergeRequest(base: models.checkpoint, adapters: models.uses, output: output)
    request.planning = result.planning
    request.combination = combine.combination(result.arithmetic)
    request.sideFiles = side.selection
    request.engine = engine
    request.memoryLimit = memory?.byteCount
    request.lapack = ProcessEnvironment.variables["SAFEMERGE_LAPACK"].flatMap { $0.isEmpty ? nil : $0 }
    request.isDryRun = dryRun
    request.force = force
    request.breaksLock = safety.breakLock
    request.report = report
    // Nothing is written to the Hugging Face cache.
    request.protectedPaths = [ModelArgument.cache.path]
    request.temporaryFolder = CombineOptions.temporaryFolder ?? (dryRun ? ProcessEnvironment.temporaryFolder : nil)
    request.resumes = safety.resume
    request.verification = safety.verify
    request.record = MergeRequest.Record(version: Safemerge.number, options: recorded)
    request.warnings = models.warnings
    if modelCard {
      let options = recorded.filter { !Self.defaults.contains($0) && $0.name != "model-card" }
      request.modelCard = ModelCardRequest(base: models.cardBase, adapters: models.cardAdapters, options: options)
    }
    return request
  }

  /// Every option that affects the bytes of the result, under its name on the command line.
  var recorded: [MergeIdentity.Option] {
    reported + combine.recordedOfDecomposition + (modelCard ? [.init(name: "model-card", value: "true")] : [])
  }

  /// The recorded options of a command without options.
  private static var defaults: [MergeIdentity.Option] { (try? MergeCommand.parse([""]))?.recorded ?? [] }

  /// The recorded options that a report shows.
  private var reported: [MergeIdentity.Option] {
    result.recorded + [.init(name: "on-nonfinite", value: onNonfinite.rawValue)] + combine.recorded
  }

  /// Writes the report, if requested, and prints a summary of it.
  private func writeReport(_ merge: PreparedMerge, _ outcome: MergeOutcome, _ teller: MergeTeller) throws {
    guard let place = merge.reportPlace else { return }
    // A report on a model of many tensors takes seconds, and the result is already in place.
    Signals.endAtOnce(saying: "interrupted; the result is complete, its report was not written", events: json)
    let request = MergeReport.Request(
      program: Safemerge.version, base: merge.request.base.path, adapters: MergeTeller.reportedAdapters(merge.request),
      output: output ?? "", options: reported)
    let report = MergeReport(request, plan: merge.plan, options: merge.engine, outcome: outcome.weights)
    let isPage = place.path.hasSuffix(".html") || place.path.hasSuffix(".htm")
    let json = report.json
    let text = isPage ? try ReportPage(ReportDocument(json.span, path: place.path)).html : json
    Signals.remember()
    try place.write(text)
    teller.tell(report, at: place)
  }
}

extension MergeOptions.Tied: ExpressibleByArgument {}
extension MergeOptions.Arithmetic: ExpressibleByArgument {}
extension MergeOptions.AttentionOutput: ExpressibleByArgument {}
extension CopyMode: ExpressibleByArgument {}
extension MergeEngine.NonFinite: ExpressibleByArgument {}
extension ExpertLayout: ExpressibleByArgument {}
extension MergeRequest.Verification: ExpressibleByArgument {}
