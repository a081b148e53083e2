import AdapterWriting
import Adapters
import ArgumentParser
import Factorization
import JSONText
import LowRank
import Platform
import Staging

/// Makes an adapter of lower rank of another one.
struct ResizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resize",
    abstract: "Lower the rank of an adapter.",
    discussion: """
      Each product of two factors is replaced by the nearest one of a lower rank, computed from the factors: no base is needed. \
      Magnitudes of DoRA, biases and whole modules are kept as they are.

      Examples:
        safemerge resize ./adapter -o ./smaller --rank 16
        safemerge resize ./adapter -o ./smaller --energy 0.99 --max-rank 64
        safemerge resize style.safetensors -o style-small.safetensors --sv-ratio 20
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: "The adapter: a folder, a .safetensors file, or a Hugging Face ID in the local cache.", completion: .directory
  )
  var adapter: String

  @OptionGroup(title: "Output")
  var place: AdapterOutputOptions

  @Option(
    help: ArgumentHelp("Dtype of the factors. Default: auto, the dtype of the adapter's.", valueName: "dtype"))
  var dtype: OutputDType = .auto

  @OptionGroup(title: "Rank")
  var rank: RankOptions

  @OptionGroup(title: "Resources")
  var threads: JobOptions

  @OptionGroup(title: "Display")
  var progress: ProgressOptions

  @OptionGroup(title: "Display")
  var format: FormatOptions<Format>

  @OptionGroup(title: "Display")
  var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if rank.rule == nil {
      throw ValidationError("missing required option --rank, --energy or --sv-ratio", hint: "for example --rank 16")
    }
  }

  func run() throws {
    let run = try AdapterRun(
      "resize", output: place, progress: progress, isJSON: format.format == .json, threads: threads)
    let argument = try ModelArgument(adapter)
    let input = try argument.read(Adapter.init(path:))
    if place.output != nil, place.isFile != input.isFile {
      throw ValidationError(
        input.isFile
          ? "the adapter is one file, so the output is one" : "the adapter is a folder, so the output is one",
        hint: input.isFile
          ? "give --output a name that ends in .safetensors" : "give --output a name without .safetensors")
    }
    let destination = try run.reserve(isFolder: !input.isFile, adapters: [input])
    let plan = try ResizePlan(input, rule: rank.rule ?? RankRule(.count(1)), dtype: dtype.dtype)
    try run.tell(
      [
        LabeledLine.text("adapter", "\(argument.title)   \(NumberText.counted(plan.units.count, "module"))")
      ], units: plan.units.count, destination)
    if try run.endsDry() { return }
    let options = rank.recorded + [.init(name: "dtype", value: dtype.rawValue)]
    let outcome = try run.write(
      plan.units, to: destination,
      as: MergeIdentity(
        command: "resize", version: Safemerge.number, options: options, adapters: [input],
        interruption: Signals.interruption)
    ) { try plan.document($0) }
    let text = FactorText(outcome)
    if progress.verbose > 0 { run.write(text.details) }
    try run.finish(outcome, text.lines, members: text.write)
  }
}
