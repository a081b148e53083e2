/// Writes JSON text in the order and with the escapes that the caller chose.
///
/// Strings are escaped as serde_json 1.0 does, whose bytes the safetensors reference writes: `"`, `\` and characters
/// below 0x20 (`\b \f \n \r \t`, the rest as `\u00xx` in lower case); everything else stays as it is.
public struct JSONWriter: Sendable {
  public private(set) var bytes: [UInt8] = []
  private let indentation: Int?
  private let escapesUnprintable: Bool
  private var openContainers: [(close: UInt8, isEmpty: Bool)] = []
  private var isAfterKey = false

  /// - Parameter indentation: Spaces per level, one member per line as in Python's `json.dumps(indent=)`; nil for no
  ///   white space.
  /// - Parameter escapesUnprintable: Whether control characters above 0x1F and those that change the direction of text
  ///   are escaped too, so that the text is harmless on a terminal.
  public init(indentation: Int? = nil, escapesUnprintable: Bool = false) {
    self.indentation = indentation
    self.escapesUnprintable = escapesUnprintable
  }

  public mutating func beginObject() { begin(UInt8(ascii: "{"), closing: UInt8(ascii: "}")) }
  public mutating func beginArray() { begin(UInt8(ascii: "["), closing: UInt8(ascii: "]")) }

  /// Closes the innermost open object or array.
  public mutating func end() {
    guard let container = openContainers.popLast() else { return }
    if !container.isEmpty { breakLine() }
    bytes.append(container.close)
  }

  public mutating func key(_ key: String) {
    separate()
    appendString(key)
    bytes.append(UInt8(ascii: ":"))
    if indentation != nil { bytes.append(UInt8(ascii: " ")) }
    isAfterKey = true
  }

  public mutating func value(_ string: String) {
    separate()
    appendString(string)
  }

  public mutating func value(_ integer: some BinaryInteger) { literal(String(integer)) }
  public mutating func value(_ boolean: Bool) { literal(boolean ? "true" : "false") }
  public mutating func null() { literal("null") }

  /// A finite number in the shortest form that reads back as the same double; others become null.
  public mutating func value(_ real: Double) {
    guard real.isFinite else { return null() }
    if real == real.rounded(), abs(real) < 1e15 { literal(String(Int64(real))) } else { literal("\(real)") }
  }

  public mutating func value(_ integers: some Sequence<some BinaryInteger>) {
    beginArray()
    for integer in integers { value(integer) }
    end()
  }

  public mutating func value(_ value: JSONValue) {
    switch value {
    case .null: null()
    case .bool(let boolean): self.value(boolean)
    case .integer(let integer): self.value(integer)
    case .real(let real): self.value(real)
    case .string(let string): self.value(string)
    case .array(let elements):
      beginArray()
      for element in elements { self.value(element) }
      end()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.key)
        self.value(member.value)
      }
      end()
    }
  }

  private mutating func literal(_ text: String) {
    separate()
    bytes.append(contentsOf: text.utf8)
  }

  private mutating func begin(_ open: UInt8, closing close: UInt8) {
    separate()
    bytes.append(open)
    openContainers.append((close, true))
  }

  private mutating func separate() {
    if isAfterKey {
      isAfterKey = false
      return
    }
    guard let last = openContainers.indices.last else { return }
    if !openContainers[last].isEmpty { bytes.append(UInt8(ascii: ",")) }
    openContainers[last].isEmpty = false
    breakLine()
  }

  private mutating func breakLine() {
    guard let indentation else { return }
    bytes.append(UInt8(ascii: "\n"))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: indentation * openContainers.count))
  }

  private mutating func appendString(_ string: String) {
    bytes.append(UInt8(ascii: "\""))
    if escapesUnprintable {
      for scalar in string.unicodeScalars {
        if scalar.value >= 0x7F, scalar.isUnprintable {
          appendEscape(scalar.value)
        } else {
          for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { appendEscaped(byte) }
        }
      }
    } else if string.utf8.allSatisfy(Self.isPlain) {
      bytes.append(contentsOf: string.utf8)
    } else {
      for byte in string.utf8 { appendEscaped(byte) }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Whether a byte of a string stays as it is.
  private static func isPlain(_ byte: UInt8) -> Bool {
    byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): bytes.append(contentsOf: "\\\"".utf8)
    case UInt8(ascii: "\\"): bytes.append(contentsOf: "\\\\".utf8)
    case 0x08: bytes.append(contentsOf: "\\b".utf8)
    case 0x0C: bytes.append(contentsOf: "\\f".utf8)
    case 0x0A: bytes.append(contentsOf: "\\n".utf8)
    case 0x0D: bytes.append(contentsOf: "\\r".utf8)
    case 0x09: bytes.append(contentsOf: "\\t".utf8)
    case 0..<0x20: appendEscape(UInt32(byte))
    default: bytes.append(byte)
    }
  }

  /// `\u` and four digits; every unprintable scalar fits them.
  private mutating func appendEscape(_ value: UInt32) {
    let digits = String(value, radix: 16)
    bytes.append(contentsOf: "\\u\(String(repeating: "0", count: max(0, 4 - digits.utf8.count)))\(digits)".utf8)
  }
}
