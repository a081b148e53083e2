import ArgumentParser
import JSONText
import Platform
import Staging

/// Says what is done of merges in parts.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show which parts of a merge on several machines are done.",
    discussion: """
      merge --part writes weight files beside the output, and merge --finish makes the result of them. status says whether the \
      result is there, and lists the weight files that are complete, by whom and since when, and those that are missing.

      Examples:
        safemerge status ./merged
        safemerge status --json ./merged

      Exit codes: 0 the result of a merge is there, whatever is left beside it, or all weight files are complete of every merge \
      that has parts here and merge --finish can give the result its name; 3 neither; 4 input/output error.
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(help: "The output of the merge.", completion: .directory)
  var output: String

  @Flag(name: [.short, .long], help: "Also list the files that are complete.")
  var verbose = false

  @OptionGroup var format: FormatOptions<Format>

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func run() throws {
    let status = try OutputStatus(output: output)
    var text = StandardOutput()
    if format.format == .json {
      try text.write(Self.json(status, output: output))
    } else {
      for line in PartsStatusText(status, output: output, verbose: verbose).lines {
        try text.write(line.escapingUnprintable + "\n")
      }
    }
    try text.finish()
    if !Self.isDone(status) { throw ExitCode(ExitStatus.refusedInput) }
  }

  /// Whether the result is there, or `--finish` can make it of any plan that is here.
  private static func isDone(_ status: OutputStatus) -> Bool {
    switch status.found {
    case .result: true
    case .other, .damaged: false
    case .nothing, .empty: !status.plans.isEmpty && status.plans.allSatisfy(\.isComplete)
    }
  }

  /// One document.
  private static func json(_ status: OutputStatus, output: String) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("output", output)
    writer.member("merged", status.found == .result)
    writer.member("found", status.found.rawValue)
    writer.list("plans", status.plans) { plan, writer in
      writer.member("path", plan.path)
      writer.member("digest", plan.digest)
      writer.member("version", plan.version)
      writer.member("complete", plan.isComplete)
      writer.member("whole", plan.isWhole)
      writer.member("made_result", status.isMade(of: plan))
      writer.list("files", plan.files) { file, writer in
        writer.member("name", file.name)
        writer.member("bytes", file.byteCount)
        writer.member("complete", file.isComplete)
        writer.member("completed", file.completed)
        writer.member("part", file.run?.index)
        writer.member("parts", file.run?.count)
        writer.member("host", file.run?.host)
        writer.member("process", file.run?.process)
      }
      writer.list("runs", plan.runs) { run, writer in
        writer.member("part", run.index)
        writer.member("parts", run.count)
        writer.member("host", run.host)
        writer.member("process", run.process)
      }
    }
    writer.member("missing", status.missing)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}
