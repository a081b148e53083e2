import MergePlanning
import Platform
import Staging

/// Weight files that no part of a merge has completed, or completed as they are wanted, and which parts write them.
public struct MissingParts: ReportableError, Equatable {
  public enum Reason: Sendable, Equatable {
    /// They have no record.
    case notWritten
    /// Their records do not say what is wanted.
    case without(RecordContents)
  }

  public let reason: Reason
  /// The folder of the parts.
  public let path: String
  public let files: [String]
  /// How many weight files there are.
  public let fileCount: Int
  /// The parts that write the missing ones, and how many parts there are; nil: no part has begun.
  public let parts: [Int]?
  public let partCount: Int
  /// Whether parts of other merges to the same output are there.
  public let hasOtherPlans: Bool

  public var file: String? { path }
  public var errorClass: String {
    switch reason {
    case .notWritten: "parts-missing"
    case .without(let contents): contents.errorClass
    }
  }
  public var category: ErrorCategory { .inputOutput }

  public var message: String {
    let names = files.prefix(3).joined(separator: ", ") + (files.count > 3 ? ", ..." : "")
    let count = "\(files.count) of \(NumberText.counted(fileCount, "weight file"))"
    return switch reason {
    case .notWritten: "\(count) are not complete (\(names))"
    case .without(let contents): "the parts of \(count) \(contents.absence) (\(names))"
    }
  }

  public var hint: String? {
    guard let parts else {
      return hasOtherPlans
        ? "the parts that are there are of another version, other options or inputs: give --finish those of the parts"
        : "run the parts first: --part 0/N to --part N-1/N"
    }
    let list = parts.map(String.init).joined(separator: ",")
    let again = "I = \(list) (Slurm: --array=\(list) with --part auto/\(partCount))"
    return switch reason {
    case .notWritten: "run --part I/\(partCount) again for \(again)"
    case .without(let contents):
      "run --part I/\(partCount) with \(contents.option) for \(again), or finish without it"
    }
  }

  /// What ``PartsError`` says is missing, in terms of the parts that began.
  ///
  /// - Parameter counts: How many parts there are by each run that began.
  init(
    _ path: String, _ reason: Reason, missing: [Int], _ plan: MergePlan, counts: [Int], hasOtherPlans: Bool
  ) {
    self.path = path
    self.reason = reason
    self.hasOtherPlans = hasOtherPlans
    files = missing.map { plan.shards[$0].name }
    fileCount = plan.shards.count
    // Parts of several numbers may have been begun: the largest is what the last were split into.
    partCount = counts.max() ?? 0
    let assignment = counts.max().map { plan.assignment(parts: $0) }
    parts = assignment.map { assignment in
      assignment.files.indices.filter { part in assignment.files[part].contains { missing.contains($0) } }
    }
  }
}
