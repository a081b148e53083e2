/// The reason that a JSON text was refused.
public struct JSONError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// The text is not JSON; `detail` says why in jansson's or this module's words, unescaped.
    case syntax(detail: String)
    /// The text begins with a byte order mark, which JSON does not have.
    case byteOrderMark(encoding: String)
    /// A NUL byte in the text. jansson ignores one after a number, so all of them are rejected here.
    case nulByte
    /// More nested objects and arrays than ``JSONLimits/depth``.
    case tooDeep(limit: Int)
    /// An object names the same key twice.
    case duplicateKey(String)
    /// An integer outside Int64, or a real number outside double.
    case numberOutOfRange
    /// A value longer than its limit, in bytes.
    case tooLong(byteCount: Int, limit: Int)
  }

  public let reason: Reason
  /// Bytes from the start of the text.
  public let offset: Int

  public init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }
}

extension JSONError: CustomStringConvertible {
  public var description: String {
    switch reason {
    case .syntax(let detail): "\(detail) at byte \(offset)"
    case .byteOrderMark(let encoding):
      "it begins with a byte order mark (\(encoding)), which transformers, PEFT and safetensors don't read either; "
        + "save it as UTF-8 without one"
    case .nulByte: "NUL byte at byte \(offset)"
    case .tooDeep(let limit): "nested deeper than \(limit) levels at byte \(offset)"
    case .duplicateKey(let key): "duplicate key \"\(key)\" at byte \(offset)"
    case .numberOutOfRange: "number out of range at byte \(offset)"
    case .tooLong(let byteCount, let limit): "value of \(byteCount) bytes at byte \(offset); the limit is \(limit)"
    }
  }
}

/// Limits on JSON text from outside.
public enum JSONLimits {
  /// Nested objects and arrays, counting the outermost: what serde_json 1.0, the safetensors reference's parser,
  /// allows.
  public static let depth = 127
}
