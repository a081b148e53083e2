import JSONText
import Safetensors

/// Bounded texts of a file's metadata.
struct MetadataTexts {
  private let values: [String: String]

  /// Scalars of one text.
  static let textLimit = 200
  /// Bytes of a JSON text that is read.
  static let jsonLimit = 4 << 20

  /// Of two entries with one key the first counts.
  init(_ metadata: [SafetensorsHeader.MetadataEntry]) {
    values = Dictionary(metadata.lazy.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// The text of the first key that has one, cut.
  func text(_ keys: String...) -> String? {
    for key in keys {
      guard let value = values[key], !value.isEmpty, value != "None" else { continue }
      return Self.cut(value)
    }
    return nil
  }

  /// The JSON text of a key; nil if the key is missing, or its text is too long or not valid.
  func json(_ key: String) -> JSONValue? {
    guard let value = values[key], value.utf8.count <= Self.jsonLimit else { return nil }
    return try? JSONParser.parse(Array(value.utf8).span)
  }

  /// Bytes of the text of a key.
  func byteCount(_ key: String) -> Int { values[key]?.utf8.count ?? 0 }

  /// A text of at most ``textLimit`` scalars.
  static func cut(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: textLimit, limitedBy: scalars.endIndex),
      end != scalars.endIndex
    else { return text }
    return String(scalars[..<end]) + "..."
  }
}
