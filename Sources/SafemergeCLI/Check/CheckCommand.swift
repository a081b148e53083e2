import ArgumentParser
import Checkpoints
import Checksums
import Inspection
import MergeChecking
import Platform
import Safetensors

struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Look for what is wrong with a model, an adapter or a merge.",
    discussion: """
      Without options only headers, the index, config.json and the names of files are looked at. --against computes the \
      merge again by an independent path in double precision, and names what went wrong with results of whichever tool; \
      of a result of safemerge, weights and options come from its .safemerge.json.

      Examples:
        safemerge check ./merged
        safemerge check --data --sums SHA256SUMS ./merged
        safemerge check ./merged --against ./Llama-3.1-8B --adapter ./my-adapter
        safemerge check ./merged --against ./base --adapter ./my-adapter --repair ./merged-right

      Exit codes: 0 nothing found, 2 wrong usage, 3 something found or an input refused, 4 input/output error.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Argument(
    help: """
      Folders with a model or an adapter, index files, safetensors files, or models of the hub in the local cache.
      """, completion: .model)
  var paths: [String]

  @Flag(help: "Read all data: count NaN and infinities, compare tied tensors, verify the checksums of .safemerge.json.")
  var data = false

  @Option(help: "Verify the checksums in this file, which has sha256sum's format.", completion: .file())
  var sums: String?

  @Flag(help: "Print the checksums of all files in sha256sum's format, and nothing else.")
  var writeSums = false

  @OptionGroup var against: ReferenceMergeOptions

  @Option(help: "\(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format: Format = .text

  @Option(name: [.short, .long], help: "Threads. Default: SAFEMERGE_THREADS, else the number of processors.")
  var jobs: Int?

  @Flag(name: [.short, .long], help: "Print findings only.")
  var quiet = false

  @Flag(name: [.short, .long], help: "Print tensors that are only copied, too.")
  var verbose = false

  func validate() throws {
    if paths.isEmpty { throw ValidationError("Give at least one path.") }
    if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1.") }
    if against.against != nil {
      if paths.count != 1 { throw ValidationError("--against compares one result.") }
      if against.adapters.isEmpty { throw ValidationError("Give the merged adapters with --adapter.") }
      if writeSums { throw ValidationError("--write-sums and --against exclude each other.") }
    } else {
      if !against.adapters.isEmpty { throw ValidationError("--adapter goes with --against.") }
      if against.repair != nil { throw ValidationError("--repair goes with --against.") }
      if against.combine.method != nil { throw ValidationError("--combine goes with --against.") }
    }
    if writeSums, format == .json { throw ValidationError("--write-sums has a format of its own.") }
    if sums != nil, paths.count != 1 { throw ValidationError("--sums is for one path.") }
  }

  func run() throws {
    let workers = try WorkerCount.of(jobs)
    var status: Int32 = 0
    var results: [CheckResult] = []
    for path in paths {
      do { results.append(try check(path, workers: workers)) } catch { status = max(status, Diagnostics.report(error)) }
    }
    var repaired: CheckResult?
    if let repair = against.repair, let result = results.first {
      if result.findings.isEmpty {
        if !quiet { Diagnostics.write("nothing to repair") }
      } else {
        var merge = try ComparedMerge(against, output: result.inspection.path).merge(to: repair)
        merge.jobs = jobs
        merge.quiet = quiet
        try merge.run()
        repaired = try check(repair, workers: workers)
      }
    }
    var output = StandardOutput()
    let all = results + [repaired].compactMap { $0 }
    if writeSums {
      for result in all { for entry in result.inspection.sums { try output.write(SumsFile.line(entry)) } }
    } else if format == .json {
      try output.write(CheckJSON.text(all))
    } else {
      for result in all { try CheckText(result, quiet: quiet, verbose: verbose).write(to: &output) }
    }
    try output.finish()
    // A repaired result is checked instead of the one that it replaces.
    if let repaired { results = [repaired] }
    if results.contains(where: { !$0.findings.isEmpty }) { status = max(status, ExitStatus.refusedInput) }
    if status != 0 { throw ExitCode(status) }
  }

  private func check(_ text: String, workers: Int) throws -> CheckResult {
    let path = try ModelArgument(text).path
    var options = ModelInspection.Options(workers: workers)
    options.readsData = data
    options.computesSums = writeSums
    options.sums = try sums.map { try SumsFile(path: $0) }
    let inspection = try ModelInspection(path: path, options: options)
    guard against.against != nil else { return CheckResult(inspection: inspection, merge: nil, duration: nil) }
    let start = ContinuousClock.now
    let compared = try ComparedMerge(against, output: path)
    let output: Checkpoint
    do { output = try Checkpoint(path: path) } catch {
      // The reason why the result cannot be opened is already a finding.
      if inspection.findings.isEmpty { throw error }
      return CheckResult(inspection: inspection, merge: nil, duration: nil)
    }
    var report = try compared.check(output, workers: workers)
    for note in compared.notes { report.add(note: note) }
    return CheckResult(inspection: inspection, merge: report, duration: ContinuousClock.now - start)
  }
}

/// The findings about one path.
struct CheckResult: Sendable {
  let inspection: ModelInspection
  /// Nil if it was not compared with a merge.
  let merge: MergeCheck.Report?
  let duration: Duration?

  var findings: [Finding] { inspection.findings + (merge?.findings ?? []) }
  var notes: [String] { inspection.notes + (merge?.notes ?? []) }
}
