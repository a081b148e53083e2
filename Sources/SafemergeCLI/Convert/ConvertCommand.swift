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
    abstract: "Convert an adapter to PEFT, diffusers, kohya, ComfyUI or MLX.",
    usage: "safemerge convert [<options>] <adapter> --to <dialect> --output <path>",
    discussion: """
      Names, shapes and scalings change, and no value does: factors are copied, transposed, or put together with zeros, \
      and the conversion back gives the same bytes of every factor. What the dialect cannot hold is rejected by name, and \
      nothing is written.

      peft and mlx are folders; diffusers, kohya and comfyui are one .safetensors file. Adapters of image and video models \
      need --base, because the names differ between the dialects.

      Examples:
        safemerge convert ./my-adapter --to mlx -o ./my-mlx-adapter
        safemerge convert ./adapters --to peft -o ./my-adapter
        safemerge convert style.safetensors --to diffusers --base sdxl.safetensors -o style-diffusers.safetensors
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: "The adapter: a folder of PEFT or MLX, a .safetensors file, or a Hugging Face ID in the local cache.",
    completion: .directory)
  var adapter: String

  @Option(help: ArgumentHelp("The dialect of the output.", valueName: "dialect"))
  var to: AdapterDialect

  @Option(
    help: ArgumentHelp(
      """
      The image or video model that the adapter was made for: a file, a folder, or a Hugging Face ID. Only names and \
      shapes are read.
      """, valueName: "base"), completion: .model)
  var base: String?

  @OptionGroup(title: "Output")
  var place: AdapterOutputOptions

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
    if place.output != nil, place.isFile == to.isFolder {
      throw ValidationError(
        to.isFolder ? "an adapter of \(to.title) is a folder" : "an adapter of \(to.title) is one file",
        hint: "give --output a name \(to.isFolder ? "without" : "that ends in") .safetensors")
    }
  }

  func run() throws {
    let run = try AdapterRun(
      "convert", output: place, progress: progress, isJSON: format.format == .json, threads: threads)
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

extension AdapterDialect: ExpressibleByArgument {}
