/// The marks that some editors write before a text. JSON has none (RFC 8259, section 8.1), and neither Python's `json`
/// on texts, which transformers and PEFT use, nor serde_json, which tokenizers and safetensors use, reads a file that
/// begins with one.
enum ByteOrderMark {
  private static let marks: [(name: String, bytes: [UInt8])] = [
    ("UTF-8", [0xEF, 0xBB, 0xBF]), ("UTF-32", [0xFF, 0xFE, 0, 0]), ("UTF-16", [0xFF, 0xFE]), ("UTF-16", [0xFE, 0xFF]),
  ]

  /// The encoding whose mark the text begins with; nil if it begins with no mark.
  static func encoding(_ text: Span<UInt8>) -> String? {
    marks.first { mark in
      mark.bytes.count <= text.count && mark.bytes.indices.allSatisfy { text[$0] == mark.bytes[$0] }
    }?.name
  }
}

extension JSONError {
  /// The error for a text that begins with a byte order mark; nil if it does not.
  package static func byteOrderMark(_ text: Span<UInt8>) -> JSONError? {
    ByteOrderMark.encoding(text).map { JSONError(.byteOrderMark(encoding: $0), at: 0) }
  }
}
