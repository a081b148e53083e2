import JSONText
import Platform
import Staging

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// How far merges in parts to an output are, in lines.
struct PartsStatusText {
  let status: OutputStatus
  let output: String
  let verbose: Bool

  init(_ status: OutputStatus, output: String, verbose: Bool) {
    (self.status, self.output, self.verbose) = (status, output, verbose)
  }

  var lines: [String] { first + status.plans.flatMap(lines) + last }

  /// What has the output's name, where that is not the nothing that parts expect.
  private var first: [String] {
    switch status.found {
    case .result:
      ["\(output): the result is there; " + (status.plans.isEmpty ? "no parts are left" : "parts are left over")]
    case .damaged:
      ["\(output): the result of a merge that is damaged"]
        + status.missing.map { "  missing, or of another size  \($0)" }
    case .other: ["\(output): is there, and is not the result of a merge"]
    case .empty where status.plans.isEmpty:
      ["\(output): is there, and is not the result of a merge: the folder is empty"]
    case .nothing where status.plans.isEmpty: ["\(output): no parts of a merge"]
    case .empty, .nothing: []
    }
  }

  private var last: [String] {
    guard !status.plans.isEmpty else { return [] }
    return switch status.found {
    case .result: ["to remove what is left over: safemerge clean \(output) --yes"]
    case .other, .damaged: ["merge --finish replaces nothing: move \(output) away first"]
    case .empty, .nothing: []
    }
  }

  private func lines(of plan: PartsStatus) -> [String] {
    let done = plan.files.filter(\.isComplete)
    var lines = [plan.isWhole ? Self.count(done, of: plan) : Self.remnant(done, of: plan)]
    let hosts = Set(plan.runs.map(\.host)).sorted()
    if !hosts.isEmpty {
      lines.append("  \(NumberText.counted(plan.runs.count, "run")) on \(hosts.joined(separator: ", "))")
    }
    if status.found == .result {
      let origin = status.isMade(of: plan) ? "this result: merge --finish removes them" : "another merge to this output"
      lines.append("  left over of \(origin)")
    }
    // What is left over is not missing.
    for file in plan.files where verbose || !file.isComplete && status.found != .result {
      lines.append("  " + line(file))
    }
    if plan.isComplete, [.nothing, .empty].contains(status.found) {
      lines.append("  all are complete: run the merge with --finish")
    }
    return lines
  }

  private static func count(_ done: [PartsStatus.File], of plan: PartsStatus) -> String {
    let bytes = done.reduce(0) { $0 + $1.byteCount }
    let all = plan.files.reduce(0) { $0 + $1.byteCount }
    return "\(plan.path)   \(done.count) of \(NumberText.counted(plan.files.count, "weight file")) complete, "
      + "\(NumberText.bytes(bytes)) of \(NumberText.bytes(all))" + (plan.version.map { ", by safemerge \($0)" } ?? "")
  }

  /// A folder that does not say which weight files its plan has.
  private static func remnant(_ done: [PartsStatus.File], of plan: PartsStatus) -> String {
    let found = done.isEmpty ? "no weight file" : NumberText.counted(done.count, "weight file")
    return "\(plan.path)   just begun, or removed in part: \(found) complete, and no list of all"
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
