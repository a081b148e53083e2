import CJansson

/// One small JSON object as jansson holds it, freed with the value: for callers that read a few known keys of many
/// objects and would throw a ``JSONValue`` away at once.
@safe
package struct JSONTree: ~Copyable {
  private let root: UnsafeMutablePointer<json_t>

  /// The value of a key.
  package enum Found<Value> {
    case missing
    case value(Value)
    /// A value of another type, as named in an error message.
    case other(String)
  }

  /// Parses a value that a ``JSONObjectCursor`` found, under the rules of ``JSONParser/parse(_:range:depthLimit:)``;
  /// nil if it is no object. The text must hold no NUL byte.
  package init?(_ text: Span<UInt8>, range: Range<Int>) throws(JSONError) {
    let root = try unsafe JSONParser.load(text, range: range, depthLimit: JSONLimits.depth, isScanned: true)
    guard unsafe cjansson_type(root) == JSON_OBJECT else {
      unsafe json_decref(root)
      return nil
    }
    unsafe self.root = root
  }

  package func string(_ key: StaticString) -> Found<String> {
    guard let value = unsafe member(key) else { return .missing }
    guard unsafe cjansson_type(value) == JSON_STRING else { return unsafe .other(Self.kindName(value)) }
    let bytes = unsafe UnsafeRawBufferPointer(start: json_string_value(value), count: json_string_length(value))
    return unsafe .value(String(decoding: bytes, as: UTF8.self))
  }

  /// An array of integers that are not negative.
  package func naturals(_ key: StaticString) -> Found<[UInt64]> {
    guard let value = unsafe member(key) else { return .missing }
    return unsafe Self.naturals(value)
  }

  /// An array of non-negative integers that is a whole value; nil if it is anything else. The text must hold no NUL
  /// byte, and the range is a value that a ``JSONObjectCursor`` found.
  package static func naturals(_ text: Span<UInt8>, range: Range<Int>) throws(JSONError) -> [UInt64]? {
    let root = try unsafe JSONParser.load(text, range: range, depthLimit: JSONLimits.depth, isScanned: true)
    defer { unsafe json_decref(root) }
    guard case .value(let integers) = unsafe naturals(root) else { return nil }
    return integers
  }

  private static func naturals(_ value: UnsafeMutablePointer<json_t>) -> Found<[UInt64]> {
    guard unsafe cjansson_type(value) == JSON_ARRAY else { return unsafe .other(kindName(value)) }
    let count = unsafe json_array_size(value)
    var integers: [UInt64] = []
    integers.reserveCapacity(count)
    for index in 0..<count {
      guard let element = unsafe json_array_get(value, index) else { return .other("an array with a hole") }
      guard unsafe cjansson_type(element) == JSON_INTEGER else {
        return unsafe .other("an array with \(kindName(element))")
      }
      guard let natural = unsafe UInt64(exactly: json_integer_value(element)) else {
        return .other("an array with a negative number")
      }
      integers.append(natural)
    }
    return .value(integers)
  }

  private func member(_ key: StaticString) -> UnsafeMutablePointer<json_t>? {
    unsafe key.utf8Start.withMemoryRebound(to: CChar.self, capacity: key.utf8CodeUnitCount + 1) {
      unsafe json_object_get(root, $0)
    }
  }

  private static func kindName(_ value: UnsafeMutablePointer<json_t>) -> String {
    switch unsafe cjansson_type(value) {
    case JSON_OBJECT: "an object"
    case JSON_ARRAY: "an array"
    case JSON_STRING: "a string"
    case JSON_INTEGER: "an integer"
    case JSON_REAL: "a number with a fraction"
    case JSON_TRUE, JSON_FALSE: "a boolean"
    default: "null"
    }
  }

  deinit { unsafe json_decref(root) }
}
