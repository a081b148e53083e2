import JSONText
import Testing

@Suite struct JSONWriterTests {
  @Test func writesCompactTextInTheGivenOrder() {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("b")
    writer.value([1, 2])
    writer.key("a")
    writer.beginArray()
    writer.end()
    writer.key("c")
    writer.null()
    writer.key("d")
    writer.value(0.5)
    writer.key("e")
    writer.value(true)
    writer.end()
    #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"b":[1,2],"a":[],"c":null,"d":0.5,"e":true}"#)
  }

  @Test func escapesAsSerdeDoes() {
    var writer = JSONWriter()
    writer.value("\"\\/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}é\u{202e}")
    #expect(
      String(decoding: writer.bytes, as: UTF8.self)
        == "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}é\u{202e}\"")
  }

  @Test func indentsAsPythonDoes() {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("a")
    writer.beginObject()
    writer.key("b")
    writer.value([1, 2])
    writer.end()
    writer.key("c")
    writer.beginObject()
    writer.end()
    writer.end()
    #expect(
      String(decoding: writer.bytes, as: UTF8.self) == """
        {
          "a": {
            "b": [
              1,
              2
            ]
          },
          "c": {}
        }
        """)
  }
}
