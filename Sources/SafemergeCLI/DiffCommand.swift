import ArgumentParser
import JSONText
import MergeChecking
import MergeEngine
import Safetensors

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show how the tensors of two models, adapters or files differ.",
    discussion: """
      Tensors are matched by their names, however they are split into files. Without --data names, dtypes, shapes and \
      metadata are compared, from headers alone.

      Examples:
        safemerge diff ./base ./merged --data
        safemerge diff a.safetensors b.safetensors --format json
        safemerge diff --exit-code ./one ./other && echo the same

      Exit codes: 0 done, with --exit-code 1 if they differ, 2 wrong usage, 3 an input refused, 4 input/output error.
      """)

  enum Format: String, CaseIterable, ExpressibleByArgument { case table, json, tsv }

  @Argument(
    help: """
      A folder with a model or an adapter, an index file, a safetensors file, or a model of the hub in the local cache.
      """, completion: .model)
  var left: String

  @Argument(help: "The other.", completion: .model)
  var right: String

  @Flag(help: "Compare values: the largest |a - b|, the share that changed, ||A - B|| / ||A||.")
  var data = false

  @Flag(help: "Exit with 1 if they differ.")
  var exitCode = false

  @Option(help: "\(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format: Format = .table

  @Option(name: [.short, .long], help: "Threads. Default: SAFEMERGE_THREADS, else the number of processors.")
  var jobs: Int?

  func validate() throws {
    if let jobs, jobs < 1 { throw ValidationError("--jobs is at least 1.") }
  }

  func run() throws {
    var options = ModelDifference.Options(workers: try WorkerCount.of(jobs))
    options.readsData = data
    let models = (left: try ModelArgument(left), right: try ModelArgument(right))
    let difference = try models.left.read { left in
      try models.right.read { right in try ModelDifference(left, right, options: options) }
    }
    let text = DiffText(
      left: models.left.title, right: models.right.title, difference: difference, comparesValues: data)
    var output = StandardOutput()
    switch format {
    case .table: try text.writeTable(to: &output)
    case .json: try output.write(text.json)
    case .tsv: try text.writeTSV(to: &output)
    }
    try output.finish()
    if exitCode, difference.isDifferent { throw ExitCode(1) }
  }
}
