import Foundation
import JSONText
import TestSupport
import Testing

/// `safemerge merge --requantize`, as a user sees it.
@Suite struct RequantizeTests {
  private static func arguments(_ name: String) -> [String] {
    let folder = fixturesPath() + "/written-back/\(name)"
    return ["merge", folder + "/base", folder + "/adapter", "--requantize"]
  }

  @Test func planSummaryAndReport() throws {
    let scratch = try Scratch()
    let report = scratch.file("report.json")
    let result = try Program.run(
      Self.arguments("small-block") + ["-o", scratch.file("merged"), "--report", report])
    #expect(result.status == 0, "\(result.messages)")
    let lines = result.messageLines
    #expect(lines.contains("quantized fp8: 1 weight merged and requantized, 1 copied as quantized"), "\(lines)")
    #expect(
      lines.contains {
        $0.hasPrefix(
          "requant   1 weight requantized: 67.6 % of its values changed; rounding error 21.6 % of the delta")
      }, "\(lines)")
    #expect(!lines.contains { $0.contains("warning") })
    // What no rounding of another kind would help.
    #expect(!lines.contains { $0.hasPrefix("advice") })
    let text = try contents(report)
    let json = try JSONParser.parse(text.span)
    guard case .array(let tensors)? = json["tensors"] else { return #expect(Bool(false)) }
    #expect(tensors.count == 1)
    #expect(tensors.first?["dtype"] == .string("F8_E4M3"))
    #expect(tensors.first?["changed_codes"] == .integer(3893))
    #expect(tensors.first?["half_steps"] == .integer(3648))
    #expect(tensors.first?["vanishes"] == .bool(false))
    #expect(json["options"]?["requantize"] == .string("true"))
    let page = try Program.run(["report", report, "-o", scratch.file("page.html")])
    #expect(page.status == 0, "\(page.messages)")
  }

  @Test func lostChangesAreNamed() throws {
    let scratch = try Scratch()
    let result = try Program.run(Self.arguments("lost") + ["-o", scratch.file("merged"), "--json"])
    #expect(result.status == 0)
    #expect(
      result.messages.contains(
        "warning: 1 of 1 requantized weights lose their whole delta, which is below half a quantization step "
          + "everywhere or changes no value: model.layers.0.proj.weight; without --requantize they are written in 16 bits "
          + "and keep it"),
      "\(result.messages)")
    let schema = try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json")
    let events = try result.lines.map { line in
      let bytes = Array(line.utf8)
      return try JSONParser.parse(bytes.span)
    }
    for event in events { #expect(schema.problems(event) == [], "\(event)") }
    let found = events.filter { $0["event"] == .string("requantized") }
    #expect(found.count == 1)
    guard case .array(let tensors)? = found.first?["tensors"] else { return #expect(Bool(false)) }
    #expect(tensors.map { $0["name"] } == [.string("model.layers.0.proj.weight")])
    #expect(tensors.first?["vanishes"] == .bool(true))
    #expect(tensors.first?["half_steps"] == .integer(0))
  }

  @Test(arguments: [["--dtype", "bf16"], ["--arithmetic", "peft"], ["--round", "stochastic:1"]])
  func excludesWhatItCannotMean(more: [String]) throws {
    let scratch = try Scratch()
    let result = try Program.run(Self.arguments("block") + ["-o", scratch.file("merged")] + more)
    #expect(result.status == 2)
    #expect(result.messages.contains("--requantize"))
    #expect(try scratch.entries() == [])
  }

  @Test func otherFormatsAreRefused() throws {
    let scratch = try Scratch()
    let fixture = QuantizedFixture("fp4-nested")
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let result = try Program.run(
      ["merge", fixture.base, adapter, "-o", scratch.file("merged"), "--requantize"])
    #expect(result.status == 3)
    #expect(
      result.messages.contains("--requantize is not supported for bitsandbytes, fp4"), "\(result.messages)")
    #expect(try scratch.entries() == ["adapter"])
  }

  /// Of NF4 the check knows that it does not know; it takes the option from the record of the merge, and without both
  /// expects 16 bits.
  @Test(arguments: [
    ("block", "OK: 2 of 2 merged tensors match"), ("nf4", "not checked: check does not requantize weights to NF4"),
  ])
  func theCheckTakesTheOptionFromTheRecord(name: String, verdict: String) throws {
    let scratch = try Scratch()
    let merged = scratch.file("merged")
    let made = try Program.run(Self.arguments(name) + ["-o", merged, "--verify", "full"])
    #expect(made.status == 0, "\(made.messages)")
    #expect(made.messages.contains("check does not requantize weights to NF4") == (name == "nf4"), "\(made.messages)")
    let folder = fixturesPath() + "/written-back/\(name)"
    let check = ["check", merged, "--against", folder + "/base", "--adapter", folder + "/adapter"]
    let result = try Program.run(check + ["--requantize"])
    #expect(result.status == 0, "\(result.messages)\(result.text)")
    #expect(result.text.contains(verdict), "\(result.text)")
    #expect(try Program.run(check).text.contains(verdict))
    try FileManager.default.removeItem(atPath: merged + "/.safemerge.json")
    let without = try Program.run(check)
    #expect(without.status == 3)
    if name == "block" { #expect(without.text.contains("is F8_E4M3; expected BF16"), "\(without.text)") }
  }
}
