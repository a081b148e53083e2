import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge diff`, as a user runs it.
@Suite struct DiffCommandTests {
  private let base = basePath("llama-bf16")

  private func merged(in scratch: Scratch) throws -> String {
    let output = scratch.file("merged")
    let result = try Program.run(["merge", "-q", base, adapterPath("linear-bf16"), "-o", output])
    try #require(result.status == 0, "\(result.messages)")
    return output
  }

  private func json(_ arguments: [String]) throws -> JSONValue {
    let output = try Program.run(["diff", "--format", "json"] + arguments).output
    return try JSONParser.parse(output.span)
  }

  /// Two models of one architecture have the same headers: only their values tell them apart.
  @Test(arguments: [[], ["--data"]])
  func comparesValues(options: [String]) throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    let result = try Program.run(["diff", base, output] + options)
    #expect(result.status == 0)
    #expect(result.lines.contains { $0.hasPrefix("~") && $0.contains("q_proj") })
    #expect(result.lines.last?.hasPrefix("14 changed, 7 identical, ") == true, "\(result.text)")
    #expect(try Program.run(["diff", "--exit-code", base, output] + options).status == 1)
    #expect(try Program.run(["diff", "--exit-code", output, output] + options).status == 0)
    let lines = try Program.run(["diff", "--format", "tsv", base, output] + options).lines
    #expect(lines.allSatisfy { $0.split(separator: "\t", omittingEmptySubsequences: false).count == 10 })
    #expect(lines.count { $0.hasPrefix("~\t") } == 14 && lines.count { $0.hasPrefix("=\t") } == 7)
    let found = try json([base, output] + options)
    #expect(found["different"] == .bool(true) && found["values_compared"] == .bool(true))
    #expect(found["schema"] == .integer(2))
    #expect(try json([output, output] + options)["different"] == .bool(false))
  }

  /// One bit of one element.
  @Test func seesOneBit() throws {
    let scratch = try Scratch()
    let copy = try copyOfFixture("bases/llama-bf16", in: scratch, as: "copy")
    #expect(try Program.run(["diff", "--exit-code", base, copy]).status == 0)
    var bytes = try contents(copy + "/model.safetensors")
    bytes[bytes.count - 2] ^= 1
    try write(bytes, to: copy + "/model.safetensors")
    let result = try Program.run(["diff", "--exit-code", base, copy])
    #expect(result.status == 1)
    #expect(result.lines.last?.hasPrefix("1 changed, 20 identical") == true, "\(result.text)")
  }

  /// Without values nothing says that two models are the same, however alike their headers are.
  @Test func headersAloneClaimNothing() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    for other in [output, base] {
      let arguments = ["--headers-only", base, other]
      let result = try Program.run(["diff"] + arguments)
      #expect(result.status == 0)
      #expect(!result.text.contains("identical"))
      #expect(
        result.lines.last?.hasPrefix("0 with another dtype or shape, 21 with the same dtype and shape,") == true
          && result.text.hasSuffix("; values were not compared\n"), "\(result.text)")
      #expect(try Program.run(["diff", "--exit-code"] + arguments).status == 1)
      let found = try json(arguments)
      #expect(found["different"] == .null && found["values_compared"] == .bool(false))
      #expect(try Program.run(["diff", "--format", "tsv"] + arguments).lines.allSatisfy { $0.hasPrefix("?\t") })
    }
    // What headers show is a difference.
    let other = basePath("llama-f32-sharded")
    #expect(try json(["--headers-only", base, other])["different"] == .bool(true))
    #expect(try Program.run(["diff", "--headers-only", "--data", base, base]).status == 2)
  }

  private func copy(_ scratch: Scratch, _ name: String, _ file: String, _ change: (String) -> String) throws -> String {
    let folder = try copyOfFixture(name, in: scratch, as: "changed")
    let path = folder + "/" + file
    let text = change(String(decoding: try contents(path), as: UTF8.self))
    try write(Array(text.utf8), to: path)
    return folder
  }

  /// The same weights with another configuration are another model or adapter.
  @Test(arguments: [
    ("lora/linear/bf16/adapter", "adapter_config.json", "\"lora_alpha\": 7", "\"lora_alpha\": 8", "lora_alpha: 7, 8"),
    ("bases/llama-bf16", "config.json", "\"rms_norm_eps\":", "\"rms_norm_epsilon\":", "rms_norm_eps: "),
  ])
  func comparesConfigurations(name: String, file: String, old: String, new: String, line: String) throws {
    let scratch = try Scratch()
    let other = try copy(scratch, name, file) { $0.replacing(old, with: new) }
    let path = fixturesPath() + "/" + name
    let result = try Program.run(["diff", "--exit-code", path, other])
    #expect(result.status == 1, "\(result.text)")
    #expect(result.lines.contains { $0.hasPrefix("\(file) \(line)") }, "\(result.text)")
    for options in [[], ["--headers-only"]] {
      let found = try json([path, other] + options)
      #expect(found["different"] == .bool(true))
      guard case .array(let members)? = found["config"] else {
        Issue.record("no config")
        continue
      }
      #expect(members.first?["file"] == .string(file))
    }
  }

  /// Which program wrote a configuration decides nothing of the model; other files are a note.
  @Test func otherFilesAreNotes() throws {
    let scratch = try Scratch()
    let other = try copy(scratch, "bases/llama-bf16", "config.json") {
      $0.replacing("\"5.23.0\"", with: "\"5.24.0\"")
    }
    try write([1], to: other + "/tokenizer.json")
    try write([1], to: other + "/new.txt")
    let result = try Program.run(["diff", "--exit-code", base, other])
    #expect(result.status == 0, "\(result.text)")
    #expect(result.lines.contains("config.json transformers_version: \"5.23.0\", \"5.24.0\""))
    #expect(result.lines.contains("note: different content: tokenizer.json"))
    #expect(result.lines.contains("note: only in \(other): new.txt"))
  }

  /// Equal values may have other bytes.
  @Test func saysWhenEqualValuesHaveOtherBytes() throws {
    let scratch = try Scratch()
    let (one, other) = (scratch.file("a.safetensors"), scratch.file("b.safetensors"))
    try writeFile(one, [TestTensor("x", .bf16, [2], bytes: [0, 0, 0x80, 0x3F])])
    try writeFile(other, [TestTensor("x", .bf16, [2], bytes: [0, 0x80, 0x80, 0x3F])])
    let result = try Program.run(["diff", "--exit-code", one, other])
    #expect(result.status == 0)
    #expect(
      result.lines.contains { $0.hasPrefix("note: 1 tensor with equal values, but different bytes") }, "\(result.text)")
    #expect(try json([one, other])["other_bytes"] == .integer(1))
  }
}
