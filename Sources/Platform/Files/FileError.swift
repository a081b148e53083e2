/// Why a file could not be read or written, whatever its format.
public struct FileError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    case system(call: String, code: Int32)
    case notARegularFile
    /// The file is not the one that was opened before, or changed while it was read.
    case changed

    public var errorClass: String {
      switch self {
      case .system(let call, let code): SystemCalls.isAboutMissingPath(call, code) ? "not-found" : "system"
      case .notARegularFile: "not-a-file"
      case .changed: "changed"
      }
    }

    public var category: ErrorCategory {
      switch self {
      case .system, .changed: .inputOutput
      case .notARegularFile: .refusedInput
      }
    }

    public var message: String {
      switch self {
      case .system(let call, let code): SystemCalls.message(of: call, code: code)
      case .notARegularFile: "not a regular file"
      case .changed: "the file changed while it was being read"
      }
    }

    public var hint: String? {
      guard case .system(let call, let code) = self else { return nil }
      return SystemCalls.wayOut(of: call, code: code)
    }
  }

  /// The file as the caller named it.
  public let path: String
  public let problem: Problem

  public init(path: String, _ problem: Problem) {
    self.path = path
    self.problem = problem
  }

  package init(path: String, _ failure: SystemCalls.Failure) {
    self.init(path: path, .system(call: failure.call, code: failure.code))
  }

  /// Calls `body`; a system call that fails in it is an error about the file at `path`.
  package static func attempt<Value: ~Copyable>(
    _ path: String, _ body: () throws(SystemCalls.Failure) -> Value
  ) throws(FileError) -> Value {
    do throws(SystemCalls.Failure) { return try body() } catch { throw FileError(path: path, error) }
  }

  public var file: String? { path }
  public var errorClass: String { problem.errorClass }
  public var category: ErrorCategory { problem.category }
  public var message: String { problem.message }
  public var hint: String? { problem.hint }
}
