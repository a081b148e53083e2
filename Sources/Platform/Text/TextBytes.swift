/// Names and arguments as text, although they need not be UTF-8.
package enum TextBytes {
  /// The text with an escape such as `\\xFF` for every invalid byte, for messages.
  package static func escaped(_ bytes: [UInt8]) -> String {
    var text = ""
    var rest = bytes[...]
    while !rest.isEmpty {
      let length = (1...4).first { $0 <= rest.count && String(validating: rest.prefix($0), as: UTF8.self) != nil }
      if let length {
        text += String(decoding: rest.prefix(length), as: UTF8.self)
      } else {
        let digits = String(rest[rest.startIndex], radix: 16, uppercase: true)
        text += "\\x" + (digits.count == 1 ? "0" : "") + digits
      }
      rest = rest.dropFirst(length ?? 1)
    }
    return text
  }

  /// A path as text; a component that is not UTF-8 becomes a text that no other component has.
  package static func distinct(_ path: [UInt8]) -> String {
    if let text = String(validating: path, as: UTF8.self) { return text }
    return path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map { component in
      String(validating: component, as: UTF8.self)
        ?? "\u{10FFFF}" + component.map { String(Int($0) + 256, radix: 16) }.joined()
    }.joined(separator: "/")
  }
}
