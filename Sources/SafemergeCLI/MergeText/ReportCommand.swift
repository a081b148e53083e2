import ArgumentParser
import Checkpoints
import Reports
import Safetensors
import Staging

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Convert the report of a merge to an HTML page.",
    discussion: """
      The page is self-contained: no scripts, no network requests. merge --report FILE.html writes it directly.

      Examples:
        safemerge merge ./base ./my-adapter -o ./merged --report merged.json
        safemerge report merged.json -o merged.html

      Exit codes: 0 done, 2 wrong usage, 3 not a report, 4 input/output error, 5 output exists.
      """)

  enum Format: String, OutputFormat {
    case html, json
    static let standard = Format.html
  }

  /// Enough for a report on some million tensors.
  private static let byteLimit = 512 << 20

  @Argument(help: "A report of merge --report FILE.json.", completion: .file(extensions: ["json"]))
  var report: String

  @Option(
    name: [.short, .long], help: ArgumentHelp("The output file. Default: standard output.", valueName: "path"),
    completion: .file(extensions: ["html"]))
  var output: String?

  @Flag(name: [.short, .long], help: "Replace an existing file.")
  var force = false

  @OptionGroup var format: FormatOptions<Format>

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func run() throws {
    let place = try output.map { path in
      try ReportPlace(path: path, option: "--output", inputs: [report], output: nil, force: force)
    }
    let text = try BoundedFile.read(report, limit: Self.byteLimit)
    let document = try ReportDocument(text.span, path: report)
    // As JSON it is what was read, which is a report now.
    let result = format.format == .json ? text : ReportPage(document).html
    if let place { return try place.write(result) }
    var output = StandardOutput()
    try output.write(result)
    try output.finish()
  }
}
