import Adapters
import ArgumentParser
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import Safetensors
import TileKernels

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Merge a PEFT LoRA adapter into a base checkpoint.",
    discussion: """
      The result has the base's layout: a file for a file, a folder with the same shards for a folder, with the base's \
      configuration and the tokenizer of the adapter if it has one, else of the base. Every tensor of the adapter is \
      used, or nothing is written.

      Examples:
        safemerge merge ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge --dry-run ./Llama-3.1-8B ./my-adapter
        safemerge merge base.safetensors ./my-adapter -o merged.safetensors
      """)

  @Argument(help: "A folder with a model, its index file, or one safetensors file.", completion: .directory)
  var base: String

  @Argument(help: "A folder with adapter_config.json and adapter_model.safetensors.", completion: .directory)
  var adapter: String

  @Option(name: [.short, .long], help: "The new folder, or the new .safetensors file for a base that is one file.")
  var output: String?

  @Flag(name: [.customShort("n"), .long], help: "Check everything and print the plan; compute and write nothing.")
  var dryRun = false

  @Flag(name: [.short, .long], help: "Replace an output that is a model; nothing else is ever replaced.")
  var force = false

  @Option(name: [.short, .long], help: "Threads. Default: SAFEMERGE_THREADS, else the number of processors.")
  var jobs: Int?

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
    let options = MergeEngine.Options(workers: try workerCount(), kernels: try kernels())
    // A closed standard output and a file size limit are errors of single calls, not the end of the merge.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    let start = ContinuousClock.now
    let checkpoint = try Checkpoint(path: base)
    let adapter = try Adapter(folder: adapter)
    let plan = try MergePlan(base: checkpoint, adapter: adapter)
    let sideFiles = try sideFiles(checkpoint)
    let place = try output.map { try self.place($0, checkpoint, adapter) }
    let text = PlanText(
      checkpoint: checkpoint, adapter: adapter, plan: plan, sideFiles: sideFiles,
      memory: MemoryNeed(plan, workers: options.workers), workers: options.workers)
    if !quiet { for warning in plan.warnings { Diagnostics.warning(warning) } }
    if dryRun {
      var output = StandardOutput()
      for line in text.summary + text.details { try output.write(line + "\n") }
      return try output.finish()
    }
    if !quiet { for line in text.summary + (verbose ? text.details : []) { Diagnostics.write(line) } }
    guard let place else { return }
    let line = ProgressLine(mode: progress, isQuiet: quiet)
    defer { line.finish() }
    try MergeEngine(plan, options: options).run(to: place, sideFiles: sideFiles) { line.update($0) }
    line.finish()
    if !quiet { Diagnostics.write(text.done(at: place.path, duration: ContinuousClock.now - start)) }
  }

  private func workerCount() throws -> Int {
    if let jobs { return jobs }
    guard let value = ProcessInfo.processInfo.environment["SAFEMERGE_THREADS"], !value.isEmpty else {
      return ProcessInfo.processInfo.activeProcessorCount
    }
    guard let count = Int(value), count > 0 else {
      throw ValidationError("SAFEMERGE_THREADS is \"\(value)\"; a number of threads of at least 1 is expected.")
    }
    return count
  }

  private func kernels() throws -> KernelSet {
    do throws(KernelSelectionError) {
      return try KernelSet.selected(environment: ProcessInfo.processInfo.environment["SAFEMERGE_SIMD"])
    } catch { throw ValidationError("SAFEMERGE_SIMD: \(error.description)") }
  }

  private func sideFiles(_ checkpoint: Checkpoint) throws -> SideFiles {
    guard let folder = checkpoint.folder else { return .none }
    var written = Set(checkpoint.files.map(\.name))
    if case .shardedFolder(let indexName) = checkpoint.layout { written.insert(indexName) }
    return try SideFiles(base: folder, weightFiles: written, adapter: adapter)
  }

  private func place(_ output: String, _ checkpoint: Checkpoint, _ adapter: Adapter) throws -> OutputPlace {
    let inputs =
      [checkpoint.path] + checkpoint.files.map(\.path) + [adapter.path, adapter.weightsPath, adapter.configPath]
    return try OutputPlace(path: output, isFolder: checkpoint.folder != nil, inputs: inputs, force: force)
  }
}
