import Safetensors

/// A regular expression of Python's `re` as the tables of transformers use them, searched for in names.
///
/// Swift's own `Regex` carries it out; the lookbehinds that it has not are looked at beside it, where a pattern begins with
/// them.
struct NamePattern {
  /// Where a pattern was found.
  struct Match {
    let range: Range<String.Index>
    /// What its groups took, the first one first; empty for one that took no part.
    let groups: [Substring]
  }

  private let regex: Regex<AnyRegexOutput>
  /// None of these may match the text that ends where a match begins.
  private let notBehind: [Regex<AnyRegexOutput>]
  /// Bytes that every match has; empty: none are known.
  private let literal: [UInt8]

  /// - Throws: What `Regex` says of a text that it does not take.
  init(_ text: String) throws {
    var rest = Substring(text)
    var notBehind: [Regex<AnyRegexOutput>] = []
    while rest.hasPrefix("(?<!"), let end = rest.firstIndex(of: ")") {
      let behind = rest[rest.index(rest.startIndex, offsetBy: 4)..<end]
      notBehind.append(try Regex("(?:\(behind))$").matchingSemantics(.unicodeScalar))
      rest = rest[rest.index(after: end)...]
    }
    self.notBehind = notBehind
    literal = Self.literal(rest)
    regex = try Regex(String(rest)).matchingSemantics(.unicodeScalar)
  }

  /// The leftmost match.
  func firstMatch(in name: String) -> Match? {
    guard literal.isEmpty || Self.contains(name, literal) else { return nil }
    var start = name.startIndex
    while let match = name[start...].firstMatch(of: regex) {
      if isAllowed(match.range, name) { return Self.match(match) }
      guard match.range.lowerBound < name.endIndex else { return nil }
      start = name.unicodeScalars.index(after: match.range.lowerBound)
    }
    return nil
  }

  private func isAllowed(_ range: Range<String.Index>, _ name: String) -> Bool {
    let before = name[..<range.lowerBound]
    return notBehind.allSatisfy { before.firstMatch(of: $0) == nil }
  }

  private static func match(_ match: Regex<AnyRegexOutput>.Match) -> Match {
    Match(range: match.range, groups: match.output.dropFirst().map { $0.substring ?? "" })
  }

  /// The longest run of characters outside of groups that stand for themselves and are not repeated.
  static func literal(_ text: Substring) -> [UInt8] {
    var best: [UInt8] = []
    var run: [UInt8] = []
    var depth = 0
    var isEscaped = false
    func isPlain(_ byte: UInt8) -> Bool {
      switch Unicode.Scalar(byte) {
      case "a"..."z", "A"..."Z", "0"..."9", "_", "-": true
      default: false
      }
    }
    func close() {
      if run.count > best.count { best = run }
      run = []
    }
    for byte in text.utf8 {
      let scalar = Unicode.Scalar(byte)
      if isEscaped {
        isEscaped = false
        if depth == 0, !isPlain(byte) { run.append(byte) } else { close() }
        continue
      }
      switch scalar {
      case "\\": isEscaped = true
      case "(", "[":
        close()
        depth += 1
      case ")", "]": depth -= 1
      case "|" where depth == 0: return []
      case "*", "?", "{":
        if depth == 0 { _ = run.popLast() }
        close()
      default:
        if depth == 0, isPlain(byte) { run.append(byte) } else { close() }
      }
    }
    close()
    return best
  }

  private static func contains(_ name: String, _ bytes: [UInt8]) -> Bool {
    var name = name
    return name.withUTF8 { text in
      guard text.count >= bytes.count else { return false }
      for start in 0...(text.count - bytes.count) where unsafe text[start] == bytes[0] {
        var count = 1
        while count < bytes.count, unsafe text[start + count] == bytes[count] { count += 1 }
        if count == bytes.count { return true }
      }
      return false
    }
  }
}
