import JSONText
import Platform
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The exit codes, stable and documented in docs/cli.md.
enum ExitStatus {
  static let usage: Int32 = 2
  static let refusedInput: Int32 = 3
  static let inputOutput: Int32 = 4
  static let outputOccupied: Int32 = 5

  static func of(_ category: ErrorCategory) -> Int32 {
    switch category {
    case .refusedInput: refusedInput
    case .inputOutput: inputOutput
    case .outputOccupied: outputOccupied
    }
  }
}

/// Lines on standard error; text that may come from a file is escaped first.
enum Diagnostics {
  static func write(_ line: String) { _ = StandardStreams.write(Array((line + "\n").utf8), to: STDERR_FILENO) }

  static func warning(_ message: String) { write("safemerge: warning: \(message.escapingUnprintable)") }

  /// Prints one line for the error, and the last event if there are events; returns the exit code.
  static func report(_ error: any Error) -> Int32 {
    guard let found = error as? any ReportableError else {
      let error = UnknownError(message: String(describing: error))
      write("safemerge: error: \(error.message.escapingUnprintable)")
      EventStream.standard.error(error, status: ExitStatus.inputOutput)
      return ExitStatus.inputOutput
    }
    let error: any ReportableError = ExplainedError(found) ?? found
    let status = ExitStatus.of(error.category)
    EventStream.standard.error(error, status: status)
    let hint = error.hint.map { "; \($0)" } ?? ""
    write("safemerge: error: \((error.description + hint).escapingUnprintable) [\(error.errorClass)]")
    return status
  }

  /// Prints a message about wrong usage unchanged, and the last event if there are events; returns the exit code.
  ///
  /// - Parameters:
  ///   - message: The error.
  ///   - text: The error with the usage.
  static func reportUsage(_ message: String, text: String) -> Int32 {
    write(text)
    EventStream.standard.error(UsageError(message: message), status: ExitStatus.usage)
    return ExitStatus.usage
  }

  private struct UnknownError: ReportableError {
    let message: String
    var errorClass: String { "internal" }
    var category: ErrorCategory { .inputOutput }
    var file: String? { nil }
  }

  private struct UsageError: ReportableError {
    let message: String
    var errorClass: String { "usage" }
    var category: ErrorCategory { .refusedInput }
    var file: String? { nil }
  }
}
