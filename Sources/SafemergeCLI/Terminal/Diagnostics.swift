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
  /// `ls` found no tensor that the globs match; `diff --exit-code` found a difference.
  static let nothingFound: Int32 = 1
  static let usage: Int32 = 2
  static let refusedInput: Int32 = 3
  static let inputOutput: Int32 = 4
  static let outputOccupied: Int32 = 5

  static func of(_ error: any ReportableError) -> Int32 {
    if error is UsageError { return usage }
    return switch error.category {
    case .refusedInput: refusedInput
    case .inputOutput: inputOutput
    case .outputOccupied: outputOccupied
    }
  }
}

/// Lines on standard error; text that may come from a file is escaped first.
///
/// An error is a line `error: MESSAGE [class]` and, if it is known what to do, a line `  hint: HINT`. A terminal's lines
/// are broken between words; a pipe or a file gets each of the two as one line.
enum Diagnostics {
  static func write(_ line: String) { _ = StandardStreams.write(Array((line + "\n").utf8), to: STDERR_FILENO) }

  static func warning(_ message: String) { write(labeled("warning", .warning, message)) }

  static func note(_ message: String) { write(labeled("note", .hint, message)) }

  /// Prints the error, and an event if there are events; returns the exit code.
  static func report(_ error: any Error) -> Int32 {
    let found = error as? any ReportableError ?? UnknownError(message: String(describing: error))
    let error: any ReportableError = ExplainedError(found) ?? found
    let status = ExitStatus.of(error)
    EventStream.standard.error(error, status: status)
    write(text(error))
    return status
  }

  /// One or two lines.
  static func text(_ error: any ReportableError) -> String {
    let line = labeled("error", .error, "\(error.description) [\(error.errorClass)]")
    return error.hint.map { "\(line)\n\(labeled("hint", .hint, $0, indentation: 2))" } ?? line
  }

  private static func labeled(
    _ label: String, _ emphasis: TextStyle.Emphasis, _ message: String, indentation: Int = 0
  ) -> String {
    let screen = Screen.error
    let margin = String(repeating: " ", count: indentation)
    let text = "\(margin)\(label): \(message.escapingUnprintable)"
    // A command that is to be copied stays one line.
    let lines = text.contains("python3 -c") ? [text] : screen.wrapped(text, indentation: indentation + 2)
    let plain = lines.joined(separator: "\n")
    return margin + screen.style.text(label + ":", emphasis) + plain.dropFirst(indentation + label.count + 1)
  }

  private struct UnknownError: ReportableError {
    let message: String
    var errorClass: String { "internal" }
    var category: ErrorCategory { .inputOutput }
    var file: String? { nil }
  }
}
