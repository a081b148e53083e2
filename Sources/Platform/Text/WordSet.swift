/// Words that a name with dots may have as components, looked up in the name's bytes: nothing is allocated for a name.
package struct WordSet: Sendable {
  /// By their length in bytes.
  private let words: [[[UInt8]]]

  /// - Parameter words: Without dots.
  package init(_ words: some Sequence<String>) {
    var byLength: [[[UInt8]]] = []
    for word in words {
      let bytes = Array(word.utf8)
      while byLength.count <= bytes.count { byLength.append([]) }
      byLength[bytes.count].append(bytes)
    }
    self.words = byLength
  }

  /// Whether a component of a name is one of the words.
  ///
  /// - Parameter name: Its components are what lies between its dots.
  package func hasWord(in name: String) -> Bool {
    let text = name.utf8.span
    var start = 0
    for position in 0...text.count where position == text.count || text[position] == UInt8(ascii: ".") {
      if contains(text, start..<position) { return true }
      start = position + 1
    }
    return false
  }

  private func contains(_ text: Span<UInt8>, _ range: Range<Int>) -> Bool {
    guard range.count < words.count else { return false }
    return words[range.count].contains { word in
      for offset in word.indices where text[range.lowerBound + offset] != word[offset] { return false }
      return true
    }
  }

  /// Whether a component of a name, other than its last, is a number in ASCII digits.
  ///
  /// - Parameter name: As for ``hasWord(in:)``; empty components are none.
  package static func hasNumber(in name: String) -> Bool {
    let text = name.utf8.span
    var (isFound, length, areDigits) = (false, 0, true)
    for position in text.indices {
      let byte = text[position]
      if byte == UInt8(ascii: ".") {
        if length > 0, areDigits { isFound = true }
        (length, areDigits) = (0, true)
        continue
      }
      // A component behind the number: the number is not the last.
      if isFound { return true }
      length += 1
      areDigits = areDigits && byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
    return false
  }
}
