import JSONText
import Safetensors

/// `tokenizer.json` of the tokenizers library; only the number of tokens is read from it.
public enum TokenizerFile {
  static let largestByteCount = 256 << 20
  static let largestListByteCount = 32 << 20

  /// One more than the highest id of `model.vocab` and `added_tokens`: the rows that an embedding needs.
  ///
  /// Nil if there is no such file or its form is unknown: many kinds of tokenizers exist, and none of
  /// them is an error.
  public static func tokenCount(_ path: String) -> Int? {
    guard let bytes = try? BoundedFile.read(path, limit: largestByteCount) else { return nil }
    return try? highestID(bytes.span).map { $0 + 1 }
  }

  static func highestID(_ text: Span<UInt8>) throws(JSONError) -> Int? {
    var highest: Int?
    guard var cursor = JSONObjectCursor(text, range: 0..<text.count) else { return nil }
    while let member = try cursor.next(text) {
      switch try cursor.key(of: member, text) {
      case "model": highest = max(highest, try highestInModel(text, member.valueRange))
      case "added_tokens":
        guard member.valueRange.count <= largestListByteCount,
          case .array(let tokens) = try JSONParser.parse(text, range: member.valueRange)
        else { continue }
        for token in tokens {
          if case .integer(let id)? = token["id"] { highest = max(highest, Int(id)) }
        }
      default: break
      }
    }
    return highest
  }

  /// The entries of `added_tokens`.
  static func addedTokens(_ text: Span<UInt8>) throws(JSONError) -> [(text: String, id: Int64)] {
    guard var cursor = JSONObjectCursor(text, range: 0..<text.count) else { return [] }
    while let member = try cursor.next(text) {
      guard try cursor.key(of: member, text) == "added_tokens", member.valueRange.count <= largestListByteCount,
        case .array(let tokens) = try JSONParser.parse(text, range: member.valueRange)
      else { continue }
      return tokens.compactMap { token in
        if case .integer(let id)? = token["id"], case .string(let text)? = token["content"] { (text, id) } else { nil }
      }
    }
    return []
  }

  private static func highestInModel(_ text: Span<UInt8>, _ range: Range<Int>) throws(JSONError) -> Int? {
    guard var cursor = JSONObjectCursor(text, range: range) else { return nil }
    while let member = try cursor.next(text) {
      guard try cursor.key(of: member, text) == "vocab" else { continue }
      // BPE, WordPiece and WordLevel map tokens to ids; Unigram lists them in the order of their ids.
      if var tokens = JSONObjectCursor(text, range: member.valueRange) {
        var highest: Int?
        while let token = try tokens.next(text) { highest = max(highest, integer(text, token.valueRange)) }
        return highest
      }
      guard member.valueRange.count <= largestListByteCount,
        case .array(let tokens) = try JSONParser.parse(text, range: member.valueRange)
      else { return nil }
      return tokens.isEmpty ? nil : tokens.count - 1
    }
    return nil
  }

  private static func integer(_ text: Span<UInt8>, _ range: Range<Int>) -> Int? {
    guard range.count <= 10 else { return nil }
    var value = 0
    for index in range {
      guard text[index] >= UInt8(ascii: "0"), text[index] <= UInt8(ascii: "9") else { return nil }
      value = value * 10 + Int(text[index] - UInt8(ascii: "0"))
    }
    return value
  }

  private static func max(_ one: Int?, _ other: Int?) -> Int? {
    guard let one, let other else { return one ?? other }
    return Swift.max(one, other)
  }
}
