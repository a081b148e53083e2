import JSONText
import Platform
import TestSupport
import Testing

@testable import Reports

/// A report's JSON text, with a few things that can be changed.
struct ReportText {
  var tensors: [(name: String, ratio: Double?, loss: Double?)] = [("model.layers.0.q.weight", 0.01, 0.05)]
  var base = "./base"
  var warnings: [String] = []

  var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("schema")
    writer.value(1)
    for (key, text) in [("program", "safemerge 0"), ("base", base), ("output", "out/merged")] {
      writer.key(key)
      writer.value(text)
    }
    writer.key("adapters")
    writer.beginArray()
    writer.beginObject()
    writer.key("path")
    writer.value("./adapter")
    writer.key("weight")
    writer.value(1)
    writer.end()
    writer.end()
    writer.key("options")
    writer.beginObject()
    writer.key("dtype")
    writer.value("same")
    writer.end()
    writer.key("modules")
    writer.beginArray()
    for tensor in tensors {
      writer.beginObject()
      writer.key("name")
      writer.value(tensor.name)
      for (key, number) in [("adapter", 0.0), ("rank", 4), ("alpha", 7), ("scaling", 1.75)] {
        writer.key(key)
        writer.value(number)
      }
      writer.end()
    }
    writer.end()
    writer.key("tensors")
    writer.beginArray()
    for (number, tensor) in tensors.enumerated() {
      writer.beginObject()
      writer.key("name")
      writer.value(tensor.name)
      writer.key("modules")
      writer.value([number])
      for key in ["base_dtype", "dtype"] {
        writer.key(key)
        writer.value("BF16")
      }
      figures(tensor.ratio, tensor.loss, &writer)
      writer.end()
    }
    writer.end()
    writer.key("totals")
    writer.beginObject()
    figures(0.01, 0.05, &writer)
    writer.end()
    writer.key("warnings")
    writer.beginArray()
    for warning in warnings { writer.value(warning) }
    writer.end()
    writer.key("advice")
    writer.beginArray()
    writer.end()
    writer.end()
    return writer.bytes
  }

  private func figures(_ ratio: Double?, _ loss: Double?, _ writer: inout JSONWriter) {
    for (key, number) in [
      ("elements", 16.0), ("changed_elements", 8), ("changed_share", 0.5), ("delta_norm", (ratio ?? 0) * 10),
      ("base_norm", ratio == nil ? 0 : 10),
    ] {
      writer.key(key)
      writer.value(number)
    }
    for (key, number) in [("delta_to_base", ratio), ("rounding_loss", loss)] {
      writer.key(key)
      if let number { writer.value(number) } else { writer.null() }
    }
  }

  func document() throws -> ReportDocument {
    let bytes = bytes
    return try ReportDocument(bytes.span, path: "r.json")
  }
}

@Suite struct DocumentTests {
  @Test func readsAReport() throws {
    let document = try ReportText().document()
    #expect(document.base == "./base" && document.output == "out/merged")
    #expect(document.adapters == [.init(path: "./adapter", weight: 1)])
    #expect(document.options == [.init(name: "dtype", value: "same")])
    #expect(document.modules.map(\.scaling) == [1.75])
    #expect(document.tensors.map(\.figures.deltaToBase) == [0.01])
    // Members that older reports do not have.
    #expect(document.actionSums == [] && document.files == [] && document.tensors[0].shape == nil)
  }

  @Test(arguments: [
    ("{", "not valid JSON"), ("[]", "expected an object, found an array"), ("{}", "\"schema\" is missing"),
    (#""schema":1"# + "|" + #""schema":2"#, "\"schema\" is 2; expected 1"),
    (#""base":"./base""# + "|" + #""base":3"#, "\"base\" is an integer; expected a string"),
    (#""adapters":[{"path""# + "|" + #""adapters":[{"p""#, "\"adapters[0].path\" is missing"),
    (
      #""adapter":0"# + "|" + #""adapter":1"#, "\"modules[0].adapter\" is an integer; expected a natural number below 1"
    ),
    (#""rank":4"# + "|" + #""rank":-4"#, "\"modules[0].rank\" is an integer; expected a natural number"),
    (#""rank":4"# + "|" + #""rank":4.5"#, "\"modules[0].rank\" is a number"),
    (
      #""modules":[0]"# + "|" + #""modules":[1]"#,
      "\"tensors[0].modules\" is an integer; expected natural numbers below 1"
    ),
    (#""modules":[0]"# + "|" + #""modules":0"#, "\"tensors[0].modules\" is an integer; expected an array"),
    (#""base_norm":10"# + "|" + #""base_norm":null"#, "\"tensors[0].base_norm\" is null; expected a number"),
    (#""tensors":[{"# + "|" + #""tensors":[1,{"#, "\"tensors[0]\" is an integer; expected an object"),
    (#""warnings":[]"# + "|" + #""warnings":[1]"#, "\"warnings\" is an integer; expected strings"),
    (#""totals":{"# + "|" + #""totals":1,"x":{"#, "\"totals\" is an integer; expected an object"),
    (#""options":{"dtype":"same"}"# + "|" + #""options":{"dtype":1}"#, "\"options\" is an integer"),
  ])
  func refuses(change: String, message: String) throws {
    let parts = change.split(separator: "|").map(String.init)
    var text = String(decoding: ReportText().bytes, as: UTF8.self)
    if parts.count == 2 {
      let range = try #require(text.firstRange(of: parts[0]))
      text.replaceSubrange(range, with: parts[1])
    } else {
      text = change
    }
    let bytes = Array(text.utf8)
    let error = #expect(throws: ReportError.self) { try ReportDocument(bytes.span, path: "r.json") }
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    #expect(error?.errorClass == "report" && error?.category == .refusedInput && error?.file == "r.json")
  }

  /// Mutations of a report are shown or refused, never a trap.
  @Test func anythingIsReadOrRefused() throws {
    var generator = SeededGenerator()
    let bytes = ReportText().bytes
    let sketch = JSONSketch(try JSONParser.parse(bytes.span))
    var shown = 0
    for _ in 0..<3000 {
      let text = sketch.mutatedBytes(using: &generator)
      guard let document = try? ReportDocument(text.span, path: "r.json") else { continue }
      shown += 1
      #expect(!ReportPage(document).html.isEmpty)
    }
    #expect(shown > 10, "\(generator)")
  }
}
