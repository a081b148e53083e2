import Foundation
import JSONText
import TestSupport
import Testing

/// `safemerge merge --qlora`, as a user sees it.
@Suite struct QLoRATests {
  private static let folder = fixturesPath() + "/qlora/double"
  private static let arguments = ["merge", folder + "/base", folder + "/adapter", "--qlora", "nf4:64,double"]

  @Test func planResultAndReport() throws {
    let scratch = try Scratch()
    let report = scratch.file("report.json")
    let result = try Program.run(Self.arguments + ["-o", scratch.file("merged"), "--report", report])
    #expect(result.status == 0, "\(result.messages)")
    #expect(
      result.messageLines.contains(
        "qlora     nf4, block size 64, double quantization: 5 linear weights (2 merged) quantized as in training; "
          + "left unquantized: model.layers.0.mlp.gate.weight, model.layers.1.mlp.gate.weight"), "\(result.messages)")
    #expect(
      result.messageLines.contains {
        $0.hasPrefix("qlora     quantizing changed the merged weights by 76.") && $0.contains("(most: model.layers.0.")
      }, "\(result.messages)")
    let text = try contents(report)
    let json = try JSONParser.parse(text.span)
    guard case .array(let tensors)? = json["tensors"], case .real(let ratio)? = tensors.first?["training_to_delta"]
    else {
      Issue.record("no numbers")
      return
    }
    #expect(ratio > 0.5 && ratio < 1)
    #expect(json["options"]?["qlora"] == .string("nf4:64,double"))
    #expect(try Program.run(["report", report, "-o", scratch.file("page.html")]).status == 0)
    let check = [
      "check", scratch.file("merged"), "--against", Self.folder + "/base", "--adapter", Self.folder + "/adapter",
    ]
    let checked = try Program.run(check + ["--qlora", "nf4:64,double"])
    #expect(checked.status == 0, "\(checked.text)")
    #expect(checked.text.contains("check does not quantize the base as in training"))
    // The record of the merge has the option; without it, it has to be given.
    #expect(try Program.run(check).status == 0)
    try FileManager.default.removeItem(atPath: scratch.file("merged/.safemerge.json"))
    #expect(try Program.run(check).status == 3)
  }

  @Test func events() throws {
    let scratch = try Scratch()
    let result = try Program.run(Self.arguments + ["-o", scratch.file("merged"), "--json"])
    let schema = try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json")
    let events = try result.lines.map { line in
      let bytes = Array(line.utf8)
      return try JSONParser.parse(bytes.span)
    }
    for event in events { #expect(schema.problems(event) == [], "\(event)") }
    let found = events.filter { $0["event"] == .string("training") }
    guard case .array(let tensors)? = found.first?["tensors"] else {
      Issue.record("\(result.text)")
      return
    }
    #expect(tensors.count == 2)
  }

  /// Another result than without, and than with blocks of another size.
  @Test func everyPartOfTheOptionCounts() throws {
    let scratch = try Scratch()
    var results: [[UInt8]] = []
    for (number, option) in ["nf4", "nf4:64", "nf4:128", "nf4:64,double"].enumerated() {
      let output = scratch.file("merged\(number)")
      let run = try Program.run(Array(Self.arguments.dropLast()) + [option, "-o", output])
      #expect(run.status == 0, "\(run.messages)")
      results.append(try contents(output + "/model.safetensors"))
    }
    #expect(results[0] == results[1])
    #expect(Set(results).count == 3)
  }

  @Test(arguments: ["int8", "nf4:", "nf4:65", "nf4:64,single", "nf4:64,double,double", "nf4,double"])
  func otherValuesAreWrongUsage(value: String) throws {
    let scratch = try Scratch()
    let run = try Program.run(Array(Self.arguments.dropLast()) + [value, "-o", scratch.file("merged")])
    #expect(run.status == 2)
    #expect(try scratch.entries() == [])
  }

  @Test func fullVerificationIsRefused() throws {
    let scratch = try Scratch()
    let run = try Program.run(Self.arguments + ["--verify", "full", "-o", scratch.file("merged")])
    #expect(run.status == 2)
    #expect(run.messages.contains("--qlora"))
  }
}
