/// A set of code points: one `[...]` of a pattern, or one of `\d`, `\s`, `\w` and their opposites.
struct CharacterClass: Sendable {
  /// The classes that Python's `re` names for text patterns, without the ASCII flag.
  enum Category: Sendable { case digit, space, word }

  enum Item: Sendable {
    case range(ClosedRange<UInt32>)
    case category(Category, negated: Bool)
  }

  var items: [Item]
  var isNegated = false

  func contains(_ scalar: UInt32) -> Bool {
    for item in items {
      let isHit =
        switch item {
        case .range(let range): range.contains(scalar)
        case .category(let category, let negated): category.contains(scalar) != negated
        }
      if isHit { return !isNegated }
    }
    return isNegated
  }
}

extension CharacterClass.Category {
  /// Membership as CPython defines it: `str.isdecimal`, `str.isspace`, and `str.isalnum` or an underscore.
  func contains(_ scalar: UInt32) -> Bool {
    switch self {
    case .space:
      switch scalar {
      case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
      default: false
      }
    case .digit:
      scalar < 0x80
        ? (0x30...0x39).contains(scalar)
        : Unicode.Scalar(scalar)?.properties.generalCategory == .decimalNumber
    case .word:
      switch scalar {
      case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: true
      case 0..<0x80: false
      default: Unicode.Scalar(scalar).map(Self.isAlphanumeric) ?? false
      }
    }
  }

  private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber: true
    default: scalar.properties.numericType != nil
    }
  }
}
