import Checksums

/// JSON after its own SHA-256 and a space, and then a newline: a text that was not written to its end is recognized.
package enum SealedText {
  private static let checksumLength = 64

  /// The text of a record.
  package static func seal(_ json: [UInt8]) -> [UInt8] {
    Array("\(SHA256Checksum(of: json)) ".utf8) + json + [UInt8(ascii: "\n")]
  }

  /// The JSON in a text; nil: the text is not whole.
  package static func open(_ text: [UInt8]) -> [UInt8]? {
    guard text.count > checksumLength + 2, text[checksumLength] == UInt8(ascii: " "), text.last == UInt8(ascii: "\n")
    else { return nil }
    let json = Array(text[(checksumLength + 1)..<(text.count - 1)])
    return Array(text[..<checksumLength]) == Array(SHA256Checksum(of: json).description.utf8) ? json : nil
  }
}
