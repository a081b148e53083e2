import CJansson

/// jansson behind a Swift interface: this file and `JSONTree` are the only code that calls it.
public enum JSONParser {
  /// Parses `text[range]`, which must hold exactly one JSON value.
  ///
  /// Duplicate keys, NUL bytes, nesting beyond `depthLimit`, integers beyond Int64 and invalid UTF-8 are errors.
  /// Memory grows up to 80 times the length of the text (jansson 2.14, measured on nested empty objects): bound
  /// the length before calling.
  ///
  /// - Parameters:
  ///   - text: UTF-8 bytes.
  ///   - range: The part to parse; offsets in errors count from the start of `text`. Nil for the whole text.
  ///   - depthLimit: Nested objects and arrays allowed, counting the value itself.
  public static func parse(
    _ text: Span<UInt8>, range: Range<Int>? = nil, depthLimit: Int = JSONLimits.depth
  ) throws(JSONError) -> JSONValue {
    let root = try unsafe load(text, range: range ?? 0..<text.count, depthLimit: depthLimit)
    defer { unsafe json_decref(root) }
    return unsafe convert(root)
  }

  /// Parses to jansson's own value, which the caller frees.
  ///
  /// - Parameter isScanned: Whether NUL bytes and deep nesting are known not to be there.
  static func load(
    _ text: Span<UInt8>, range: Range<Int>, depthLimit: Int, isScanned: Bool = false
  ) throws(JSONError) -> UnsafeMutablePointer<json_t> {
    guard range.lowerBound >= 0, range.upperBound <= text.count else {
      throw JSONError(.syntax(detail: "range outside the text"), at: 0)
    }
    if range.lowerBound == 0, let error = JSONError.byteOrderMark(text) { throw error }
    if !isScanned { try checkNestingAndNUL(text, range: range, depthLimit: depthLimit) }
    var error = json_error_t()
    let flags = Int(JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY)
    let root = unsafe text.withUnsafeBufferPointer { buffer -> UnsafeMutablePointer<json_t>? in
      let slice = unsafe UnsafeBufferPointer(rebasing: buffer[range])
      return unsafe slice.withMemoryRebound(to: CChar.self) { characters in
        unsafe json_loadb(characters.baseAddress, characters.count, flags, &error)
      }
    }
    guard let root = unsafe root else { throw jsonError(error, base: range.lowerBound) }
    return unsafe root
  }

  /// Parses a whole text that Python's `json` may have written: a bare `NaN`, `Infinity` or `-Infinity` outside
  /// strings, which JSON does not know but `config.json` files on the hub hold, is read as null.
  public static func parseLenient(_ text: Span<UInt8>) throws(JSONError) -> JSONValue {
    do throws(JSONError) {
      return try parse(text)
    } catch {
      guard case .syntax = error.reason, let blanked = blankingNonFiniteLiterals(text) else { throw error }
      return try parse(blanked.span)
    }
  }

  /// The contents of a string token: bytes between the quotes, in `range`, with its escapes resolved.
  package static func unescape(_ text: Span<UInt8>, range: Range<Int>) throws(JSONError) -> String {
    guard case .string(let string) = try parse(text, range: range.lowerBound - 1..<range.upperBound + 1) else {
      throw JSONError(.syntax(detail: "a string expected"), at: range.lowerBound)
    }
    return string
  }

  private static func checkNestingAndNUL(
    _ text: Span<UInt8>, range: Range<Int>, depthLimit: Int
  ) throws(JSONError) {
    var depth = 0
    var inString = false
    var position = range.lowerBound
    while position < range.upperBound {
      switch text[position] {
      case 0: throw JSONError(.nulByte, at: position)
      case UInt8(ascii: "\""): inString.toggle()
      case UInt8(ascii: "\\") where inString: position += 1
      case UInt8(ascii: "{") where !inString, UInt8(ascii: "[") where !inString:
        depth += 1
        if depth > depthLimit { throw JSONError(.tooDeep(limit: depthLimit), at: position) }
      case UInt8(ascii: "}") where !inString, UInt8(ascii: "]") where !inString: depth -= 1
      default: break
      }
      position += 1
    }
  }

  private static func convert(_ value: UnsafeMutablePointer<json_t>) -> JSONValue {
    switch unsafe cjansson_type(value) {
    case JSON_OBJECT:
      var members: [JSONMember] = []
      unsafe members.reserveCapacity(json_object_size(value))
      var iterator = unsafe json_object_iter(value)
      while let current = unsafe iterator {
        let key = unsafe String(cString: json_object_iter_key(current))
        if let member = unsafe json_object_iter_value(current) {
          unsafe members.append(JSONMember(key: key, value: convert(member)))
        }
        unsafe iterator = json_object_iter_next(value, current)
      }
      return .object(members)
    case JSON_ARRAY:
      var elements: [JSONValue] = []
      let count = unsafe json_array_size(value)
      elements.reserveCapacity(count)
      for index in 0..<count {
        if let element = unsafe json_array_get(value, index) { unsafe elements.append(convert(element)) }
      }
      return .array(elements)
    case JSON_STRING:
      let bytes = unsafe UnsafeRawBufferPointer(start: json_string_value(value), count: json_string_length(value))
      return unsafe .string(String(decoding: bytes, as: UTF8.self))
    case JSON_INTEGER: return unsafe .integer(json_integer_value(value))
    case JSON_REAL: return unsafe .real(json_real_value(value))
    case JSON_TRUE: return .bool(true)
    case JSON_FALSE: return .bool(false)
    default: return .null
    }
  }

  private static func jsonError(_ error: json_error_t, base: Int) -> JSONError {
    let offset = base + max(0, Int(error.position))
    var text = error.text
    let code = unsafe withUnsafeBytes(of: &text) { unsafe $0.last }
    let message = unsafe withUnsafeBytes(of: &text) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    switch code {
    case UInt8(json_error_duplicate_key.rawValue):
      // jansson 2.14 says: duplicate object key near '"name"'
      let token = message.drop { $0 != "'" }.dropFirst().dropLast()
      return JSONError(
        .duplicateKey(token.hasPrefix("\"") ? String(token.dropFirst().dropLast()) : String(token)), at: offset)
    case UInt8(json_error_numeric_overflow.rawValue): return JSONError(.numberOutOfRange, at: offset)
    case UInt8(json_error_stack_overflow.rawValue): return JSONError(.tooDeep(limit: JSONLimits.depth), at: offset)
    default: return JSONError(.syntax(detail: message), at: offset)
    }
  }

  private static func blankingNonFiniteLiterals(_ text: Span<UInt8>) -> [UInt8]? {
    let literals = ["-Infinity", "Infinity", "NaN"].map { Array($0.utf8) }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var inString = false
    var changed = false
    var position = 0
    scan: while position < text.count {
      let byte = text[position]
      if inString, byte == UInt8(ascii: "\\"), position + 1 < text.count {
        result.append(byte)
        position += 1
        result.append(text[position])
        position += 1
        continue
      }
      if byte == UInt8(ascii: "\"") { inString.toggle() }
      if !inString {
        for literal in literals where position + literal.count <= text.count {
          if literal.indices.allSatisfy({ text[position + $0] == literal[$0] }) {
            result.append(contentsOf: "null".utf8)
            position += literal.count
            changed = true
            continue scan
          }
        }
      }
      result.append(byte)
      position += 1
    }
    return changed ? result : nil
  }
}

/// Information about the JSON library in use.
public enum JSONLibrary {
  /// jansson's own version, such as "2.14".
  public static var version: String { unsafe String(cString: jansson_version_str()) }
}
