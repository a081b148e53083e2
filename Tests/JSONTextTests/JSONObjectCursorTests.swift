import JSONText
import Testing

private func members(_ text: String) throws -> [(key: String, value: String)]? {
  let bytes = Array(text.utf8)
  guard var cursor = JSONObjectCursor(bytes.span, range: 0..<bytes.count) else { return nil }
  var found: [(key: String, value: String)] = []
  while let member = try cursor.next(bytes.span) {
    found.append((try cursor.key(of: member, bytes.span), String(decoding: bytes[member.valueRange], as: UTF8.self)))
  }
  return found
}

private struct NoObject: Error {}

@Suite struct JSONObjectCursorTests {
  @Test func walksMembersAndLeavesTheirValuesUnparsed() throws {
    let found = try #require(try members(" \n{ \"a\" : {\"}\\\"\":[1]} ,\t\"\\u0062\\\"\":nul , \"c\":\"]\" } \r"))
    #expect(found.map(\.key) == ["a", "b\"", "c"])
    #expect(found.map(\.value) == ["{\"}\\\"\":[1]}", "nul", "\"]\""])
  }

  @Test func anEmptyObjectHasNoMembers() throws {
    #expect(try members("{}")?.count == 0)
    #expect(try members(" { } ")?.count == 0)
  }

  @Test func somethingElseThanAnObjectIsNoCursor() throws {
    for text in ["[]", "1", "", "  ", "\u{feff}{}"] { #expect(try members(text) == nil) }
  }

  @Test(arguments: [
    "{", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{a:1}", "{\"a\":1}x", "{\"a\":1}}",
    "{\"a", "{\"a\":\"", "{\"a\":[1", "{\"a\u{1}\":1}", "{\"a\\\":1}",
  ])
  func refusesBrokenPunctuation(text: String) { #expect(throws: JSONError.self) { try members(text) } }

  @Test func entersAnObjectAndContinuesBehindIt() throws {
    let bytes = Array(#"{"a": 1, "b" : {"x":{"y":2} , "z":[3]} , "c":{}, "d":[4]}"#.utf8)
    guard var cursor = JSONObjectCursor(bytes.span, range: 0..<bytes.count) else { throw NoObject() }
    var found: [String] = []
    while let key = try cursor.nextKey(bytes.span) {
      found.append(try cursor.string(of: key, bytes.span))
      guard var inner = cursor.enterObject(bytes.span) else {
        found.append(String(decoding: bytes[try cursor.skipValue(bytes.span)], as: UTF8.self))
        continue
      }
      while let member = try inner.next(bytes.span) {
        found.append(try inner.key(of: member, bytes.span) + String(decoding: bytes[member.valueRange], as: UTF8.self))
      }
      cursor.leave(inner)
    }
    #expect(found == ["a", "1", "b", #"x{"y":2}"#, "z[3]", "c", "d", "[4]"])
  }

  @Test func countsNestingOfWhatWasEntered() throws {
    for (depth, fits) in [(125, true), (126, false)] {
      let nested = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      let bytes = Array("{\"a\":{\"b\":\(nested)}}".utf8)
      guard var cursor = JSONObjectCursor(bytes.span, range: 0..<bytes.count) else { throw NoObject() }
      _ = try cursor.nextKey(bytes.span)
      guard var inner = cursor.enterObject(bytes.span) else { throw NoObject() }
      #expect(((try? inner.next(bytes.span)) != nil) == fits)
    }
  }

  @Test func countsNesting() throws {
    let nested = String(repeating: "[", count: 126) + String(repeating: "]", count: 126)
    #expect(try members("{\"a\":\(nested)}")?.count == 1)
    #expect(throws: JSONError.self) { try members("{\"a\":[\(nested)]}") }
  }
}
