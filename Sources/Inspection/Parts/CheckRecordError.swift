import Platform

/// The records of a check in parts cannot be used.
public struct CheckRecordError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// A record lacks a value, so it is of another check.
    case missingValue(String)
    /// Some files have no record: their names, how many there are, and the parts that check them of how many; no parts: none has
    /// written a record.
    case unchecked([String], of: Int, parts: [Int], count: Int)
  }

  public let path: String
  public let problem: Problem

  package init(path: String, _ problem: Problem) {
    self.path = path
    self.problem = problem
  }

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .missingValue: "parts"
    case .unchecked: "parts-missing"
    }
  }

  public var category: ErrorCategory { .inputOutput }

  /// Names that a message lists before it only counts.
  private static let listed = 3

  public var message: String {
    switch problem {
    case .missingValue(let key): "the record of a part of this check has no value of \"\(key)\""
    case .unchecked(let names, let count, _, _):
      "\(names.count) of \(NumberText.counted(count, "file")) are not checked ("
        + names.prefix(Self.listed).joined(separator: ", ") + (names.count > Self.listed ? ", ..." : "") + ")"
    }
  }

  public var hint: String? {
    switch problem {
    case .missingValue: return "remove the folder of results, and run the parts again"
    case .unchecked(_, _, let parts, let count):
      guard count > 0 else { return "run the parts first: --part 0/N to --part N-1/N, with the same options" }
      let list = parts.map(String.init).joined(separator: ",")
      return "run --part I/\(count) again for I = \(list) (Slurm: --array=\(list) with --part auto/\(count))"
    }
  }
}
