import JSONText
import Testing

private func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8).span) }

private func reason(_ text: String) -> JSONError.Reason? {
  do throws(JSONError) {
    _ = try JSONParser.parse(Array(text.utf8).span)
    return nil
  } catch { return error.reason }
}

@Suite struct JSONParserTests {
  @Test(arguments: [([0xEF, 0xBB, 0xBF], "UTF-8"), ([0xFF, 0xFE], "UTF-16"), ([0xFE, 0xFF], "UTF-16")])
  func aByteOrderMarkIsNamed(mark: [UInt8], encoding: String) {
    let text = mark + Array("{}".utf8)
    let error = #expect(throws: JSONError.self) { try JSONParser.parseLenient(text.span) }
    #expect(error == JSONError(.byteOrderMark(encoding: encoding), at: 0))
    #expect(error?.description.contains("byte order mark (\(encoding))") == true)
    // Inside of a string it is a character like any other.
    #expect(throws: Never.self) { try JSONParser.parse(Array("\"\u{FEFF}\"".utf8).span) }
  }

  @Test func keepsTheOrderAndTheKindsOfMembers() throws {
    let value = try parse(#"{"z":1,"a":[true,null,-2.5],"é":"x\u0000y","e\u0301":{}}"#)
    #expect(
      value
        == .object([
          JSONMember(key: "z", value: .integer(1)),
          JSONMember(key: "a", value: .array([.bool(true), .null, .real(-2.5)])),
          JSONMember(key: "é", value: .string("x\0y")),
          JSONMember(key: "e\u{301}", value: .object([])),
        ]))
  }

  @Test func looksKeysUpByTheirBytes() throws {
    let value = try parse(#"{"é":1,"e\u0301":2}"#)
    #expect(value["e\u{301}"] == .integer(2))
    #expect(value["\u{e9}"] == .integer(1))
    #expect(value["x"] == nil)
  }

  @Test func keepsIntegersThatADoubleCannotHold() throws {
    #expect(try parse("9007199254740993") == .integer(9_007_199_254_740_993))
  }

  @Test func namesTheReasonOfEachRefusal() {
    #expect(reason(#"{"a":1,"a":2}"#) == .duplicateKey("a"))
    #expect(reason("[1\0]") == .nulByte)
    #expect(reason("9223372036854775808") == .numberOutOfRange)
    #expect(reason("1e999") == .numberOutOfRange)
    #expect(reason(String(repeating: "[", count: 128) + String(repeating: "]", count: 128)) == .tooDeep(limit: 127))
    #expect(reason(String(repeating: "[", count: 127) + String(repeating: "]", count: 127)) == nil)
    for text in ["", "{", "[1}", "nul", "NaN", "[1,]", "{}{}", "\"\u{1}\"", #""\ud800""#] {
      guard case .syntax = reason(text) else {
        Issue.record("\(text) gave \(String(describing: reason(text)))")
        continue
      }
    }
  }

  @Test func bracketsInStringsDoNotNest() throws {
    let brackets = String(repeating: "[", count: 500)
    #expect(try parse("\"\(brackets)\\\"[\"") == .string(brackets + "\"["))
  }

  @Test func readsPythonsBareNonFiniteNumbersAsNullWhenLenient() throws {
    let text = Array(#"{"a":NaN,"b":[-Infinity,Infinity],"c":"NaN \" Infinity"}"#.utf8)
    let value = try JSONParser.parseLenient(text.span)
    #expect(value["a"] == .null)
    #expect(value["b"] == .array([.null, .null]))
    #expect(value["c"] == .string("NaN \" Infinity"))
    #expect(throws: JSONError.self) { try JSONParser.parseLenient(Array("{\"a\":nan}".utf8).span) }
  }
}
