/// Edits single values of a JSON text and leaves every other byte as it is.
///
/// Written for config.json: parsing and rewriting it would change the spelling of `1e-06`, reorder keys and lose
/// extensions of JSON.
public struct JSONEditor: Sendable {
  public private(set) var bytes: [UInt8]

  /// - Throws: ``JSONError`` if the text is not one object that ``JSONParser/parseLenient(_:)`` reads.
  public init(_ bytes: [UInt8]) throws(JSONError) {
    guard case .object = try JSONParser.parseLenient(bytes.span) else {
      throw JSONError(.syntax(detail: "an object expected"), at: 0)
    }
    self.bytes = bytes
  }

  /// Replaces the value at `path`, the keys from the outermost object on, by JSON text; false if there is no such
  /// value.
  public mutating func replace(_ path: [String], with text: String) throws(JSONError) -> Bool {
    guard let range = try valueRange(path) else { return false }
    bytes.replaceSubrange(range, with: text.utf8)
    return true
  }

  /// Adds a member at the end of an object, formatted like its last one, or replaces the member if it exists.
  ///
  /// - Parameter path: The keys that lead to the object, empty for the outermost one; nothing changes if there is
  ///   no such object.
  public mutating func set(_ key: String, in path: [String] = [], to text: String) throws(JSONError) {
    if try replace(path + [key], with: text) { return }
    guard let object = path.isEmpty ? 0..<bytes.count : try valueRange(path) else { return }
    var writer = JSONWriter()
    writer.value(key)
    let member = String(decoding: writer.bytes, as: UTF8.self) + ": " + text
    guard var cursor = JSONObjectCursor(bytes.span, range: object) else { return }
    var last: JSONObjectCursor.Member?
    while let next = try cursor.next(bytes.span) { last = next }
    guard let last else {
      guard let brace = bytes[object].firstIndex(of: UInt8(ascii: "{")) else { return }
      bytes.insert(contentsOf: member.utf8, at: brace + 1)
      return
    }
    // The text before the last member's key: a line break and the indentation.
    var start = last.keyRange.lowerBound - 1
    while start > 0, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[start - 1]) { start -= 1 }
    let gap = bytes[start..<last.keyRange.lowerBound - 1]
    bytes.insert(contentsOf: [UInt8(ascii: ",")] + gap + Array(member.utf8), at: last.valueRange.upperBound)
  }

  /// Removes a member of an object with the comma that belongs to it; false if there is none.
  ///
  /// - Parameter path: The keys that lead to the object, empty for the outermost one.
  public mutating func remove(_ key: String, in path: [String] = []) throws(JSONError) -> Bool {
    guard let object = path.isEmpty ? 0..<bytes.count : try valueRange(path),
      var cursor = JSONObjectCursor(bytes.span, range: object)
    else { return false }
    var previousEnd: Int?
    while let member = try cursor.next(bytes.span) {
      guard try cursor.key(of: member, bytes.span) == key else {
        previousEnd = member.valueRange.upperBound
        continue
      }
      if let previousEnd {
        bytes.removeSubrange(previousEnd..<member.valueRange.upperBound)
      } else {
        let next = try cursor.next(bytes.span)
        let end = next.map { $0.keyRange.lowerBound - 1 } ?? member.valueRange.upperBound
        bytes.removeSubrange(member.keyRange.lowerBound - 1..<end)
      }
      return true
    }
    return false
  }

  /// The paths of all members called `key`, at any depth of nested objects, in the order of the text.
  public func paths(to key: String) throws(JSONError) -> [[String]] {
    var found: [[String]] = []
    try collect(key, in: 0..<bytes.count, under: [], &found)
    return found
  }

  private func collect(
    _ key: String, in range: Range<Int>, under path: [String], _ found: inout [[String]]
  ) throws(JSONError) {
    guard path.count < JSONLimits.depth, var cursor = JSONObjectCursor(bytes.span, range: range) else { return }
    while let member = try cursor.next(bytes.span) {
      let name = try cursor.key(of: member, bytes.span)
      if name == key { found.append(path + [name]) }
      if bytes[member.valueRange.lowerBound] == UInt8(ascii: "{") {
        try collect(key, in: member.valueRange, under: path + [name], &found)
      }
    }
  }

  private func valueRange(_ path: [String]) throws(JSONError) -> Range<Int>? {
    var range = 0..<bytes.count
    for key in path {
      guard var cursor = JSONObjectCursor(bytes.span, range: range) else { return nil }
      var found: Range<Int>?
      while let member = try cursor.next(bytes.span) {
        if try cursor.key(of: member, bytes.span) == key { found = member.valueRange }
      }
      guard let found else { return nil }
      range = found
    }
    return path.isEmpty ? nil : range
  }
}
