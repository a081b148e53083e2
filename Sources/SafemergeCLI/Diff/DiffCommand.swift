import ArgumentParser
import Inspection
import JSONText
import MergeChecking
import MergeEngine
import Platform
import Safetensors

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show how two models, adapters or files differ.",
    discussion: """
      Tensors are matched by their names, however they are split into files. Their values are compared, and so are dtypes, \
      shapes, metadata, and config.json or adapter_config.json. --headers-only leaves the values out: it is quick, and \
      cannot tell whether two models are the same.

      Examples:
        safemerge diff ./base ./merged
        safemerge diff a.safetensors b.safetensors --format json
        safemerge diff --exit-code ./one ./other && echo the same
        safemerge diff --headers-only ./base ./merged

      Exit codes: 0 done, with --exit-code 1 unless they are the same, 2 wrong usage, 3 an input refused, 4 input/output \
      error.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, tsv }

  @Argument(
    help: """
      A folder with a model or an adapter, an index file, a safetensors file, or a model of the hub in the local cache.
      """, completion: .model)
  var left: String

  @Argument(help: "The model, adapter or file to compare with.", completion: .model)
  var right: String

  @Flag(help: "Compare dtypes, shapes, metadata and configurations alone, without reading any value.")
  var headersOnly = false

  @Flag(help: .hidden)
  var data = false

  @Flag(help: "Exit with 1 unless they are the same; with --headers-only that is never known.")
  var exitCode = false

  @Option(help: "\(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format: Format = .table

  @Option(name: [.short, .long], help: "Threads. Default: SAFEMERGE_THREADS, else the number of processors.")
  var jobs: Int?

  func validate() throws {
    if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1.") }
    if data, headersOnly { throw ValidationError("--headers-only and --data exclude each other.") }
  }

  func run() throws {
    var options = ModelDifference.Options(workers: try WorkerCount.of(jobs))
    options.readsData = !headersOnly
    let models = (left: try ModelArgument(left), right: try ModelArgument(right))
    let difference = try models.left.read { left in
      try models.right.read { right in try ModelDifference(left, right, options: options) }
    }
    let text = DiffText(left: models.left.title, right: models.right.title, difference: difference)
    var output = StandardOutput()
    switch format {
    case .table: try text.writeTable(to: &output)
    case .json: try output.write(text.json)
    case .tsv: try text.writeTSV(to: &output)
    }
    try output.finish()
    if exitCode, difference.isDifferent != false { throw ExitCode(1) }
  }
}
