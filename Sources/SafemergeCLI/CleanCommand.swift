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
    abstract: "Show what interrupted merges left, and remove it.",
    discussion: """
      A merge that is interrupted keeps what it has in a hidden folder beside its output, .OUT.safemerge, so that the same \
      command goes on with it. For each output, each such folder, or every one in a folder, this says what is there and how \
      large it is; --yes removes it. What a running merge has is never removed.

      Examples:
        safemerge clean ./merged
        safemerge clean ./merged --yes
        safemerge clean .
      """)

  @Argument(
    help: "Outputs of merges, the hidden folders beside them, or folders in which to look for such.",
    completion: .directory)
  var paths: [String]

  @Flag(name: [.short, .long], help: "Remove what is listed.")
  var yes = false

  @Flag(
    help: """
      With --yes, remove also what a lock says that a merge has, if no process of this machine is seen to be that merge: for \
      file systems without locks.
      """)
  var breakLock = false

  @Flag(name: [.short, .long], help: "Print errors only.")
  var quiet = false

  func validate() throws {
    if paths.isEmpty { throw ValidationError("Give at least one path.") }
    if paths.contains("") { throw ValidationError("A path is empty.") }
    if breakLock, !yes { throw ValidationError("--break-lock belongs to --yes.") }
  }

  func run() throws {
    var status: Int32 = 0
    var output = StandardOutput()
    var kept = 0
    for path in paths {
      let found = Self.work(path)
      if found.isEmpty, !quiet { try output.write("\(path): nothing is left of a merge".escapingUnprintable + "\n") }
      for work in found {
        if !yes {
          kept += work.isInUse ? 0 : 1
          if !quiet { try output.write(UnfinishedText(work).line.escapingUnprintable + "\n") }
          continue
        }
        do {
          try work.remove(breaksLock: breakLock)
          let back = work.holdsReplacedModel ? "; \(work.output) is what it was before the merge" : ""
          if !quiet {
            try output.write(
              "removed \(work.path), \(NumberText.bytes(work.byteCount))\(back)".escapingUnprintable + "\n")
          }
        } catch { status = max(status, Diagnostics.report(error)) }
      }
    }
    try output.finish()
    if kept > 0, !quiet { Diagnostics.write("--yes removes \(kept == 1 ? "it" : "them")") }
    if status != 0 { throw ExitCode(status) }
  }

  /// Resolves a path: a staging folder, an output with a staging folder beside it, or a folder that contains staging
  /// folders.
  static func work(_ path: String) -> [UnfinishedWork] {
    if let own = UnfinishedWork(stagingFolder: path) { return [own] }
    return [UnfinishedWork(output: path)].compactMap { $0 } + UnfinishedWork.all(in: path)
  }
}

/// One line about the work of an interrupted merge.
struct UnfinishedText {
  let work: UnfinishedWork

  init(_ work: UnfinishedWork) { self.work = work }

  var line: String { "\(work.path)  \(NumberText.bytes(work.byteCount))  \(contents.joined(separator: ", "))" }

  private var contents: [String] {
    var parts: [String] = []
    if work.finishedFiles > 0 { parts.append(NumberText.counted(work.finishedFiles, "weight file") + " complete") }
    if work.begunFiles > 0 { parts.append("\(work.begunFiles) begun") }
    if work.holdsReplacedModel { parts.append("the model that was to be replaced") }
    if work.isInUse {
      parts.append("in use by a running merge" + (work.process.map { ", process \($0)" } ?? ""))
    } else if parts.isEmpty {
      parts.append("no finished work")
    }
    return parts
  }

  /// The line that `ls` prints about an output.
  var note: String {
    guard !work.isInUse else { return "\(work.output): a merge to it is running, in \(work.path)" }
    let parts = contents.joined(separator: ", ")
    return
      "\(work.output): an interrupted merge to it left \(NumberText.bytes(work.byteCount)) in \(work.path) (\(parts)); "
      + "the same merge goes on with it, safemerge clean \(work.output) --yes removes it"
  }
}
