import JSONText

/// Writes HTML that is well-formed XML too: every element is closed, and every text and attribute is escaped here.
struct HTMLWriter {
  private(set) var bytes: [UInt8] = []
  private var openElements: [String] = []

  typealias Attribute = (name: String, value: String)

  init() { bytes.append(contentsOf: "<!DOCTYPE html>\n".utf8) }

  mutating func open(_ name: String, _ attributes: [Attribute] = []) {
    tag(name, attributes, end: ">")
    openElements.append(name)
  }

  /// Closes the innermost open element.
  ///
  /// - Parameter breaksLine: Whether the next element starts a new line.
  mutating func close(breaksLine: Bool = true) {
    guard let name = openElements.popLast() else { return }
    bytes.append(contentsOf: "</\(name)>\(breaksLine ? "\n" : "")".utf8)
  }

  /// An element without content.
  mutating func empty(_ name: String, _ attributes: [Attribute] = []) { tag(name, attributes, end: "/>") }

  /// An element that contains only text.
  mutating func element(_ name: String, _ text: String, _ attributes: [Attribute] = [], breaksLine: Bool = true) {
    open(name, attributes)
    self.text(text)
    close(breaksLine: breaksLine)
  }

  mutating func text(_ text: String) { escape(text) }

  /// A style sheet from this program's source, without "<" and "&".
  mutating func style(_ sheet: StaticString) {
    open("style")
    bytes.append(contentsOf: sheet.description.utf8)
    close()
  }

  /// A script from this program's source, without "<" and "&".
  mutating func script(_ source: StaticString) {
    open("script")
    bytes.append(contentsOf: source.description.utf8)
    close()
  }

  private mutating func tag(_ name: String, _ attributes: [Attribute], end: String) {
    bytes.append(contentsOf: "<\(name)".utf8)
    for attribute in attributes {
      bytes.append(contentsOf: " \(attribute.name)=\"".utf8)
      escape(attribute.value)
      bytes.append(UInt8(ascii: "\""))
    }
    bytes.append(contentsOf: end.utf8)
  }

  private mutating func escape(_ text: String) {
    for scalar in text.escapingUnprintable.unicodeScalars {
      switch scalar {
      case "&": bytes.append(contentsOf: "&amp;".utf8)
      case "<": bytes.append(contentsOf: "&lt;".utf8)
      case ">": bytes.append(contentsOf: "&gt;".utf8)
      case "\"": bytes.append(contentsOf: "&quot;".utf8)
      case "'": bytes.append(contentsOf: "&#39;".utf8)
      // Not valid XML characters.
      case "\u{FFFE}", "\u{FFFF}": bytes.append(contentsOf: "\u{FFFD}".utf8)
      default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
      }
    }
  }
}
