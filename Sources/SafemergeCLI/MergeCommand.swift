import Adapters
import ArgumentParser
import Checkpoints
import MergeEngine
import MergePlanning
import Safetensors
import TileKernels

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge PEFT LoRA adapters into a base checkpoint.",
    discussion: """
      The result has the base's layout: a file for a file, a folder with the same shards for a folder, with the base's \
      configuration and the tokenizer of the adapter if it has one, else of the base. Every tensor of the adapter is \
      used, or nothing is written.

      Examples:
        safemerge merge ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge --dry-run ./Llama-3.1-8B ./my-adapter
        safemerge merge base.safetensors ./my-adapter -o merged.safetensors
        safemerge merge ./base ./style=0.7 ./facts -o ./merged
        safemerge merge meta-llama/Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge ./my-adapter -o ./merged
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

  @OptionGroup var combine: CombineOptions

  @Option(
    help: "Write what the merge did to every tensor, and what rounding lost, to a new JSON file.",
    completion: .file(extensions: ["json"]))
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

  @Flag(name: [.short, .long], help: "Print errors only.")
  var quiet = false

  @Flag(name: [.short, .long], help: "Print every module and file.")
  var verbose = false

  func validate() throws {
    if output == nil, !dryRun { throw ValidationError("Give the result's name with --output.") }
    if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1.") }
    if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other.") }
  }

  func run() throws {
    var options = MergeEngine.Options(workers: try WorkerCount.of(jobs), kernels: try kernels())
    options.rounding = result.round.rounding
    options.nonFinite = onNonfinite
    options.collectsStatistics = report != nil
    options.computesChecksums = safety.sums || safety.verify != .none
    options.verification = safety.verify.reading
    options.interruption = Signals.interruption
    Signals.prepareForMerge()
    let start = ContinuousClock.now
    let models = try MergeModels(base, adapters)
    let (checkpoint, uses) = (models.checkpoint, models.uses)
    // The lock comes before any work: nothing is computed for an output that is taken or cannot be.
    let place = try output.map { try self.place($0, checkpoint, uses) }
    let staging = try dryRun ? nil : place.map { try StagingFolder($0, breaksLock: safety.breakLock) }
    if uses.count > 1, combine.method?.decomposes == true { options.decomposer = try decomposer() }
    let combined = try combinedAdapter(checkpoint, uses, options)
    let mergedUses = combined.map { [AdapterUse($0.adapter)] } ?? uses
    // Its temporary folder is needed until the merge is done.
    defer { withExtendedLifetime(combined) {} }
    let plan = try MergePlan(base: checkpoint, adapters: mergedUses, options: result.planning)
    if plan.needsDecompositions { options.decomposer = try decomposer() }
    try MatrixDecomposer.check(plan)
    let sideFiles = try sideFiles(checkpoint, uses, plan)
    let vocabulary = try VocabularyFit(plan, sideFiles)
    let reportPlace = try reportPlace(checkpoint, uses)
    options.copyMode = copy
    if let memory { try options.limitMemory(to: memory.byteCount, for: plan) }
    let text = PlanText(
      checkpoint: checkpoint, adapters: uses, plan: plan, sideFiles: sideFiles, vocabulary: vocabulary,
      memory: options.memoryNeed(plan), workers: options.workers, library: options.decomposer?.libraryName)
    if !quiet {
      for warning in models.warnings + (combined?.warnings ?? []) + plan.warnings { Diagnostics.warning(warning) }
    }
    if dryRun {
      var output = StandardOutput()
      for line in text.summary + text.details { try output.write(line + "\n") }
      return try output.finish()
    }
    if !quiet { for line in text.summary + (verbose ? text.details : []) { Diagnostics.write(line) } }
    guard let place, let staging else { return }
    let identity = try MergeIdentity(
      version: Safemerge.number, options: identityOptions(uses, library: options.decomposer?.libraryName),
      base: checkpoint, adapters: uses.map(\.adapter), plan: plan, sideFiles: sideFiles,
      interruption: options.interruption)
    let verification = ResultVerification(
      base: checkpoint, adapters: mergedUses, result: result, workers: options.workers,
      interruption: options.interruption, resultPath: place.path)
    if safety.verify == .full { options.judge = { try verification.verify($0) } }
    let line = ProgressLine(mode: progress, isQuiet: quiet)
    defer { line.finish() }
    let outcome = try MergeEngine(plan, options: options).run(
      in: staging, sideFiles: sideFiles, identity: identity, resumes: safety.resume
    ) { line.update($0) }
    line.finish()
    if !quiet { for note in verification.notes { Diagnostics.write(note) } }
    for tensor in outcome.nonFinite {
      Diagnostics.warning(tensor.warning)
    }
    try tell(outcome, plan, options, checkpoint, uses, at: reportPlace)
    if !quiet { Diagnostics.write(text.done(at: place.path, duration: ContinuousClock.now - start)) }
  }

  private func kernels() throws -> KernelSet {
    do throws(KernelSelectionError) {
      return try KernelSet.selected(environment: Surroundings.variables["SAFEMERGE_SIMD"])
    } catch { throw ValidationError("SAFEMERGE_SIMD: \(error.description)") }
  }

  /// The LAPACK that was named, or the system's: not to be found is found out before anything is written.
  private func decomposer() throws -> MatrixDecomposer {
    let name = Surroundings.variables["SAFEMERGE_LAPACK"] ?? ""
    return try MatrixDecomposer(lapack: name.isEmpty ? nil : name)
  }

  /// The adapters as one, where an option asks for more than their sum.
  private func combinedAdapter(
    _ checkpoint: Checkpoint, _ uses: [AdapterUse], _ engine: MergeEngine.Options
  ) throws -> CombinedAdapter? {
    guard let method = combine.combination(result.arithmetic) else { return nil }
    var options = CombinedAdapter.Options(
      temporaryFolder: CombineOptions.temporaryFolder(output: dryRun ? nil : output), workers: engine.workers,
      kernels: engine.kernels, computes: !dryRun)
    options.decomposer = engine.decomposer
    options.interruption = engine.interruption
    return try CombinedAdapter(uses, method: method, base: checkpoint, planning: result.planning, options: options)
  }

  private func sideFiles(_ checkpoint: Checkpoint, _ uses: [AdapterUse], _ plan: MergePlan) throws -> SideFiles {
    guard let folder = checkpoint.folder else { return .none }
    let written = Set(checkpoint.files.map(\.name) + plan.textFiles.map(\.name))
    let tokenizers = uses.map { Paths.folder($0.adapter.configPath) }.filter { SideFiles.hasTokenizer($0) }
    guard tokenizers.count <= 1 else { throw SeveralTokenizers(folders: tokenizers) }
    return try SideFiles(base: folder, weightFiles: written, adapter: tokenizers.first)
  }

  private func place(_ output: String, _ checkpoint: Checkpoint, _ uses: [AdapterUse]) throws -> OutputPlace {
    try OutputPlace(
      path: output, isFolder: checkpoint.folder != nil, inputs: inputPaths(checkpoint, uses), force: force)
  }

  /// The base, the adapters and their files, which nothing that is written may be, and the hub's cache, in which nothing
  /// is written.
  func inputPaths(_ checkpoint: Checkpoint, _ uses: [AdapterUse]) -> [String] {
    [checkpoint.path, ModelArgument.cache.path] + checkpoint.files.map(\.path)
      + uses.flatMap { [$0.adapter.path, $0.adapter.weightsPath, $0.adapter.configPath] }
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
