import JSONText
import Testing

private func edited(_ text: String, _ edit: (inout JSONEditor) throws -> Void) throws -> String {
  var editor = try JSONEditor(Array(text.utf8))
  try edit(&editor)
  return String(decoding: editor.bytes, as: UTF8.self)
}

@Suite struct JSONEditorTests {
  static let config = """
    {
      "rms_norm_eps": 1e-06,
      "rope": {"vocab_size": NaN, "x": {"vocab_size": 3}},
      "vocab_size": 32000
    }

    """

  @Test func replacesOneValueAndNoOtherByte() throws {
    let result = try edited(Self.config) { editor in
      let isFound = try editor.replace(["vocab_size"], with: "32001")
      #expect(isFound)
      let isOtherFound = try editor.replace(["rope", "none"], with: "1")
      #expect(!isOtherFound)
    }
    #expect(result == Self.config.replacing("32000", with: "32001"))
  }

  @Test func findsAKeyAtEveryDepth() throws {
    let editor = try JSONEditor(Array(Self.config.utf8))
    #expect(
      try editor.paths(to: "vocab_size") == [["rope", "vocab_size"], ["rope", "x", "vocab_size"], ["vocab_size"]])
  }

  @Test func replacesNestedValues() throws {
    let result = try edited(Self.config) { _ = try $0.replace(["rope", "x", "vocab_size"], with: "44") }
    #expect(result == Self.config.replacing("\"vocab_size\": 3}", with: "\"vocab_size\": 44}"))
  }

  @Test func addsAMemberInTheStyleOfTheLast() throws {
    #expect(try edited("{\n  \"a\": 1\n}\n") { try $0.set("b", to: "false") } == "{\n  \"a\": 1,\n  \"b\": false\n}\n")
    #expect(try edited("{}") { try $0.set("b", to: "[]") } == "{\"b\": []}")
    #expect(try edited("{\"a\":1}") { try $0.set("a", to: "2") } == "{\"a\":2}")
  }

  @Test func removesAMemberWithItsComma() throws {
    #expect(try edited("{\n  \"a\": 1,\n  \"b\": 2\n}") { _ = try $0.remove("b") } == "{\n  \"a\": 1\n}")
    #expect(try edited("{\n  \"a\": 1,\n  \"b\": 2\n}") { _ = try $0.remove("a") } == "{\n  \"b\": 2\n}")
    #expect(try edited("{\"a\": 1}") { _ = try $0.remove("a") } == "{}")
    #expect(try edited("{\"a\": 1}") { _ = try $0.remove("c") } == "{\"a\": 1}")
    let nested = "{\"a\": 1, \"b\": {\"c\": {\"a\": 2, \"d\": 3}}}"
    #expect(try edited(nested) { _ = try $0.remove("a", in: ["b", "c"]) } == "{\"a\": 1, \"b\": {\"c\": {\"d\": 3}}}")
    #expect(try edited(nested) { _ = try $0.remove("a", in: ["b"]) } == nested)
    #expect(try edited(nested) { _ = try $0.remove("a", in: ["c"]) } == nested)
  }

  @Test func refusesWhatIsNoObject() {
    for text in ["[]", "{\"a\":}", ""] {
      #expect(throws: JSONError.self) { _ = try JSONEditor(Array(text.utf8)) }
    }
  }
}
