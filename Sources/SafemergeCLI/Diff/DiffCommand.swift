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
      Tensors are matched by name, in whatever files they are. Of image and video models, a single file is also matched \
      with a folder of diffusers, whose names and layouts differ. diff compares values, dtypes, shapes, metadata and \
      configurations. --headers-only skips the values: it is fast, but can't tell whether two models are the same.

      Examples:
        safemerge diff ./base ./merged
        safemerge diff a.safetensors b.safetensors --json
        safemerge diff --exit-code ./one ./other && echo same
        safemerge diff --headers-only ./base ./merged
        safemerge diff flux1-dev.safetensors ./FLUX.1-dev

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

  @Option(
    help: ArgumentHelp(
      """
      The variant of the weights where a folder has several side by side: fp16 for model.fp16.safetensors, default for files \
      without a variant in their names. Two names, such as default,fp16, are those of the first and of the second model.
      """, valueName: "name"))
  var variant: String?

  @OptionGroup var threads: JobOptions

  @OptionGroup var format: FormatOptions<Format>

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if data, headersOnly { throw ValidationError("--headers-only and --data exclude each other") }
    if let variant, !(1...2).contains(names(variant).count) || names(variant).contains("") {
      throw ValidationError("--variant takes one name, or two with a comma between them")
    }
  }

  private func names(_ variant: String) -> [String] {
    variant.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  func run() throws {
    var options = ModelDifference.Options(workers: try WorkerCount.of(threads.jobs))
    options.readsData = !headersOnly
    let variants = variant.map(names) ?? []
    options.variants = (variants.first, variants.last)
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
