extension Unicode.Scalar {
  /// Whether the character must not reach a terminal or a log as it is: control characters (C0, DEL, C1), line and
  /// paragraph separators, and those that change the direction of text.
  package var isUnprintable: Bool {
    switch value {
    case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }
}

extension String {
  /// The text with every unprintable character written as `\u{..}`.
  package var escapingUnprintable: String {
    // ASCII needs no decoding, and nearly every name is ASCII.
    guard utf8.contains(where: { $0 < 0x20 || $0 >= 0x7F }), unicodeScalars.contains(where: \.isUnprintable) else {
      return self
    }
    var escaped = ""
    for scalar in unicodeScalars {
      if scalar.isUnprintable {
        escaped += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }
}
