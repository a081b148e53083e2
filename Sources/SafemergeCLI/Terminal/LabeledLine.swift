/// A line whose label has a column of its own: `base      ./model   4 shards`.
enum LabeledLine {
  /// The width of the column: the longest label and a space.
  static let indentation = 10

  static func text(_ label: String, _ text: String) -> String { label.padded(to: indentation) + text }
}

extension String {
  /// Padded with spaces to this width, by one at least.
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
