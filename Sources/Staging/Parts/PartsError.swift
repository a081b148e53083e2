import Checkpoints
import Platform

/// Why the parts of a merge cannot be made into a result.
public struct PartsError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// The data of a complete weight file is not there.
    case noData
    /// The data of a complete weight file does not have the recorded size.
    case size(found: Int, recorded: Int)
    /// The data of a complete weight file does not have the plan's header.
    case header
    /// The result does not hold what the plan says.
    case notThePlan(name: String)
    /// A file of a result that is there is not what the plan says; how it differs.
    case damagedResult(String)
    /// The parts were removed while this process wrote one.
    case removed
    /// The file system has no links, so that one process finishes at a time.
    case beingFinished
    /// The file system lacks something that parts need.
    case unsuitable(String)
  }

  public let path: String
  public let problem: Problem

  init(path: String, _ problem: Problem) {
    self.path = path
    self.problem = problem
  }

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .noData, .size, .header, .notThePlan, .damagedResult, .removed: "parts"
    case .beingFinished: "in-use"
    case .unsuitable: "system"
    }
  }

  public var category: ErrorCategory {
    switch problem {
    case .beingFinished: .outputOccupied
    default: .inputOutput
    }
  }

  public var message: String {
    switch problem {
    case .noData: "recorded as complete, but its data is gone"
    case .size(let found, let recorded):
      "recorded as complete with \(NumberText.grouped(recorded)) bytes, but it has \(NumberText.grouped(found))"
    case .header: "recorded as complete, but its header is not the plan's"
    case .notThePlan(let name): "the result of the parts does not match the plan at \"\(name)\""
    case .damagedResult(let what): "this merge was finished, but this file of the result \(what)"
    case .removed: "the parts of this merge were removed while this one was written"
    case .beingFinished: "another process is making the result of these parts"
    case .unsuitable(let what): "this file system cannot hold the parts of a merge: \(what)"
    }
  }

  public var hint: String? {
    switch problem {
    case .noData, .size: "run all parts again: what is complete is not written again"
    case .header, .notThePlan: "remove the parts with safemerge clean OUTPUT --yes, and run them again"
    case .damagedResult: "remove the output, and run --finish again; if the parts are gone, run them first"
    case .removed: "run this part again, and those that were complete"
    case .beingFinished: "wait; if no process is, remove \(path)"
    case .unsuitable: "write the output to a local disk and copy it"
    }
  }

  /// What calls report about a path that another machine has removed.
  static let gone: Set<Int32> = SystemCalls.gone

  /// Whether listing a name failed because it is a file, or a folder that this user may not list.
  static func isOthers(_ error: CheckpointError) -> Bool {
    isOf(error, SystemCalls.notAllowed.union([SystemCalls.notAFolder]))
  }

  /// Whether a call failed because there is no space.
  static func isFull(_ error: CheckpointError) -> Bool { isOf(error, SystemCalls.full) }

  private static func isOf(_ error: CheckpointError, _ codes: Set<Int32>) -> Bool {
    if case .system(_, let code) = error.problem { codes.contains(code) } else { false }
  }

  static func isGone(_ error: CheckpointError) -> Bool {
    error.problem == .notFound || isOf(error, gone)
  }
}
