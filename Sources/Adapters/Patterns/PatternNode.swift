/// The syntax tree of a pattern. Groups capture nothing here: only whether a name matches is asked.
indirect enum PatternNode: Sendable {
  case scalar(UInt32)
  /// `.`: every code point but a newline.
  case any
  case characterClass(CharacterClass)
  case assertion(PatternAssertion)
  case group(PatternNode)
  case sequence([PatternNode])
  case alternatives([PatternNode])
  /// `maximum` nil: without bound. Greedy and lazy repetition accept the same names.
  case repetition(PatternNode, minimum: Int, maximum: Int?)
}

/// A condition on a place between two code points.
enum PatternAssertion: Sendable {
  /// `^`, `\A`
  case start
  /// `$`: the end, and before a newline that ends the text.
  case endOrFinalNewline
  /// `\Z`
  case end
  /// `\b`
  case wordBoundary
  /// `\B`; false in an empty text, as in Python before 3.14.
  case noWordBoundary

  func holds(in text: [UInt32], at position: Int) -> Bool {
    switch self {
    case .start: position == 0
    case .end: position == text.count
    case .endOrFinalNewline:
      position == text.count || (position == text.count - 1 && text[position] == UInt32(ascii: "\n"))
    case .wordBoundary: isBoundary(text, position)
    case .noWordBoundary: !text.isEmpty && !isBoundary(text, position)
    }
  }

  private func isBoundary(_ text: [UInt32], _ position: Int) -> Bool {
    let before = position > 0 && CharacterClass.Category.word.contains(text[position - 1])
    let after = position < text.count && CharacterClass.Category.word.contains(text[position])
    return before != after
  }
}

extension UInt32 {
  init(ascii scalar: Unicode.Scalar) { self = scalar.value }
}
