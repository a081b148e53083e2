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
    abstract: "Check a model, an adapter or the result of a merge.",
    discussion: """
      Without options, check reads headers, indexes, configurations and file names. --against recomputes the merge \
      independently in double precision and recognizes common mistakes; it works for merges made by any tool.

      Examples:
        safemerge check ./merged
        safemerge check --data --checksums SHA256SUMS ./merged
        safemerge check ./merged --against ./Llama-3.1-8B --adapter ./my-adapter
        safemerge check ./merged --against ./base --adapter ./my-adapter --repair ./repaired
        safemerge check ./merged --data --part 0/8 --results ./results

      Exit codes: 0 no findings, 2 wrong usage, 3 findings or rejected input, 4 input/output error.
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: ArgumentHelp(
      "Folders with a model or an adapter, index files, .safetensors files, or Hugging Face model IDs.",
      valueName: "path"), completion: .model)
  var paths: [String]

  @Flag(help: "Read all data: count NaN and infinities, compare tied tensors, verify checksums in .safemerge.json.")
  var data = false

  @Option(
    help: ArgumentHelp("Verify the checksums in this file, in the format of sha256sum.", valueName: "file"),
    completion: .file())
  var checksums: String?

  @Flag(help: "Print the checksums of all files in the format of sha256sum, and nothing else.")
  var writeChecksums = false

  @OptionGroup var against: ReferenceMergeOptions

  @OptionGroup var parts: CheckPartOptions

  @OptionGroup var threads: JobOptions

  @OptionGroup var format: FormatOptions<Format>

  @Flag(name: [.short, .long], help: "Print findings only.")
  var quiet = false

  @Flag(name: [.short, .long], help: "Also print tensors that are only copied.")
  var verbose = false

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if paths.isEmpty { throw ValidationError("missing argument <path>", hint: "for example safemerge check ./merged") }
    if against.against != nil {
      if paths.count != 1 { throw ValidationError("--against takes one result, \(paths.count) paths are given") }
      if against.adapters.isEmpty {
        throw ValidationError("--against requires the merged adapters", hint: "give each one with --adapter ADAPTER")
      }
      if writeChecksums { throw ValidationError("--write-checksums and --against exclude each other") }
    } else {
      for (isGiven, name) in [
        (!against.adapters.isEmpty, "--adapter"), (against.repair != nil, "--repair"), (against.exact, "--exact"),
        (against.combine.method != nil, "--combine"),
      ] where isGiven {
        throw ValidationError("\(name) requires --against <base>")
      }
    }
    if parts.isUsed { try validateParts() }
    if writeChecksums, format.format == .json {
      throw ValidationError("--write-checksums and --format json exclude each other")
    }
    if checksums != nil, paths.count != 1 {
      throw ValidationError("--checksums takes one path, \(paths.count) are given")
    }
  }

  /// What parts of a check need, and do not support.
  private func validateParts() throws {
    let name = parts.finish ? "--finish" : "--part"
    if paths.count != 1 { throw ValidationError("\(name) takes one path, \(paths.count) are given") }
    if against.repair != nil {
      throw ValidationError(
        "\(name) does not support --repair", hint: "repair the result when the parts found something")
    }
    guard data || writeChecksums || checksums != nil || against.against != nil else {
      throw ValidationError(
        "\(name): without --data, --checksums, --write-checksums or --against only headers are read",
        hint: "check headers in one process")
    }
  }

  func run() throws {
    let workers = try WorkerCount.of(threads.jobs)
    if parts.part != nil {
      Signals.prepareForMerge()
      Signals.endAtOnce(saying: CheckPart.interrupted, events: false)
    }
    let division = try parts.results.map { try makeDivision(folder: $0, workers: workers) }
    if let division, let chosen = try parts.part?.chosen(ProcessEnvironment.variables) {
      let part = CheckPart(part: chosen.part, variable: chosen.variable, division: division)
      let text = try part.run(isJSON: format.format == .json) { data in
        _ = try check(paths[0], workers: workers, data, division.names)
      }
      var output = StandardOutput()
      if !quiet || format.format == .json { try output.write(text) }
      return try output.finish()
    }
    let recorded = try division?.recorded(wait()) ?? CheckedData()
    var status: Int32 = 0
    var results: [CheckResult] = []
    for path in paths {
      do { results.append(try check(path, workers: workers, recorded, division?.names ?? [:])) } catch {
        status = max(status, Diagnostics.report(error))
      }
    }
    var repaired: CheckResult?
    if let repair = against.repair, let result = results.first {
      if result.findings.isEmpty {
        if !quiet { Diagnostics.write("nothing to repair") }
      } else {
        var merge = try ComparedMerge(against, output: result.inspection.path).merge(to: repair)
        merge.resources.threads.jobs = threads.jobs
        merge.progress.quiet = quiet
        try merge.run()
        repaired = try check(repair, workers: workers, CheckedData(), [:])
      }
    }
    var output = StandardOutput()
    let all = results + [repaired].compactMap { $0 }
    if writeChecksums {
      for result in all { for entry in result.inspection.sums { try output.write(SumsFile.line(entry)) } }
    } else if format.format == .json {
      try output.write(CheckJSON.text(all))
    } else {
      for result in all {
        try CheckText(result, quiet: quiet, verbose: verbose, screen: .output).write(to: &output)
      }
    }
    try output.finish()
    // A repaired result is checked instead of its predecessor.
    if let repaired { results = [repaired] }
    if results.contains(where: { !$0.findings.isEmpty }) { status = max(status, ExitStatus.refusedInput) }
    if status != 0 { throw ExitCode(status) }
  }

  /// How long a finisher waits for records that another machine may have written already: returns false when that is over.
  private func wait() -> (_ missing: Int, _ all: Int) -> Bool {
    let wait = FinisherWait(parts.wait)
    var isTold = quiet || format.format == .json || wait.seconds == 0
    return { missing, all in
      if !isTold {
        Diagnostics.write("waiting up to \(wait.seconds) s for \(missing) of \(NumberText.counted(all, "record"))")
      }
      isTold = true
      return wait.next()
    }
  }

  /// The files of a check in parts, and where its records are.
  private func makeDivision(folder: String, workers: Int) throws -> CheckDivision {
    let path = try modelPath(paths[0])
    let inspection = try ModelInspection(path: path, options: ModelInspection.Options(workers: workers))
    var options = ["data \(data)", "checksums \(writeChecksums)"]
    var files = try inspection.checkedFiles(inspectionOptions(workers: workers))
    if let checksums { options.append("checksums \(try FileChecksum.of(checksums))") }
    if against.against != nil {
      let merge = try ComparedMerge(against, output: path).identity()
      options += merge.options
      files += merge.files
    }
    return try CheckDivision(inspection, folder: folder, options: options, read: files, workers: workers)
  }

  /// The path of a model: of a folder without a slash at its end, so that all parts give its files the same names.
  private func modelPath(_ text: String) throws -> String {
    let path = try ModelArgument(text).path
    let isFolder = (try? SystemCalls.identity(path: path))?.isDirectory == true
    return isFolder ? Paths.withoutTrailingSlashes(path) : path
  }

  private func inspectionOptions(workers: Int) throws -> ModelInspection.Options {
    var options = ModelInspection.Options(workers: workers)
    options.readsData = data
    options.computesSums = writeChecksums
    options.sums = try checksums.map { try SumsFile(path: $0) }
    return options
  }

  /// - Parameters:
  ///   - data: Where what takes reading data comes from.
  ///   - names: The names of the files in `data`, by path.
  private func check(
    _ text: String, workers: Int, _ data: CheckedData, _ names: [String: String]
  ) throws -> CheckResult {
    let path = try modelPath(text)
    var options = try inspectionOptions(workers: workers)
    options.data = data
    let inspection = try ModelInspection(path: path, options: options)
    guard against.against != nil else { return CheckResult(inspection: inspection, merge: nil, duration: nil) }
    let start = ContinuousClock.now
    let compared = try ComparedMerge(against, output: path)
    let output: Checkpoint
    do { output = try Checkpoint(path: path, workers: workers, variant: compared.variant) } catch {
      // The reason why the result cannot be opened is already a finding.
      if inspection.findings.isEmpty { throw error }
      return CheckResult(inspection: inspection, merge: nil, duration: nil)
    }
    var report = try compared.check(output, workers: workers, data, names)
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
