/// What an error means for the user or script that ran the program.
public enum ErrorCategory: Sendable {
  /// The input is malformed, does not fit, or is not supported: the same run will fail again.
  case refusedInput
  /// A system call failed, or something is missing that may exist later.
  case inputOutput
  /// The output exists or is in use.
  case outputOccupied
}

/// An error that can be reported in one line, as all errors of this package's modules can.
public protocol ReportableError: Error, Sendable, CustomStringConvertible {
  /// A stable, greppable identifier, such as "offsets" or "shape".
  var errorClass: String { get }
  var category: ErrorCategory { get }
  /// The file that the error is about, as the caller named it.
  var file: String? { get }
  /// The tensor or key that the error is about.
  var tensor: String? { get }
  /// What was found and what was expected, without the file's and the tensor's name. Names from files are included as
  /// they are: escape control characters before printing.
  var message: String { get }
  /// What to do about it.
  var hint: String? { get }
  /// Suggestions for a name that was not found, the likeliest first; ``message`` or ``hint`` contains them as well.
  var candidates: [String] { get }
}

extension ReportableError {
  public var tensor: String? { nil }
  public var hint: String? { nil }
  public var candidates: [String] { [] }

  /// File, tensor and message, joined by colons.
  public var description: String {
    [file, tensor, message].compactMap { $0 }.joined(separator: ": ")
  }
}
