import ArgumentParser

/// Whether a stream gets colors.
enum ColorMode: String, CaseIterable, ExpressibleByArgument {
  case auto, always, never

  /// Decided by the option, then `NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`, `CLICOLOR=0`, and finally whether it is a
  /// terminal.
  ///
  /// - Source: no-color.org, bixense.com/clicolors.
  func isOn(isTerminal: Bool, environment: [String: String]) -> Bool {
    switch self {
    case .always: return true
    case .never: return false
    case .auto:
      if let value = environment["NO_COLOR"], !value.isEmpty { return false }
      if let value = environment["CLICOLOR_FORCE"], !value.isEmpty, value != "0" { return true }
      if environment["TERM"] == "dumb" || environment["CLICOLOR"] == "0" { return false }
      return isTerminal
    }
  }
}

/// A way to emphasize text.
struct TextStyle: Sendable {
  enum Emphasis: Sendable {
    case none
    case strong
    /// Text that needs attention.
    case alert
    case error
    case warning
    case hint
    /// The outcome that was hoped for.
    case good

    fileprivate var code: String? {
      switch self {
      case .none: nil
      case .strong: "1"
      case .alert: "31"
      case .error: "1;31"
      case .warning: "33"
      case .hint: "36"
      case .good: "32"
      }
    }
  }

  let isColored: Bool

  static let plain = TextStyle(isColored: false)

  /// The escape sequences around text with this emphasis.
  func marks(_ emphasis: Emphasis) -> (before: String, after: String)? {
    guard isColored, let code = emphasis.code else { return nil }
    return ("\u{1b}[\(code)m", "\u{1b}[0m")
  }

  /// Text with this emphasis.
  func text(_ text: String, _ emphasis: Emphasis) -> String {
    marks(emphasis).map { "\($0.before)\(text)\($0.after)" } ?? text
  }
}
