import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge merge --report`, and the warnings of a merge.
@Suite struct ReportCommandTests {
  private static let arguments = ["merge", basePath("llama-bf16"), adapterPath("linear-bf16")]

  private func parsed(_ path: String) throws -> JSONValue {
    let text = try contents(path)
    return try JSONParser.parse(text.span)
  }

  @Test func reportAndText() throws {
    let scratch = try Scratch()
    let report = scratch.file("report.json")
    let result = try Program.run(Self.arguments + ["-o", scratch.file("merged"), "--report", report])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.output == [])
    #expect(try scratch.entries() == ["merged", "report.json"])
    let json = try parsed(report)
    #expect(json["schema"] == .integer(1))
    #expect(json["base"] == .string(basePath("llama-bf16")))
    #expect(json["output"] == .string(scratch.file("merged")))
    #expect(json["options"]?["arithmetic"] == .string("exact"))
    #expect(json["options"]?["round"] == .string("nearest"))
    for key in ["modules", "tensors"] {
      guard case .array(let elements)? = json[key] else {
        Issue.record("no \(key)")
        continue
      }
      #expect(elements.count == 14)
    }
    #expect(result.messageLines.count { $0.hasPrefix("changed   14 tensors, ") } == 1, "\(result.messages)")
    #expect(result.messageLines.count { $0.hasPrefix("lost      ") } == 5)
    #expect(result.messageLines.count { $0.hasPrefix("largest   relative change ") } == 1)
    // The same model as without a report.
    let plain = try Program.run(Self.arguments + ["-o", scratch.file("plain")])
    #expect(try tree(scratch.file("plain")) == tree(scratch.file("merged")))
    for line in ["changed", "lost", "largest", "advice"] {
      #expect(!plain.messageLines.contains { $0.hasPrefix(line) })
    }
  }

  @Test func quietWritesTheFileOnly() throws {
    let scratch = try Scratch()
    let result = try Program.run(Self.arguments + ["-q", "-o", scratch.file("m"), "--report", scratch.file("r.json")])
    #expect(result.status == 0)
    #expect(result.errors == [])
    #expect(try scratch.entries() == ["m", "r.json"])
  }

  /// Neither threads nor instruction sets nor the way in which the file came to be.
  @Test func bytesDependOnTheInputsAlone() throws {
    var first: [UInt8]?
    var runs: [([String], [String: String])] = ["1", "2", "7"].map { (["-j", $0], [:]) }
    for name in ["avx512bf16", "avx512", "avx2", "neon", "portable"] { runs.append(([], ["SAFEMERGE_SIMD": name])) }
    for (arguments, environment) in runs {
      let scratch = try Scratch()
      let result = try Program.run(
        ["merge", basePath("tiny-llama-bf16"), adapterPath("dora-linear-bf16"), "-o", "m", "--report", "r.json"]
          + arguments, environment: environment, folder: scratch.path)
      if result.status == 2, result.messages.contains("this machine cannot run") { continue }
      #expect(result.status == 0, "\(arguments) \(environment) \(result.messages)")
      let report = try contents(scratch.file("r.json"))
      if let first { #expect(report == first, "\(arguments) \(environment)") } else { first = report }
    }
  }

  @Test func nothingIsReplacedWithoutForce() throws {
    let scratch = try Scratch()
    let report = scratch.file("r.json")
    try write(Array("mine".utf8), to: report)
    let arguments = Self.arguments + ["-o", scratch.file("merged"), "--report", report]
    expectRefusal(try Program.run(arguments), status: 5)
    #expect(try contents(report) == Array("mine".utf8))
    #expect(try scratch.entries() == ["r.json"])
    #expect(try Program.run(arguments + ["--force"]).status == 0)
    #expect(try parsed(report)["schema"] == .integer(1))
    // A folder and a link are not replaced.
    _ = try scratch.folder("folder")
    try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: report)
    for name in ["folder", "link", "folder/", "."] {
      let result = try Program.run(
        Self.arguments + ["-o", scratch.file("other"), "--force", "--report", scratch.file(name)])
      expectRefusal(result, status: 5, name)
    }
    #expect(try scratch.entries() == ["folder", "link", "merged", "r.json"])
  }

  @Test func inputsAndTheResultAreNoPlace() throws {
    let scratch = try Scratch()
    let base = try copyOfFixture("bases/llama-bf16", in: scratch, as: "base")
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    let output = scratch.file("merged")
    _ = try scratch.folder("taken")
    let before = try tree(scratch.path)
    for (place, status) in [
      (base + "/config.json", Int32(5)), (base + "/model.safetensors", 5), (adapter + "/adapter_config.json", 5),
      (adapter + "/new.json", 5), (base + "/new.json", 5), (output, 5), (output + "/r.json", 5),
      (output + "/no/r.json", 5), (base + "/no/r.json", 5), (scratch.file("no/r.json"), 4),
      (base + "/config.json/r.json", 5), (scratch.file(".merged.safemerge/r.json"), 5),
      (scratch.file(".merged.safemerge-parts/r.json"), 5), (scratch.path, 5), (scratch.file("taken"), 5),
    ] {
      let result = try Program.run(["merge", base, adapter, "-o", output, "--force", "--report", place])
      let message = expectRefusal(result, status: status, place)
      // The report's path is wrong, not the output's.
      let hint = place == scratch.file("no/r.json") ? "mkdir -p" : "choose another --report"
      #expect(message.contains(hint), "\(message)")
      #expect(try tree(scratch.path) == before, "\(place)")
    }
    let taken = scratch.file("taken")
    let inside = try Program.run(["merge", base, adapter, "-o", taken, "--report", taken + "/r.json"])
    #expect(expectRefusal(inside, status: 5).contains("[report-place]"))
    // One file for one file.
    let file = scratch.file("m.safetensors")
    let onto = try Program.run(["merge", base + "/model.safetensors", adapter, "-o", file, "--report", file])
    #expect(expectRefusal(onto, status: 5).contains("[report-place]"))
    #expect(try tree(scratch.path) == before)
  }

  /// The work of a merge is removed with what lies in it, or stays for what lies in it.
  @Test func unfinishedWorkIsNoPlace() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let merge = ["merge", basePath("llama-bf16-sharded"), adapterPath("linear-bf16"), "-o", output, "--quiet"]
    #expect(try Program.run(merge + ["--part", "0/1", "--report", scratch.file("r.json")]).status == 0)
    let top = scratch.file(".merged.safemerge-parts")
    let plan = top + "/" + (try #require(try scratch.entries(".merged.safemerge-parts").first))
    for place in [plan + "/r.json", top + "/r.json", top + "/new/r.json", scratch.file(".merged.safemerge/r.json")] {
      let message = expectRefusal(try Program.run(merge + ["--finish", "--report", place]), status: 5, place)
      #expect(message.contains("[report-place]") && message.contains("choose another --report"), "\(message)")
      let page = expectRefusal(try Program.run(["report", scratch.file("r.json"), "-o", place]), status: 5, place)
      #expect(page.contains("[report-place]") && page.contains("choose another --output"), "\(page)")
    }
    #expect(try scratch.entries() == [".merged.safemerge-parts"])
    // A file that is there is removed by hand: parts have no --force.
    try scratch.write("x", to: "r.json")
    let taken = expectRefusal(
      try Program.run(merge + ["--finish", "--report", scratch.file("r.json")]), status: 5, "taken")
    #expect(taken.contains("[output-exists]") && taken.contains("choose another --report, or remove it"), "\(taken)")
  }

  @Test func dryRunWritesNoReport() throws {
    let scratch = try Scratch()
    #expect(try Program.run(Self.arguments + ["-n", "--report", scratch.file("r.json")]).status == 0)
    #expect(try scratch.entries() == [])
    try write([], to: scratch.file("r.json"))
    expectRefusal(try Program.run(Self.arguments + ["-n", "--report", scratch.file("r.json")]), status: 5)
  }

  /// A module of 2 x 2 and an adapter of rank 1, all elements equal.
  private func model(
    _ scratch: Scratch, weight: Float, a: Float, b: Float, name: String = "", fields: String = ""
  ) throws -> [String] {
    func tensor(_ name: String, _ shape: [Int], _ value: Float) -> TestTensor {
      let bytes = (0..<shape.reduce(1, *)).flatMap { _ in
        (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
      }
      return TestTensor(name, .f32, shape, bytes: bytes)
    }
    let base = try scratch.folder("base")
    try writeFile(base + "/model.safetensors", [tensor("m.weight", [2, 2], weight), tensor("m.bias", [2], 1)])
    try write(Array("{\"_name_or_path\": \"\(name)\"}".utf8), to: base + "/config.json")
    let bias = fields.contains("lora_bias") ? [tensor("m.lora_B.bias", [2], 1)] : []
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: fields.contains("lora_bias") ? "2" : "1",
      [tensor("m.lora_A.weight", [1, 2], a), tensor("m.lora_B.weight", [2, 1], b)] + bias, fields: fields)
    return ["merge", base, adapter, "-o", scratch.file("merged")]
  }

  @Test func aFailedMergeLeavesNoReport() throws {
    let scratch = try Scratch()
    let arguments = try model(scratch, weight: 1, a: 1e3, b: 1e3)
    let result = try Program.run(arguments + ["--dtype", "f16", "--report", scratch.file("r.json"), "-q"])
    expectRefusal(result, status: 3)
    #expect(try scratch.entries() == ["adapter", "base"])
  }

  @Test(arguments: [
    ("untrained", "1 of 1 modules change nothing", false),
    ("large", "30.0 % of the norm of the weights (most: m.weight", true),
    ("other", "the adapter was made for \"o/Mine\", but the base is \"o/Theirs\"", false),
    ("bias", "results merged with PEFT 0.14.0 to 0.15.1 have wrong biases", false), ("nothing", "warning", false),
  ])
  func warnings(kind: String, text: String, needsReport: Bool) throws {
    let scratch = try Scratch()
    let fields = ["other": "\"base_model_name_or_path\": \"o/Mine\"", "bias": "\"lora_bias\": true"]
    let arguments = try model(
      scratch, weight: 1, a: kind == "large" ? 1 : 0.01, b: kind == "untrained" ? 0 : 1,
      name: kind == "other" ? "o/Theirs" : "", fields: fields[kind] ?? "")
    let plain = try Program.run(arguments)
    #expect(plain.status == 0, "\(plain.messages)")
    let isExpected = kind != "nothing"
    func shown(_ result: Program.Result) -> Int {
      result.messageLines.count { $0.hasPrefix("warning: ") }
    }
    #expect(shown(plain) == (isExpected && !needsReport ? 1 : 0), "\(plain.messages)")
    let reported = try Program.run(arguments + ["--force", "--report", scratch.file("r.json")])
    #expect(reported.status == 0, "\(reported.messages)")
    #expect(shown(reported) == (isExpected ? 1 : 0), "\(reported.messages)")
    if isExpected { #expect(reported.messages.contains(text), "\(reported.messages)") }
    guard case .array(let warnings)? = try parsed(scratch.file("r.json"))["warnings"] else {
      Issue.record("no warnings in the report")
      return
    }
    #expect(warnings.count == (isExpected ? 1 : 0))
    let quiet = try Program.run(arguments + ["--force", "-q"])
    #expect(shown(quiet) == quiet.messageLines.count && shown(quiet) == shown(plain), "\(quiet.messages)")
  }
}
