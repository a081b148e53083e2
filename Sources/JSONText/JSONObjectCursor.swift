#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Walks the members of one JSON object in a text without building a tree of it.
///
/// Only the object's own punctuation is checked here; a value is bounded by a string-aware bracket scan and left to
/// ``JSONParser``. A huge value is therefore known by its length before anything is allocated for it.
public struct JSONObjectCursor: Sendable {
  /// The ranges of a member's key and value in the text.
  public struct Member: Sendable {
    /// Between the quotes, escapes unresolved.
    public let keyRange: Range<Int>
    public let keyHasEscapes: Bool
    public let valueRange: Range<Int>
  }

  /// The range of a member's key. The cursor is then before the value.
  package struct Key: Sendable {
    /// Between the quotes, escapes unresolved.
    package let range: Range<Int>
    package let hasEscapes: Bool
  }

  private enum Expectation { case firstMember, nextMember, nothing }

  private var position: Int
  private let end: Int
  private let depthLimit: Int
  /// Whether the object is a value inside another one, so that more text follows.
  private let isInner: Bool
  private var expectation = Expectation.firstMember

  /// Starts at the object in `range`; nil if the first byte after white space is not `{`.
  ///
  /// - Parameters:
  ///   - range: Holds the object and nothing else but white space.
  ///   - depthLimit: Nested objects and arrays allowed, counting this object.
  public init?(_ text: Span<UInt8>, range: Range<Int>, depthLimit: Int = JSONLimits.depth) {
    self.init(text, range: range, depthLimit: depthLimit, isInner: false)
  }

  private init?(_ text: Span<UInt8>, range: Range<Int>, depthLimit: Int, isInner: Bool) {
    position = range.lowerBound
    end = range.upperBound
    self.depthLimit = depthLimit
    self.isInner = isInner
    skipWhiteSpace(text)
    guard position < end, text[position] == UInt8(ascii: "{") else { return nil }
    position += 1
  }

  /// The next member, or nil after the object's end, which only white space may follow.
  public mutating func next(_ text: Span<UInt8>) throws(JSONError) -> Member? {
    guard let key = try nextKey(text) else { return nil }
    return Member(keyRange: key.range, keyHasEscapes: key.hasEscapes, valueRange: try skipValue(text))
  }

  /// The next member's key; nil as for ``next(_:)``.
  ///
  /// The caller then skips the value with ``skipValue(_:)``, or walks it with ``enterObject(_:)``, the inner cursor and
  /// ``leave(_:)``.
  package mutating func nextKey(_ text: Span<UInt8>) throws(JSONError) -> Key? {
    skipWhiteSpace(text)
    switch expectation {
    case .nothing: return nil
    case .firstMember:
      if peek(text) == UInt8(ascii: "}") { return try finish(text) }
    case .nextMember:
      if peek(text) == UInt8(ascii: "}") { return try finish(text) }
      try expect(UInt8(ascii: ","), "',' or '}'", text)
      skipWhiteSpace(text)
    }
    try expect(UInt8(ascii: "\""), "a key in quotes", text)
    let keyStart = position
    let keyHasEscapes = try skipString(text)
    let keyRange = keyStart..<position - 1
    skipWhiteSpace(text)
    try expect(UInt8(ascii: ":"), "':'", text)
    skipWhiteSpace(text)
    expectation = .nextMember
    return Key(range: keyRange, hasEscapes: keyHasEscapes)
  }

  /// Skips the value that the cursor is before and returns its range.
  package mutating func skipValue(_ text: Span<UInt8>) throws(JSONError) -> Range<Int> {
    let start = position
    try passValue(text)
    return start..<position
  }

  /// A cursor in the object that this one is before, which saves the scan for its end; nil if it is no object.
  package func enterObject(_ text: Span<UInt8>) -> JSONObjectCursor? {
    JSONObjectCursor(text, range: position..<end, depthLimit: depthLimit - 1, isInner: true)
  }

  /// Continues after an object that ``enterObject(_:)`` entered and whose `next` has returned nil.
  package mutating func leave(_ inner: JSONObjectCursor) { position = inner.position }

  /// The member's key with its escapes resolved.
  public func key(of member: Member, _ text: Span<UInt8>) throws(JSONError) -> String {
    try string(of: Key(range: member.keyRange, hasEscapes: member.keyHasEscapes), text)
  }

  /// The key with its escapes resolved.
  package func string(of key: Key, _ text: Span<UInt8>) throws(JSONError) -> String {
    if key.hasEscapes { return try JSONParser.unescape(text, range: key.range) }
    return plainString(text, key.range)
  }

  /// The member's value if it is a string, without handing a plain one to the parser; nil if it is anything else.
  public func stringValue(of member: Member, _ text: Span<UInt8>) throws(JSONError) -> String? {
    let range = member.valueRange
    guard text[range.lowerBound] == UInt8(ascii: "\"") else { return nil }
    let contents = range.lowerBound + 1..<range.upperBound - 1
    for index in contents where text[index] == UInt8(ascii: "\\") {
      return try JSONParser.unescape(text, range: contents)
    }
    return plainString(text, contents)
  }

  private func plainString(_ text: Span<UInt8>, _ range: Range<Int>) -> String {
    unsafe text.withUnsafeBufferPointer { unsafe String(decoding: $0[range], as: UTF8.self) }
  }

  private func peek(_ text: Span<UInt8>) -> UInt8? { position < end ? text[position] : nil }

  private mutating func skipWhiteSpace(_ text: Span<UInt8>) {
    while position < end {
      switch text[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }

  private mutating func expect(_ byte: UInt8, _ what: String, _ text: Span<UInt8>) throws(JSONError) {
    guard peek(text) == byte else { throw JSONError(.syntax(detail: "\(what) expected"), at: position) }
    position += 1
  }

  private mutating func finish(_ text: Span<UInt8>) throws(JSONError) -> Key? {
    position += 1
    expectation = .nothing
    if isInner { return nil }
    skipWhiteSpace(text)
    guard position == end else { throw JSONError(.syntax(detail: "end of text expected"), at: position) }
    return nil
  }

  /// Moves from after the opening quote to after the closing one, and returns whether there were escapes.
  private mutating func skipString(_ text: Span<UInt8>) throws(JSONError) -> Bool {
    if let closing = plainStringEnd(text) {
      position = closing + 1
      return false
    }
    var hasEscapes = false
    while position < end {
      let byte = text[position]
      position += 1
      if byte == UInt8(ascii: "\"") { return hasEscapes }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        position += 1
      } else if byte < 0x20 {
        throw JSONError(.syntax(detail: "control character in a string"), at: position - 1)
      }
    }
    throw JSONError(.syntax(detail: "string without end"), at: end)
  }

  /// The next quote, if there is neither an escape nor a control character before it: nearly every string of a header
  /// or an index, found without a branch for each byte.
  private func plainStringEnd(_ text: Span<UInt8>) -> Int? {
    let end = min(end, text.count)
    let start = position
    guard start < end else { return nil }
    return unsafe text.withUnsafeBufferPointer { bytes -> Int? in
      guard let base = bytes.baseAddress, let quote = unsafe memchr(base + start, 0x22, end - start) else { return nil }
      let closing = unsafe UnsafeRawPointer(base).distance(to: UnsafeRawPointer(quote))
      var lowest: UInt8 = 0xFF
      var escapes: UInt8 = 0
      for index in start..<closing {
        let byte = unsafe base[index]
        lowest = min(lowest, byte)
        escapes |= byte == UInt8(ascii: "\\") ? 1 : 0
      }
      return lowest >= 0x20 && escapes == 0 ? closing : nil
    }
  }

  private mutating func passValue(_ text: Span<UInt8>) throws(JSONError) {
    var depth = 1
    repeat {
      guard let byte = peek(text) else { throw JSONError(.syntax(detail: "value without end"), at: position) }
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        _ = try skipString(text)
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        depth += 1
        if depth > depthLimit { throw JSONError(.tooDeep(limit: depthLimit), at: position) }
        position += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard depth > 1 else { throw JSONError(.syntax(detail: "a value expected"), at: position) }
        depth -= 1
        position += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"):
        guard depth > 1 else { throw JSONError(.syntax(detail: "a value expected"), at: position) }
        position += 1
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default:
        while let next = peek(text), !Self.endsLiteral(next) { position += 1 }
      }
    } while depth > 1
  }

  /// The offset of the first NUL byte; nil if there is none.
  package static func firstNUL(_ text: Span<UInt8>) -> Int? {
    unsafe text.withUnsafeBufferPointer { unsafe $0.firstIndex(of: 0) }
  }

  private static func endsLiteral(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "}"), UInt8(ascii: "]"),
      UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\""):
      true
    default: false
    }
  }
}
