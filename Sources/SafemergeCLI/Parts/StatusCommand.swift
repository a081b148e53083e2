import ArgumentParser
import JSONText
import Platform
import Reports
import Staging

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Says what is done of merges in parts.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show which parts of a merge on several machines are done.",
    discussion: """
      merge --part writes weight files beside the output, and merge --finish makes the result of them. status lists the weight \
      files that are complete, by whom and since when, and those that are missing.

      Examples:
        safemerge status ./merged
        safemerge status --json ./merged

      Exit codes: 0 the result is there or all parts are complete, 3 weight files are missing, 4 input/output error.
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
    let plans = PartsStatus.all(output: output)
    let isMerged = plans.isEmpty && ((try? SystemCalls.identity(path: output)) != nil)
    var text = StandardOutput()
    if format.format == .json {
      try text.write(Self.json(plans, output: output, isMerged: isMerged))
    } else if plans.isEmpty {
      try text.write(
        "\(output): ".escapingUnprintable + (isMerged ? "is there; no parts are left" : "no parts of a merge") + "\n")
    } else {
      for plan in plans {
        for line in PartsStatusText(plan, verbose: verbose).lines { try text.write(line.escapingUnprintable + "\n") }
      }
    }
    try text.finish()
    if !isMerged, !plans.contains(where: \.isComplete) { throw ExitCode(ExitStatus.refusedInput) }
  }

  /// One document.
  private static func json(_ plans: [PartsStatus], output: String, isMerged: Bool) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", 1)
    writer.member("output", output)
    writer.member("merged", isMerged)
    writer.list("plans", plans) { plan, writer in
      writer.member("path", plan.path)
      writer.member("digest", plan.digest)
      writer.member("version", plan.version)
      writer.member("complete", plan.isComplete)
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
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}

extension PartsStatus {
  /// Whether all weight files are complete.
  var isComplete: Bool { !files.isEmpty && files.allSatisfy(\.isComplete) }
}

/// What is done of one plan, in lines.
struct PartsStatusText {
  let status: PartsStatus
  let verbose: Bool

  init(_ status: PartsStatus, verbose: Bool) {
    self.status = status
    self.verbose = verbose
  }

  var lines: [String] {
    let done = status.files.filter(\.isComplete)
    let bytes = done.reduce(0) { $0 + $1.byteCount }
    let all = status.files.reduce(0) { $0 + $1.byteCount }
    var lines = [
      "\(status.path)   \(done.count) of \(NumberText.counted(status.files.count, "weight file")) complete, "
        + "\(NumberText.bytes(bytes)) of \(NumberText.bytes(all)), by safemerge \(status.version)"
    ]
    let hosts = Set(status.runs.map(\.host)).sorted()
    if !hosts.isEmpty {
      lines.append("  \(NumberText.counted(status.runs.count, "run")) on \(hosts.joined(separator: ", "))")
    }
    for file in status.files where verbose || !file.isComplete { lines.append("  " + line(file)) }
    if status.isComplete { lines.append("  all are complete: run the merge with --finish") }
    return lines
  }

  private func line(_ file: PartsStatus.File) -> String {
    let start = "\(file.isComplete ? "complete" : "missing ")  \(file.name)   \(NumberText.bytes(file.byteCount))"
    guard file.isComplete else { return start }
    let run = file.run.map { ", part \($0.index)/\($0.count) on \($0.host), process \($0.process)" } ?? ""
    return start + (file.completed.map { ", \(Self.time($0))" } ?? "") + run
  }

  /// Seconds since 1970 as a time in UTC.
  private static func time(_ seconds: Int) -> String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
  }
}
