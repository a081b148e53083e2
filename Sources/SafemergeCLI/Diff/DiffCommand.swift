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
    abstract: "Compare two models, adapters or files.",
    discussion: """
      Tensors are matched by name, in whatever files they are. diff compares values, dtypes, shapes, metadata and \
      configurations. --headers-only skips the values: it is fast, but can't tell whether two models are the same.

      Examples:
        safemerge diff ./base ./merged
        safemerge diff a.safetensors b.safetensors --json
        safemerge diff --exit-code ./one ./other && echo same
        safemerge diff --headers-only ./base ./merged

      Exit codes: 0 done, 1 different (with --exit-code), 2 wrong usage, 3 rejected input, 4 input/output error.
      """)

  enum Format: String, OutputFormat {
    case table, json, tsv
    static let standard = Format.table
  }

  @Argument(
    help: "A folder with a model or an adapter, an index file, a .safetensors file, or a Hugging Face model ID.",
    completion: .model)
  var left: String

  @Argument(help: "The model, adapter or file to compare with.", completion: .model)
  var right: String

  @Flag(help: "Compare only dtypes, shapes, metadata and configurations; read no values.")
  var headersOnly = false

  @Flag(help: .private)
  var data = false

  @Flag(help: "Exit with 1 unless both are the same. With --headers-only that is never known.")
  var exitCode = false

  @OptionGroup var variant: VariantOptions

  @OptionGroup var threads: JobOptions

  @OptionGroup var format: FormatOptions<Format>

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if data, headersOnly { throw ValidationError("--headers-only and --data exclude each other") }
  }

  func run() throws {
    var options = ModelDifference.Options(workers: try WorkerCount.of(threads.jobs))
    options.readsData = !headersOnly
    options.variant = variant.variant
    let models = (left: try ModelArgument(left), right: try ModelArgument(right))
    let difference = try models.left.read { left in
      try models.right.read { right in try ModelDifference(left, right, options: options) }
    }
    let text = DiffText(left: models.left.title, right: models.right.title, difference: difference, screen: .output)
    var output = StandardOutput()
    switch format.format {
    case .table: try text.writeTable(to: &output)
    case .json: try output.write(text.json)
    case .tsv: try text.writeTSV(to: &output)
    }
    try output.finish()
    if exitCode, difference.isDifferent != false { throw ExitCode(1) }
  }
}
