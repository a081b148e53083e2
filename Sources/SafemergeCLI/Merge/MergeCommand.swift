import Adapters
import ArgumentParser
import Checkpoints
import LinearAlgebra
import MergeEngine
import MergePlanning
import Platform
import Safetensors
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

  /// Whether lines for people are printed.
  var speaks: Bool { !quiet && !json }

  func run() throws {
    if json { EventStream.standard.begin() }
    // Who cannot be told anything is not worked for.
    try EventStream.standard.check()
    if output == nil, !dryRun { throw ValidationError("Give the result's name with --output.") }
    var options = MergeEngine.Options(workers: try WorkerCount.of(jobs), kernels: try kernels())
    options.rounding = result.round.rounding
    options.nonFinite = onNonfinite
    options.collectsStatistics = report != nil
    options.computesChecksums = safety.sums || safety.verify != .none
    options.verification = safety.verify.reading
    options.interruption = Signals.interruption
    Signals.prepareForMerge()
    Signals.endAtOnce(events: json)
    var clock = StepClock()
    let models = try MergeModels(base, adapters, workers: options.workers)
    let (checkpoint, uses) = (models.checkpoint, models.uses)
    // They stand beside an error too: a base that does not fit may want just these weights.
    for notice in MergeWarning.unreadWeights(uses) { warn(notice) }
    // The lock comes before any work: nothing is computed for an output that is taken or cannot be.
    let place = try output.map { try self.place($0, checkpoint, uses) }
    Signals.remember()
    let staging = try dryRun ? nil : place.map { try StagingFolder($0, breaksLock: safety.breakLock) }
    let workspace = try workspace(staging)
    // Its folder is needed until the merge is done.
    defer { withExtendedLifetime(workspace) {} }
    let temporary = leftovers(staging, workspace)
    Signals.endAtOnce(removing: temporary, events: json)
    if uses.count > 1, combine.method?.decomposes == true { options.decomposer = try decomposer() }
    clock.finish("headers")
    let combined = try combinedAdapter(checkpoint, uses, options, folder: workspace?.path)
    let mergedUses = combined.map { [AdapterUse($0.adapter)] } ?? uses
    let plan: MergePlan
    do { plan = try MergePlan(base: checkpoint, adapters: mergedUses, options: result.planning) } catch {
      // What was odd about the base's files may be why nothing fits.
      for warning in checkpoint.warnings { warn(warning) }
      throw error
    }
    if plan.needsDecompositions { options.decomposer = try decomposer() }
    try MatrixDecomposer.check(plan)
    let sideFiles = try SideFiles(
      plan, base: checkpoint, adapters: uses.map(\.adapter), selection: side.selection)
    let vocabulary = try VocabularyCheck(plan, sideFiles)
    let reportPlace = try reportPlace(checkpoint, uses)
    options.copyMode = copy
    if let memory { try options.limitMemory(to: memory.byteCount, for: plan) }
    let text = PlanText(
      checkpoint: checkpoint, adapters: uses, plan: plan, sideFiles: sideFiles, vocabulary: vocabulary,
      fileSizes: result.fileSizes, memory: options.memoryNeed(plan), workers: options.workers,
      library: options.decomposer?.libraryName)
    let warnings = models.warnings + (combined?.warnings ?? []) + plan.warnings + sideFiles.warnings
    for warning in warnings { warn(warning) }
    // Those of a combined adapter are none: they are the adapters' that were given.
    for notice in MergeWarning.zeroScalings(uses) { warn(notice) }
    let repeated = try RepeatedAdapters.warnings(
      uses.map(\.adapter), base: checkpoint, interruption: options.interruption)
    for notice in repeated { warn(notice) }
    // An event is written whole.
    Signals.remember()
    EventStream.standard.plan(text, output: output, isDryRun: dryRun)
    Signals.endAtOnce(removing: temporary, events: json)
    clock.finish("plan")
    if dryRun { return try finishDryRun(text, clock) }
    if speaks {
      for line in text.summary + (verbose > 0 ? text.details(copies: verbose > 1) : []) { Diagnostics.write(line) }
      if verbose > 1 { Diagnostics.write("using    kernels \(options.kernels.name), copies \(copy.rawValue)") }
    }
    guard let place, let staging else { return }
    let identity = try MergeIdentity(
      version: Safemerge.number, options: identityOptions(uses, options.decomposer),
      base: checkpoint, adapters: uses.map(\.adapter), plan: plan, sideFiles: sideFiles, workers: options.workers,
      interruption: options.interruption)
    let verification = ResultVerification(
      base: checkpoint, adapters: mergedUses, result: result, workers: options.workers,
      interruption: options.interruption, resultPath: place.path)
    if safety.verify == .full { options.judge = { try verification.verify($0) } }
    clock.finish("inputs")
    let line = ProgressLine(mode: progress, isQuiet: quiet, events: json ? .standard : nil)
    defer { line.finish() }
    let engine = MergeEngine(plan, options: options)
    tellWhatIsMadeAgain(plan, output: place.path)
    Signals.remember()
    let outcome = try engine.run(
      in: staging, sideFiles: sideFiles, identity: identity, resumes: safety.resume
    ) { line.update($0) }
    line.finish()
    clock.finish("weights")
    for note in verification.notes { tell(note: note) }
    for shard in outcome.shards where shard.isKept { EventStream.standard.shard(shard) }
    try tell(outcome, plan, options, checkpoint, uses, at: reportPlace)
    clock.finish("report")
    if speaks, verbose > 1 { Diagnostics.write(clock.line) }
    try finish(
      MergeSummary(
        plan: text, output: place.path, isDryRun: false, shards: outcome.shards, keptByteCount: outcome.keptByteCount,
        verification: safety.verify, duration: clock.duration, peakMemory: ProcessMemory.peak))
  }

  /// Says what was done.
  private func finish(_ summary: MergeSummary) throws {
    if speaks { for line in summary.lines { Diagnostics.write(line) } }
    EventStream.standard.done(summary)
    try EventStream.standard.check()
  }

  private func finishDryRun(_ text: PlanText, _ clock: StepClock) throws {
    if json {
      return try finish(
        MergeSummary(
          plan: text, output: output, isDryRun: true, shards: [], keptByteCount: 0, verification: safety.verify,
          duration: clock.duration, peakMemory: ProcessMemory.peak))
    }
    var output = StandardOutput()
    for line in text.summary + text.details(copies: true) { try output.write(line + "\n") }
    try output.finish()
  }

  /// What is worth knowing and no reason to worry.
  func tell(note: String) {
    if speaks { Diagnostics.write(note) }
    EventStream.standard.note(note)
  }

  /// A warning is about a result that may not be what was meant: `--quiet` does not silence it.
  func warn(_ message: String) {
    Diagnostics.warning(message)
    EventStream.standard.warning(message)
  }

  func warn(_ notice: MergeWarning) {
    Diagnostics.warning(notice.message)
    EventStream.standard.warning(notice.message, kind: notice.kind)
  }

  private func kernels() throws -> KernelSet {
    do throws(KernelSelectionError) {
      return try KernelSet.selected(environment: ProcessEnvironment.variables["SAFEMERGE_SIMD"])
    } catch { throw ValidationError("SAFEMERGE_SIMD: \(error.description)") }
  }

  /// The LAPACK that was named, or the system's: not to be found is found out before anything is written.
  private func decomposer() throws -> MatrixDecomposer {
    let name = ProcessEnvironment.variables["SAFEMERGE_LAPACK"] ?? ""
    return try MatrixDecomposer(lapack: name.isEmpty ? nil : name)
  }

  /// Where the factors of a combined adapter are until the merge is done; nil: there will be none.
  private func workspace(_ staging: StagingFolder?) throws -> TemporaryFolder? {
    guard combine.combination(result.arithmetic) != nil else { return nil }
    if let folder = CombineOptions.temporaryFolder { return try TemporaryFolder(in: folder) }
    return try staging.map { try TemporaryFolder(in: $0) } ?? TemporaryFolder(in: ProcessEnvironment.temporaryFolder)
  }

  /// What this run has made so far, for a signal that ends it: files before their folders.
  private func leftovers(_ staging: StagingFolder?, _ workspace: TemporaryFolder?) -> [String] {
    var paths: [String] = []
    if let workspace {
      paths += (CombinedAdapter.fileNames + ["lock"]).map { Paths.join(workspace.path, $0) } + [workspace.path]
    }
    if let staging { paths += [staging.lockPath, staging.path] }
    return paths
  }

  /// The adapters as one, where an option asks for more than their sum.
  private func combinedAdapter(
    _ checkpoint: Checkpoint, _ uses: [AdapterUse], _ engine: MergeEngine.Options, folder: String?
  ) throws -> CombinedAdapter? {
    guard let method = combine.combination(result.arithmetic), let folder else { return nil }
    var options = CombinedAdapter.Options(
      temporaryFolder: folder, workers: engine.workers, kernels: engine.kernels, computes: !dryRun)
    options.folder = folder
    options.decomposer = engine.decomposer
    options.interruption = engine.interruption
    return try CombinedAdapter(uses, method: method, base: checkpoint, planning: result.planning, options: options)
  }

  private func place(_ output: String, _ checkpoint: Checkpoint, _ uses: [AdapterUse]) throws -> OutputPlace {
    // Nothing is written in the hub's cache.
    try OutputPlace(
      path: output, base: checkpoint, adapters: uses.map(\.adapter), inputs: [ModelArgument.cache.path],
      isFolder: checkpoint.folder != nil || result.maxShardSize != nil, force: force)
  }
}

extension MergeOptions.Tied: ExpressibleByArgument {}
extension MergeOptions.Arithmetic: ExpressibleByArgument {}
extension CopyMode: ExpressibleByArgument {}
extension MergeEngine.NonFinite: ExpressibleByArgument {}
extension ExpertLayout: ExpressibleByArgument {}

/// `nearest`, or `stochastic:SEED`.
struct RoundingArgument: ExpressibleByArgument {
  let rounding: MergeEngine.Rounding

  var isStochastic: Bool {
    if case .stochastic = rounding { true } else { false }
  }

  init(rounding: MergeEngine.Rounding) { self.rounding = rounding }

  init?(argument: String) {
    if argument == "nearest" {
      rounding = .nearest
    } else if argument.hasPrefix("stochastic:"), let seed = UInt64(argument.dropFirst("stochastic:".count)) {
      rounding = .stochastic(seed: seed)
    } else {
      return nil
    }
  }

  var defaultValueDescription: String { "nearest" }
}
extension MergeOptions.AttentionOutput: ExpressibleByArgument {}

enum OutputDType: String, CaseIterable, ExpressibleByArgument {
  case same, bf16, f16, f32

  var dtype: DType? {
    switch self {
    case .same: nil
    case .bf16: .bf16
    case .f16: .f16
    case .f32: .f32
    }
  }
}
