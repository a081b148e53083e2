import JSONText

/// Text from outside as Markdown that shows it as it is.
enum CardText {
  /// In a line of text.
  static func plain(_ text: String) -> String {
    String(text.escapingUnprintable.flatMap { "\\`*_[]<>#|".contains($0) ? ["\\", $0] : [$0] })
  }

  /// As code, also in a cell of a table.
  static func code(_ text: String) -> String {
    // A backtick would end the code, a bar the cell.
    text.contains { "`|".contains($0) } ? plain(text) : "`\(text.escapingUnprintable)`"
  }
}
