import JSONText
import Safetensors

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The exit codes, stable and documented in the README.
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

/// Lines on standard error; whatever may come from a file is escaped first.
enum Diagnostics {
  static func write(_ line: String) { _ = Descriptors.write(Array((line + "\n").utf8), to: STDERR_FILENO) }

  static func warning(_ message: String) { write("safemerge: warning: \(message.escapingUnprintable)") }

  /// One line for the error; returns the exit code that it stands for.
  static func report(_ error: any Error) -> Int32 {
    guard let error = error as? any ReportableError else {
      write("safemerge: error: \(String(describing: error).escapingUnprintable)")
      return ExitStatus.inputOutput
    }
    let hint = error.hint.map { "; \($0)" } ?? ""
    write("safemerge: error: \((error.description + hint).escapingUnprintable) [\(error.errorClass)]")
    return ExitStatus.of(error.category)
  }
}
