import ArgumentParser
import Checkpoints
import JSONText
import MergeEngine
import Platform
import Reports
import Safetensors
import Staging

/// Lists and removes the work of interrupted merges.
struct CleanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "clean",
    abstract: "Show and remove partial work of interrupted merges.",
    discussion: """
      An interrupted merge keeps its work in a hidden folder beside the output, .OUT.safemerge, so that the same command \
      can resume it; parts of a merge (--part) are in .OUT.safemerge-parts. clean lists such folders with their sizes, and \
      --yes removes them. The work of a merge that runs on this machine is never removed. Parts have no lock: parts and \
      finishers that still run on other machines fail, and clean names the machines.

      Examples:
        safemerge clean ./merged
        safemerge clean ./merged --yes
        safemerge clean .

      Exit codes: 0 done or nothing found, 2 wrong usage, 4 input/output error, such as a folder that may not be listed, 5 in \
      use, or a folder that another user could have made.
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: ArgumentHelp("Outputs of merges, their hidden folders, or folders to search for them.", valueName: "path"),
    completion: .directory)
  var paths: [String]

  @Flag(name: [.short, .long], help: "Remove what is listed.")
  var yes = false

  @Flag(
    help: ArgumentHelp(
      """
      With --yes, also remove work that is locked, if no running process on this machine holds the lock; needed only on \
      file systems without flock.
      """, visibility: .hidden))
  var breakLock = false

  @OptionGroup var format: FormatOptions<Format>

  @Flag(name: [.short, .long], help: "Print errors only.")
  var quiet = false

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if paths.isEmpty { throw ValidationError("missing argument <path>", hint: "for example safemerge clean ./merged") }
    if breakLock, !yes { throw ValidationError("--break-lock requires --yes") }
  }

  func run() throws {
    var status: Int32 = 0
    var output = StandardOutput()
    var listed: [CleanedWork] = []
    for path in paths {
      let (found, errors) = Self.work(path)
      for error in errors { status = max(status, Diagnostics.report(error)) }
      if found.isEmpty, errors.isEmpty, speaks {
        try output.write("\(path): no unfinished merge".escapingUnprintable + "\n")
      }
      for work in found {
        guard yes else {
          listed.append(CleanedWork(work: work, isRemoved: false))
          if speaks {
            for line in Screen.output.wrapped(UnfinishedText(work).line.escapingUnprintable) {
              try output.write(line + "\n")
            }
          }
          continue
        }
        do {
          try work.remove(breaksLock: breakLock)
          if !work.hosts.isEmpty, !quiet { Diagnostics.warning(UnfinishedText(work).loss) }
          listed.append(CleanedWork(work: work, isRemoved: true))
          let back = work.holdsReplacedModel ? "; \(work.output) is as it was before the merge" : ""
          if speaks {
            try output.write(
              "removed \(work.path), \(NumberText.bytes(work.byteCount))\(back)".escapingUnprintable + "\n")
          }
        } catch { status = max(status, Diagnostics.report(error)) }
      }
    }
    if format.format == .json { try output.write(CleanedWork.json(listed)) }
    try output.finish()
    let removable = listed.count { !$0.isRemoved && !$0.work.isInUse }
    if removable > 0, speaks {
      Diagnostics.write("nothing was removed; --yes removes \(removable == 1 ? "it" : "them")")
    }
    if status != 0 { throw ExitCode(status) }
  }

  /// Whether lines for people are printed.
  private var speaks: Bool { !quiet && format.format == .text }

  /// Resolves a path: a folder of unfinished work, an output with such folders beside it, or a folder that contains some.
  ///
  /// - Returns: What was found, and what kept this user from looking.
  static func work(_ path: String) -> (found: [UnfinishedWork], errors: [CheckpointError]) {
    var found: [UnfinishedWork] = []
    var errors: [CheckpointError] = []
    func look(_ body: () throws(CheckpointError) -> [UnfinishedWork]) {
      do throws(CheckpointError) { found += try body() } catch { errors.append(error) }
    }
    // One error where a folder around the path is closed to this user, not one for each name that is looked for in it.
    look { () throws(CheckpointError) in
      _ = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in try SystemCalls.identity(path: path) }
      return [try UnfinishedWork(stagingFolder: path)].compactMap { $0 }
    }
    guard found.isEmpty, errors.isEmpty else { return (found, errors) }
    look { () throws(CheckpointError) in [try UnfinishedWork(output: path)].compactMap { $0 } }
    look { () throws(CheckpointError) in [try UnfinishedWork(partsOf: path)].compactMap { $0 } }
    look { () throws(CheckpointError) in try UnfinishedWork.all(in: path) }
    return (found, errors)
  }
}

/// The work of an interrupted merge that `clean` found.
struct CleanedWork {
  let work: UnfinishedWork
  let isRemoved: Bool

  /// `clean --format json`: one document.
  static func json(_ all: [CleanedWork]) -> [UInt8] {
    var writer = JSONWriter(escapesUnprintable: true)
    writer.beginObject()
    writer.member("schema", 1)
    writer.list("work", all) { found, writer in
      writer.member("path", found.work.path)
      writer.member("output", found.work.output)
      writer.member("bytes", found.work.byteCount)
      writer.member("complete_files", found.work.finishedFiles)
      writer.member("complete_modules", found.work.finishedModules)
      writer.member("partial_files", found.work.begunFiles)
      writer.member("holds_replaced_model", found.work.holdsReplacedModel)
      writer.member("in_use", found.work.isInUse)
      writer.member("hosts", found.work.hosts)
      writer.member("removed", found.isRemoved)
    }
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}

/// One line about the work of an interrupted merge.
struct UnfinishedText {
  let work: UnfinishedWork

  init(_ work: UnfinishedWork) { self.work = work }

  var line: String { "\(work.path)  \(NumberText.bytes(work.byteCount))  \(contents.joined(separator: ", "))" }

  /// What its removal does to parts on other machines.
  var loss: String {
    "\(work.path): parts and finishers that still run on \(work.hosts.joined(separator: ", ")) fail; start them again"
  }

  private var contents: [String] {
    var parts: [String] = []
    if work.finishedFiles > 0 { parts.append(NumberText.counted(work.finishedFiles, "weight file") + " complete") }
    if work.finishedModules > 0 { parts.append(NumberText.counted(work.finishedModules, "module") + " complete") }
    if work.begunFiles > 0 { parts.append("\(work.begunFiles) partial") }
    if work.holdsReplacedModel { parts.append("the previous output") }
    if !work.hosts.isEmpty { parts.append("parts may still run on \(work.hosts.joined(separator: ", "))") }
    if work.isInUse {
      parts.append("in use by a running merge" + (work.process.map { ", process \($0)" } ?? ""))
    } else if work.finishedFiles + work.finishedModules + work.begunFiles == 0, !work.holdsReplacedModel {
      parts.insert("no finished work", at: 0)
    }
    return parts
  }

  /// The line that `ls` prints about an output.
  var note: String {
    guard !work.isInUse else { return "\(work.output): a merge to this output is running in \(work.path)" }
    let parts = contents.joined(separator: ", ")
    return
      "\(work.output): an interrupted merge left \(NumberText.bytes(work.byteCount)) in \(work.path) (\(parts)); run the "
      + "same merge again to resume, or remove it with: safemerge clean \(work.output) --yes"
  }
}
