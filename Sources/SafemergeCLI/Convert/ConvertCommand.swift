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

      peft and mlx are folders, diffusers, kohya and comfyui are one .safetensors file. Adapters of image and video models \
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
      "The image or video model that the adapter was made for: a file, a folder, or a Hugging Face ID. Only names and shapes are read.",
      valueName: "base"), completion: .model)
  var base: String?

  @OptionGroup(title: "Output")
  var place: ConvertOutputOptions

  @OptionGroup(title: "Resources")
  var threads: JobOptions

  @Flag(name: [.short, .long], help: "Print only warnings and errors.")
  var quiet = false

  @OptionGroup(title: "Display")
  var format: FormatOptions<Format>

  @OptionGroup(title: "Display")
  var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func run() throws {
    guard let path = place.output else {
      throw ValidationError(
        "missing required option --output (-o): where to write the converted adapter",
        hint: "for example -o converted\(to.isFolder ? "" : ".safetensors")")
    }
    let json = format.format == .json
    let workers = try WorkerCount.of(threads.jobs)
    Signals.prepareForMerge()
    Signals.endAtOnce(events: false)
    let adapter = try ModelArgument(self.adapter).read(Adapter.init(path:))
    let checkpoint = try base.map { text in
      try ModelArgument(text).read { try Checkpoint(path: $0, workers: workers) }
    }
    for warning in adapter.warnings { Diagnostics.warning(warning) }
    var request = ConversionRequest(adapter, to: to, base: checkpoint, output: path)
    request.force = place.force
    request.isDryRun = place.dryRun
    request.breaksLock = place.breakLock
    request.resumes = place.resume
    request.workers = workers
    request.interruption = Signals.interruption
    request.version = Safemerge.number
    // Nothing is written to the Hugging Face cache.
    request.protectedPaths = [ModelArgument.cache.path]
    Signals.remember()
    let prepared = try request.prepare()
    for warning in prepared.conversion.warnings { Diagnostics.warning(warning) }
    let outcome = place.dryRun ? nil : try prepared.run()
    let text = ConversionText(prepared, outcome)
    if json {
      var output = StandardOutput()
      try output.write(text.json)
      try output.finish()
    } else if !quiet {
      for line in text.lines { Diagnostics.write(line.escapingUnprintable) }
    }
  }
}

extension AdapterDialect: ExpressibleByArgument {}
