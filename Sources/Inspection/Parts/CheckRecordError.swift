import Platform

/// The records of a check in parts cannot be used.
public struct CheckRecordError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// A record lacks a value, so it is of another check: the value's key, and what the record is of.
    case missingValue(String, of: String)
    /// Some files have no record: their names, how many there are, and the parts that check them of how many; no parts: none has
    /// written a record.
    case unchecked([String], of: Int, parts: [Int], count: Int)
    /// The folder of results would be in a folder that does not exist.
    case noParentFolder
    /// Something else has the name of the folder of results; what it is.
    case notAFolder(String)
    /// The folder of results cannot be made.
    case system(call: String, code: Int32)
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
    case .noParentFolder: "not-found"
    case .notAFolder: "not-a-folder"
    case .system: "system"
    }
  }

  public var category: ErrorCategory { .inputOutput }

  /// Names that a message lists before it only counts.
  private static let listed = 3

  public var message: String {
    switch problem {
    case .missingValue(let key, let file): "the record of \(file) has no value of \"\(key)\""
    case .unchecked(let names, let count, _, _):
      "\(names.count) of \(NumberText.counted(count, "file")) are not checked ("
        + names.prefix(Self.listed).joined(separator: ", ") + (names.count > Self.listed ? ", ..." : "") + ")"
    case .noParentFolder: "cannot create the folder of results: its parent folder does not exist"
    case .notAFolder(let found): "is \(found), and --results is a folder"
    case .system(let call, let code): SystemCalls.message(of: call, code: code)
    }
  }

  public var hint: String? {
    switch problem {
    case .missingValue: return "remove the folder, and run the parts again"
    case .noParentFolder: return "create it with: mkdir -p \(Paths.folder(path))"
    case .notAFolder: return "remove it, or choose another folder with --results"
    case .system: return "choose a folder that can be written with --results"
    case .unchecked(_, _, let parts, let count):
      guard count > 0 else { return "run the parts first: --part 0/N to --part N-1/N, with the same options" }
      let list = parts.map(String.init).joined(separator: ",")
      return "run --part I/\(count) again for I = \(list) (Slurm: --array=\(list) with --part auto/\(count))"
    }
  }
}
