import Adapters
import ArgumentParser
import Checkpoints
import Foundation
import JSONText
import MergeEngine
import MergePlanning
import Merging
import Safetensors
import TestSupport
import Testing

@testable import Platform
@testable import SafemergeCLI

/// `safemerge check` and `safemerge diff`, as a user runs them.
@Suite struct CheckCommandTests {
  private func merged(in scratch: Scratch, _ options: [String] = []) throws -> String {
    let output = scratch.file("merged")
    let result = try Program.run(
      ["merge", "-q"] + options + [basePath("llama-bf16"), adapterPath("linear-bf16"), "-o", output])
    #expect(result.status == 0, "\(result.messages)")
    return output
  }

  private func flip(_ path: String) throws {
    var bytes = try contents(path)
    bytes[bytes.count - 2] ^= 1
    try write(bytes, to: path)
  }

  @Test func findsNothingInAModel() throws {
    let result = try Program.run(["check", "--data", basePath("llama-bf16"), adapterPath("linear-bf16")])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines.count { $0.hasPrefix("OK: no problems found in ") } == 2)
  }

  @Test func exitsWith3ForFindingsAnd4ForWhatIsNotThere() throws {
    let scratch = try Scratch()
    let folder = try copyOfFixture("bases/llama-bf16", in: scratch, as: "model")
    let path = folder + "/model.safetensors"
    try write(try contents(path).dropLast(), to: path)
    let result = try Program.run(["check", folder])
    #expect(result.status == 3)
    #expect(result.text.contains("[truncated]"))
    expectRefusal(try Program.run(["check", scratch.file("nothing")]), status: 4)
    let arguments = try Program.run(["check", "--adapter", adapterPath("linear-bf16"), folder])
    #expect(arguments.status == 2)
  }

  @Test func comparesWithTheMerge() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    let arguments = ["check", output, "--against", basePath("llama-bf16"), "--adapter", adapterPath("linear-bf16")]
    let result = try Program.run(arguments)
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.text.contains("exact"))
    let last = try #require(result.lines.last)
    #expect(
      last.hasPrefix("OK: 14 of 14 merged tensors match (max error 0.500 ulp, 100 % of elements correctly rounded), "))
    #expect(last.contains(" rounded), 7 of 7 copied tensors match ("), "\(last)")
    let other = try Program.run(arguments + ["--adapter", adapterPath("linear-bf16")])
    #expect(other.status == 3)
  }

  @Test(arguments: [[], ["--dtype", "float32"], ["--round", "stochastic:7"], ["--arithmetic", "peft"]])
  func aMergeComparesItsOwnResult(options: [String]) throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch, options)
    let verified = scratch.file("verified")
    let result = try Program.run(
      ["merge", "-q", "--verify", "full"] + options
        + [basePath("llama-bf16"), adapterPath("linear-bf16"), "-o", verified])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.errors == [])
    #expect(try contents(verified + "/model.safetensors") == contents(output + "/model.safetensors"))
  }

  /// What `.safemerge.json` says of the merge decides how strictly it is judged.
  @Test func readsHowTheResultWasMade() throws {
    let scratch = try Scratch()
    let against = ["--against", basePath("tiny-llama-bf16"), "--adapter", adapterPath("embedding-bf16")]
    let output = scratch.file("peft")
    let merge = try Program.run(
      ["merge", "-q", basePath("tiny-llama-bf16"), adapterPath("embedding-bf16"), "--arithmetic", "peft", "-o", output])
    try #require(merge.status == 0, "\(merge.messages)")
    // With the options that were recorded every bit is known.
    for options in [[], ["--exact"], ["--arithmetic", "peft"]] {
      let result = try Program.run(["check", output] + options + against)
      #expect(result.status == 0 && result.text.contains("OK: exact"), "\(options) \(result.text)")
      #expect(!result.text.contains("PEFT"))
    }
    // What is given wins, and is said to be another.
    let loose = try Program.run(["check", output, "--arithmetic", "exact"] + against)
    #expect(loose.status == 0, "\(loose.text)")
    #expect(loose.text.contains("as PEFT 0.21.2 does"))
    #expect(loose.text.contains("note: --arithmetic is exact, but \(output)/.safemerge.json has peft"))
    #expect(try Program.run(["check", output, "--arithmetic", "exact", "--exact"] + against).status == 3)
    let combined = scratch.file("combined")
    let ties = try Program.run(
      [
        "merge", "-q", basePath("llama-bf16"), adapterPath("linear-bf16"), adapterPath("linear-bf16"), "--combine",
        "linear", "-o", combined,
      ])
    try #require(ties.status == 0, "\(ties.messages)")
    let adapters = [String](repeating: adapterPath("linear-bf16"), count: 2).flatMap { ["--adapter", $0] }
    let result = try Program.run(["check", combined, "--against", basePath("llama-bf16")] + adapters)
    #expect(result.status == 0 && result.text.contains("14 of 14 merged tensors match"), "\(result.text)")
    #expect(
      result.text.contains("note: the adapters were combined by --combine linear with the same code as in the merge"))
  }

  /// A single bit is enough; the message names the file that the result would have had.
  @Test func differencesFromTheMergeAreNamed() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    var request = try MergeRequest(base: basePath("llama-bf16"), adapters: [adapterPath("linear-bf16")])
    let verification = try ResultVerification(request.prepare(), resultPath: "/models/out")
    try verification.verify(output)
    try flip(output + "/model.safetensors")
    let error = try #require(throws: WrongResult.self) { try verification.verify(output) }
    #expect(error.file == "/models/out/model.safetensors")
    #expect(error.category == .inputOutput)
    #expect(error.tensor == "model.norm.weight")
    #expect(error.message.contains("1 element"))
    request.engine.interruption = Interruption { true }
    let stopped = try ResultVerification(request.prepare(), resultPath: "/models/out")
    #expect(throws: Interrupted.self) { try stopped.verify(output) }
  }

  @Test func repairs() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    let right = try contents(output + "/model.safetensors")
    try flip(output + "/model.safetensors")
    let repaired = scratch.file("repaired")
    let arguments = ["check", output, "--against", basePath("llama-bf16"), "--adapter", adapterPath("linear-bf16")]
    #expect(try Program.run(arguments).status == 3)
    let result = try Program.run(arguments + ["--repair", repaired])
    #expect(result.status == 0, "\(result.messages) \(result.text)")
    #expect(try contents(repaired + "/model.safetensors") == right)
    #expect(result.text.contains("[damaged]"))
    // What is right is not made again.
    let again = try Program.run(
      [
        "check", repaired, "--against", basePath("llama-bf16"), "--adapter", adapterPath("linear-bf16"), "--repair",
        scratch.file("never"),
      ])
    #expect(again.status == 0)
    #expect(!FileManager.default.fileExists(atPath: scratch.file("never")))
  }

  /// An adapter that fits with `--map` alone is merged again with it.
  @Test func repairsWithTheNamesThatWereGiven() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    let right = try contents(output + "/model.safetensors")
    try flip(output + "/model.safetensors")
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    let weights = adapter + "/adapter_model.safetensors"
    let (old, new) = (Array("self_attn".utf8), Array("self_atnn".utf8))
    try write(try contents(weights).replacing(old, with: new), to: weights)
    let arguments = ["check", output, "--against", basePath("llama-bf16"), "--adapter", adapter]
    #expect(try Program.run(arguments + ["--repair", scratch.file("not")]).status == 3)
    let map = ["--map", #"^(.*)self_atnn(.*)=\1self_attn\2"#]
    let result = try Program.run(arguments + map + ["--repair", scratch.file("repaired")])
    #expect(result.status == 0, "\(result.messages) \(result.text)")
    #expect(try contents(scratch.file("repaired/model.safetensors")) == right)
  }

  private func array(_ value: JSONValue?) -> [JSONValue] {
    if case .array(let values)? = value { values } else { [] }
  }

  @Test func writesJSON() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    try flip(output + "/model.safetensors")
    let result = try Program.run(
      [
        "check", output, "--format", "json", "--against", basePath("llama-bf16"), "--adapter",
        adapterPath("linear-bf16"),
      ])
    #expect(result.status == 3)
    let text = result.output
    let value = try JSONParser.parse(text.span)
    let results = array(value["results"])
    #expect(results.count == 1)
    let findings = array(results.first?["findings"])
    let tensors = array(results.first?["tensors"])
    #expect(findings.map { $0["class"] } == [.string("damaged")])
    #expect(tensors.contains { $0["verdict"] == .string("exact") })
  }

  @Test func writesAndReadsChecksums() throws {
    let scratch = try Scratch()
    let output = try merged(in: scratch)
    let sums = try Program.run(["check", "--write-checksums", output])
    #expect(sums.status == 0)
    try scratch.write(sums.output, to: "sums")
    // The format is that of sha256sum.
    let other = Process()
    other.executableURL = URL(fileURLWithPath: "/bin/sh")
    other.arguments = ["-c", "cd \"$0\" && sha256sum -c --status ../sums", output]
    if FileManager.default.isExecutableFile(atPath: "/usr/bin/sha256sum") {
      try other.run()
      other.waitUntilExit()
      #expect(other.terminationStatus == 0)
    }
    #expect(try Program.run(["check", "--checksums", scratch.file("sums"), output]).status == 0)
    try flip(output + "/model.safetensors")
    let result = try Program.run(["check", "--checksums", scratch.file("sums"), output])
    #expect(result.status == 3)
    #expect(result.text.contains("[checksum]"))
  }

  @Test func printsNoControlCharacters() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.safetensors")
    try writeFile(
      path, [TestTensor("red\\u001b[31m\\u202ex", .f16, [1], bytes: [0x01, 0x7E])],
      metadata: "{\"k\\u001b\":\"\\u001b\"}")
    let plain = scratch.file("b.safetensors")
    try writeFile(plain, [TestTensor("x", .f16, [1])])
    for arguments in [
      ["check", "--data", path], ["diff", "--data", path, plain], ["diff", "--format", "tsv", path, plain],
      ["diff", "--format", "json", path, plain], ["check", "--data", "--format", "json", path],
    ] {
      let result = try Program.run(arguments)
      #expect([0, 3].contains(result.status))
      let text = result.text.replacingOccurrences(of: "\t", with: "")
      #expect(rawControls(text) == [] && rawControls(result.messages) == [], "\(arguments)")
    }
  }
}
