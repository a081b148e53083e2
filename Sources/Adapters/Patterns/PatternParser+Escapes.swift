/// Backslashes and brackets.
extension PatternParser {
  /// What follows a backslash outside brackets.
  mutating func escape() throws(PatternProblem) -> PatternNode {
    let scalar = try escapedScalar()
    if let item = Self.category(scalar) { return .characterClass(CharacterClass(items: [item])) }
    switch Unicode.Scalar(scalar) {
    case "A": return .assertion(.start)
    case "Z": return .assertion(.end)
    case "b": return .assertion(.wordBoundary)
    case "B": return .assertion(.noWordBoundary)
    case "0": return .scalar(try octal(take(atMost: 2, while: Self.isOctal)))
    case _ where Self.isDigit(scalar):
      // Three octal digits are a code point; everything else refers to a group.
      let start = position - 1
      let digits = text[start..<min(start + 3, text.count)]
      guard digits.count == 3, digits.allSatisfy(Self.isOctal) else { throw .unsupported("backreferences are") }
      position = start + 3
      return .scalar(try octal(digits))
    default: return .scalar(try literal(scalar))
    }
  }

  /// What follows `[`.
  mutating func characterClass() throws(PatternProblem) -> CharacterClass {
    var result = CharacterClass(items: [], isNegated: take("^"))
    while true {
      guard let scalar = next else { throw .invalid("unterminated character set") }
      if scalar == UInt32(ascii: "]"), !result.items.isEmpty {
        position += 1
        return result
      }
      let low = try classItem()
      guard take("-") else {
        result.items.append(low)
        continue
      }
      guard let end = next else { throw .invalid("unterminated character set") }
      if end == UInt32(ascii: "]") {
        position += 1
        let hyphen = UInt32(ascii: "-")
        result.items += [low, .range(hyphen...hyphen)]
        return result
      }
      guard case .range(let first) = low, case .range(let last) = try classItem(),
        first.lowerBound <= last.lowerBound
      else { throw .invalid("bad character range") }
      result.items.append(.range(first.lowerBound...last.lowerBound))
    }
  }

  /// One member of a bracket: a single code point or a category.
  private mutating func classItem() throws(PatternProblem) -> CharacterClass.Item {
    guard let scalar = next else { throw .invalid("unterminated character set") }
    position += 1
    guard scalar == UInt32(ascii: "\\") else { return .range(scalar...scalar) }
    let escaped = try escapedScalar()
    if let item = Self.category(escaped) { return item }
    let value: UInt32
    if Self.isOctal(escaped) {
      position -= 1
      value = try octal(take(atMost: 3, while: Self.isOctal))
    } else if escaped == UInt32(ascii: "b") {
      value = 0x08
    } else if Self.isDigit(escaped) {
      throw .invalid("bad escape")
    } else {
      value = try literal(escaped)
    }
    return .range(value...value)
  }

  private mutating func escapedScalar() throws(PatternProblem) -> UInt32 {
    guard let scalar = next else { throw .invalid("bad escape (end of pattern)") }
    position += 1
    return scalar
  }

  private static func category(_ scalar: UInt32) -> CharacterClass.Item? {
    switch Unicode.Scalar(scalar) {
    case "d": .category(.digit, negated: false)
    case "D": .category(.digit, negated: true)
    case "s": .category(.space, negated: false)
    case "S": .category(.space, negated: true)
    case "w": .category(.word, negated: false)
    case "W": .category(.word, negated: true)
    default: nil
    }
  }

  /// The code point that an escaped letter or sign stands for.
  private mutating func literal(_ scalar: UInt32) throws(PatternProblem) -> UInt32 {
    switch Unicode.Scalar(scalar) {
    case "a": return 0x07
    case "f": return 0x0C
    case "n": return 0x0A
    case "r": return 0x0D
    case "t": return 0x09
    case "v": return 0x0B
    case "x": return try hexadecimal(2)
    case "u": return try hexadecimal(4)
    case "U":
      let value = try hexadecimal(8)
      guard value <= 0x10FFFF else { throw .invalid("bad escape") }
      return value
    case "N": throw .unsupported("named characters (\\N{...}) are")
    case _ where Self.isASCIILetter(scalar): throw .invalid("bad escape")
    default: return scalar
    }
  }

  private mutating func hexadecimal(_ count: Int) throws(PatternProblem) -> UInt32 {
    let digits = take(atMost: count) { (Unicode.Scalar($0)?.properties.isASCIIHexDigit) ?? false }
    guard digits.count == count else { throw .invalid("incomplete escape") }
    return digits.reduce(0) { $0 << 4 | ($1 <= 0x39 ? $1 - 0x30 : ($1 | 0x20) - 0x61 + 10) }
  }

  private func octal(_ digits: ArraySlice<UInt32>) throws(PatternProblem) -> UInt32 {
    let value = digits.reduce(0) { $0 << 3 | ($1 - 0x30) }
    guard value <= 0o377 else { throw .invalid("octal escape outside of range 0-0o377") }
    return value
  }

  private static func isOctal(_ scalar: UInt32) -> Bool { (0x30...0x37).contains(scalar) }

  private static func isASCIILetter(_ scalar: UInt32) -> Bool { (0x61...0x7A).contains(scalar | 0x20) }
}
