import ArgumentParser
import Checkpoints
import Reports
import Safetensors
import Staging

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Show the report of a merge as a page for a browser.",
    discussion: """
      The page is one HTML file that needs neither a network nor scripts: what was merged, heat maps of the layers, the \
      spread of the figures, every tensor. merge --report FILE.html writes it at once.

      Examples:
        safemerge merge ./base ./my-adapter -o ./merged --report merged.json
        safemerge report merged.json -o merged.html

      Exit codes: 0 done, 2 wrong usage, 3 not a report, 4 input/output error, 5 output exists.
      """)

  /// Enough for a report on some million tensors.
  private static let byteLimit = 512 << 20

  @Argument(help: "What merge --report FILE.json wrote.", completion: .file(extensions: ["json"]))
  var report: String

  @Option(
    name: [.short, .long], help: "The new page. Default: standard output.", completion: .file(extensions: ["html"]))
  var output: String?

  @Flag(name: [.short, .long], help: "Replace an output that is a file.")
  var force = false

  func run() throws {
    let place = try output.map { try ReportPlace(path: $0, inputs: [report], output: nil, force: force) }
    let text = try BoundedFile.read(report, limit: Self.byteLimit)
    let page = ReportPage(try ReportDocument(text.span, path: report))
    if let place { return try place.write(page.html) }
    var output = StandardOutput()
    try output.write(page.html)
    try output.finish()
  }
}
