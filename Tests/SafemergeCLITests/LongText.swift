import Testing

/// An argument of a test that is too long to be shown in its output.
struct LongText: Sendable, ExpressibleByStringInterpolation, CustomTestStringConvertible {
  let text: String

  init(stringLiteral text: String) { self.text = text }

  var testDescription: String {
    text.utf8.count <= 100 ? text : "\(text.prefix(60))... (\(text.utf8.count) bytes)"
  }
}
