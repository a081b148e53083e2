import AdapterConversion
import AdapterWriting
import Adapters
import ArgumentParser
import Checkpoints
import JSONText
import Merging
import Platform

/// Writes an adapter in another dialect.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert an adapter to PEFT, diffusers, kohya, ComfyUI or MLX, or to a LoRA.",
    usage: "safemerge convert [<options>] <adapter> --to <form> --output <path>",
    discussion: """
      Names, shapes and scalings change, and no value does: factors are copied, transposed, or put together with zeros, \
      and the conversion back gives the same bytes of every factor. What the dialect cannot hold is rejected by name, and \
      nothing is written.

      peft and mlx are folders; diffusers, kohya and comfyui are one .safetensors file. Adapters of image and video models \
      need --base, because the names differ between the dialects.

      --to lora makes a LoRA of any adapter that PEFT merges, such as LoHa, LoKr, VeRA or OFT: the change of each matrix of \
      the base becomes two factors by its largest singular values. The output says what share of the change they keep.

      Examples:
        safemerge convert ./my-adapter --to mlx -o ./my-mlx-adapter
        safemerge convert ./adapters --to peft -o ./my-adapter
        safemerge convert style.safetensors --to diffusers --base sdxl.safetensors -o style-diffusers.safetensors
        safemerge convert ./my-loha --to lora --base ./base --energy 0.999 -o ./my-lora
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: "The adapter: a folder of PEFT or MLX, a .safetensors file, or a Hugging Face ID in the local cache.",
    completion: .directory)
  var adapter: String

  @Option(help: ArgumentHelp("The form of the output.", valueName: "form"))
  var to: ConversionTarget

  @Option(
    help: ArgumentHelp(
      """
      The model that the adapter was made for: a file, a folder, or a Hugging Face ID. Needed with --to lora and for image \
      and video models, of which only names and shapes are read.
      """, valueName: "base"), completion: .model)
  var base: String?

  @OptionGroup(title: "Output")
  var place: AdapterOutputOptions

  @OptionGroup(title: "With --to lora")
  var rank: RankOptions

  @OptionGroup(title: "With --to lora")
  var dtype: FactorDTypeOptions

  @Option(
    help: ArgumentHelp(
      "With --to lora: seed of the random numbers of the search for large matrices.", valueName: "number"))
  var seed: UInt64?

  @Flag(
    help: "With --to lora: leave out changes that a LoRA cannot hold, and list them. Without it they are an error.")
  var skipOther = false

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
    guard case .dialect(let dialect) = to else {
      if base == nil {
        throw ValidationError(
          "missing required option --base: a LoRA is computed for the base model that the adapter was made for",
          hint: "for example --base ./base")
      }
      if rank.rule == nil {
        throw ValidationError(
          "missing required option --rank, --energy or --sv-ratio", hint: "for example --energy 0.999")
      }
      return
    }
    try place.check(isFile: !dialect.isFolder, "an adapter of \(dialect.title)")
    let given: [(name: String, isGiven: Bool)] = [
      ("--rank", rank.rank != nil), ("--energy", rank.energy != nil), ("--sv-ratio", rank.svRatio != nil),
      ("--dtype", dtype.given != nil), ("--seed", seed != nil), ("--skip-other", skipOther),
    ]
    if let first = given.first(where: \.isGiven) {
      throw ValidationError("\(first.name) goes with --to lora: the other conversions compute nothing")
    }
  }

  func run() throws {
    let run = try AdapterRun(
      "convert", output: place, progress: progress, isJSON: format.format == .json, threads: threads)
    switch to {
    case .dialect(let dialect): try convert(to: dialect, run)
    case .lora:
      try LoRAConversion(
        adapter: adapter, base: base ?? "", place: place, rank: rank, dtype: dtype, seed: seed ?? 0,
        skipsOther: skipOther,
        isVerbose: progress.verbose > 0
      ).carryOut(run)
    }
  }

  private func convert(to: AdapterDialect, _ run: AdapterRun) throws {
    let adapter = try ModelArgument(self.adapter).read(Adapter.init(path:))
    let checkpoint = try base.map { text in
      try ModelArgument(text).read { try Checkpoint(path: $0, workers: run.workers) }
    }
    for warning in adapter.warnings { run.warn(warning) }
    let models = checkpoint.map { [$0] } ?? []
    let destination = try run.reserve(isFolder: to.isFolder, adapters: [adapter], models: models)
    let work = try ConversionWork(adapter, to: to, base: checkpoint)
    for warning in work.conversion.warnings { run.warn(warning) }
    let copied = work.document.copies.count
    try run.tell(
      [
        LabeledLine.text("adapter", "\(adapter.path)   \(NumberText.counted(adapter.updates.count, "module"))"),
        LabeledLine.text(
          "convert",
          "\(NumberText.counted(work.conversion.modules.count, "module")) to \(to.title): "
            + "\(NumberText.counted(copied, "tensor")) copied, \(work.computedTensorCount) in another form"),
      ], units: work.units.count, destination,
      members: { event in
        event.member("adapter", adapter.path)
        event.member("to", to.rawValue)
        event.member("copied", copied)
      })
    if try run.endsDry() { return }
    let outcome = try run.write(
      work.units, weightsName: to.weightsName, to: destination,
      as: ConversionWork.identity(
        adapter, to: to, base: checkpoint, version: Safemerge.number, interruption: Signals.interruption)
    ) { _ in work.document }
    try run.finish(outcome)
  }
}
