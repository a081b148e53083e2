import MergePlanning
import Platform
import Staging

/// Weight files that no part of a merge has completed, or completed as they are wanted, and which parts write them.
public struct MissingParts: ReportableError, Equatable {
  public enum Reason: Sendable, Equatable {
    /// They have no record.
    case notWritten
    /// Their records do not say what is wanted: what they lack, and all that they must say.
    case without(RecordContents, needed: RecordContents)
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
    case .without(let lacking, _): lacking.errorClass
    }
  }
  public var category: ErrorCategory { .inputOutput }

  public var message: String {
    let names = files.prefix(3).joined(separator: ", ") + (files.count > 3 ? ", ..." : "")
    let count = "\(files.count) of \(NumberText.counted(fileCount, "weight file"))"
    return switch reason {
    case .notWritten: "\(count) are not complete (\(names))"
    case .without(let lacking, _): "the parts of \(count) \(lacking.absence) (\(names))"
    }
  }

  public var hint: String? {
    guard let parts else {
      return hasOtherPlans
        ? "the existing parts were written with another version, other options or other inputs: give --finish the same"
        : "run the parts first: --part 0/N to --part N-1/N"
    }
    let list = parts.map(String.init).joined(separator: ",")
    let again = "I = \(list) (Slurm: --array=\(list) with --part auto/\(partCount))"
    return switch reason {
    case .notWritten: "run --part I/\(partCount) again for \(again)"
    case .without(let lacking, let needed):
      // With all options: a part that is run again with one of them writes a record that lacks the others.
      "run --part I/\(partCount) with \(needed.options) for \(again), or finish without \(lacking.options)"
    }
  }

  /// What a finisher misses, in terms of the parts that began.
  ///
  /// - Parameter counts: How many parts there are by each run that began.
  init(
    _ path: String, _ missing: PartsFinisher.Missing, _ plan: MergePlan, counts: [Int], hasOtherPlans: Bool
  ) {
    self.path = path
    reason = missing.lacking.isEmpty ? .notWritten : .without(missing.lacking, needed: missing.needed)
    self.hasOtherPlans = hasOtherPlans
    files = missing.numbers.map { plan.shards[$0].name }
    fileCount = plan.shards.count
    // Parts of several numbers may have been begun. The parts of any of them write all files; the largest number is taken.
    partCount = counts.max() ?? 0
    let assignment = counts.max().map { plan.assignment(parts: $0) }
    parts = assignment.map { assignment in
      assignment.files.indices.filter { part in assignment.files[part].contains { missing.numbers.contains($0) } }
    }
  }
}
