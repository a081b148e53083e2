import ArgumentParser

/// Why the value of an option was refused, and what it may be.
struct InvalidValue: Error, CustomStringConvertible {
  let reason: String
  let hint: String?

  init(_ reason: String, hint: String? = nil) {
    self.reason = reason
    self.hint = hint
  }

  /// The text that ``UsageError`` reads back from ArgumentParser's message.
  var description: String { UsageError.joined(reason, hint) }
}

extension ValidationError {
  /// An error about the command line with a hint.
  init(_ message: String, hint: String?) { self.init(UsageError.joined(message, hint)) }
}
