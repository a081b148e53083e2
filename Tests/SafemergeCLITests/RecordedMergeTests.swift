import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `check --against` takes weights and options that are not given from the `.safemerge.json` beside the result.
@Suite struct RecordedMergeTests {
  private let base = basePath("llama-bf16")
  private let adapter = adapterPath("linear-bf16")

  private func merge(_ output: String, _ adapters: [String], _ options: [String] = [], base: String? = nil) throws {
    let result = try Program.run(["merge", "-q", base ?? self.base] + adapters + options + ["-o", output])
    try #require(result.status == 0, "\(result.messages)")
  }

  private func check(
    _ output: String, _ adapters: [String], _ options: [String] = [], base: String? = nil
  ) throws -> Program.Result {
    try Program.run(
      ["check", output, "--against", base ?? self.base] + adapters.flatMap { ["--adapter", $0] } + options)
  }

  /// A copy of the adapter with other weights, so that the two differ.
  private func otherAdapter(_ scratch: Scratch) throws -> String {
    let folder = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "other")
    let path = folder + "/adapter_model.safetensors"
    var bytes = try contents(path)
    // The signs of some factors.
    for place in stride(from: bytes.count - 1, to: bytes.count - 2000, by: -4) { bytes[place] ^= 0x80 }
    try write(bytes, to: path)
    return folder
  }

  @Test func theWeightIsTheRecordedOne() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter + "=0.5"])
    let found = try check(output, [adapter])
    #expect(
      found.status == 0 && found.lines.last?.hasPrefix("OK: 14 of 14 merged tensors match") == true, "\(found.text)")
    #expect(try check(output, [adapter + "=0.5"]).status == 0)
    // What is given wins, and is said to be another.
    let other = try check(output, [adapter + "=1"])
    let last = try #require(other.lines.last)
    #expect(
      other.status == 3 && last.hasPrefix("WRONG: ") && last.contains("; 0 of 14 merged tensors match"), "\(last)")
    #expect(
      other.lines.contains("note: \(adapter) has the weight 1, but \(output)/.safemerge.json has 0.5"),
      "\(other.text)")
    // By the path of the weight file too; not where the record is of another file.
    #expect(try check(output + "/model.safetensors", [adapter]).status == 0)
    try FileManager.default.copyItem(atPath: output + "/model.safetensors", toPath: output + "/copy.safetensors")
    #expect(try check(output + "/copy.safetensors", [adapter]).status == 3)
    try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
    #expect(try check(output, [adapter]).status == 3)
  }

  @Test func weightsFollowTheAdapters() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let second = try otherAdapter(scratch)
    try merge(output, [adapter + "=0.5", second + "=-2"], ["--dtype", "float32"])
    for adapters in [[adapter, second], [second, adapter]] {
      let found = try check(output, adapters)
      #expect(found.status == 0 && found.text.contains("OK: exact"), "\(adapters) \(found.text)")
    }
    let alone = try check(output, [adapter])
    #expect(alone.status == 3)
    #expect(alone.text.contains("note: 1 adapter given; \(output)/.safemerge.json records 2"), "\(alone.text)")
  }

  /// Another adapter or base than the recorded one is said.
  @Test func otherInputsAreSaid() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter])
    let found = try check(output, [try otherAdapter(scratch)])
    #expect(found.status == 3)
    #expect(found.text.contains("is not adapter 1 in \(output)/.safemerge.json"))
    let base = try copyOfFixture("bases/llama-bf16", in: scratch, as: "base")
    let path = base + "/model.safetensors"
    try write(try contents(path).replacing(Array("\"pt\"".utf8), with: Array("\"tf\"".utf8)), to: path)
    let other = try check(output, [adapter], base: base)
    #expect(other.text.contains("its header differs"), "\(other.text)")
  }

  @Test(arguments: [
    ["--dtype", "float32"], ["--arithmetic", "peft"], ["--round", "stochastic:7"], ["--add-tensors"],
    ["--single-file"], ["--combine", "ties", "--density", "0.5"],
    ["--combine", "dare_linear", "--density", "0.5", "--seed", "3"],
  ])
  func theOptionsAreTheRecordedOnes(options: [String]) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter, adapter + "=0.5"], options)
    let found = try check(output, [adapter, adapter])
    #expect(found.status == 0, "\(found.text) \(found.messages)")
    #expect(found.lines.last?.hasPrefix("OK: 14 of 14 merged tensors match") == true, "\(found.text)")
    #expect(!found.text.contains("not this merge"))
  }

  @Test func mapsAndTiesAreTheRecordedOnes() throws {
    let scratch = try Scratch()
    let renamed = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    let weights = renamed + "/adapter_model.safetensors"
    try write(try contents(weights).replacing(Array("self_attn".utf8), with: Array("self_atnn".utf8)), to: weights)
    let mapped = scratch.file("mapped")
    try merge(mapped, [renamed], ["--map", #"^(.*)self_atnn(.*)=\1self_attn\2"#])
    #expect(try check(mapped, [renamed]).status == 0)
    let split = scratch.file("split")
    let tied = basePath("tiny-tied-bf16")
    try merge(split, [adapterPath("tied-embedding-bf16")], ["--tied", "split"], base: tied)
    let found = try check(split, [adapterPath("tied-embedding-bf16")], base: tied)
    #expect(found.status == 0, "\(found.text) \(found.messages)")
  }

  /// A repair is made with what was recorded.
  @Test func repairsWithTheRecordedWeight() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter + "=0.5"], ["--dtype", "float32"])
    let path = output + "/model.safetensors"
    let right = try contents(path)
    var bytes = right
    bytes[bytes.count - 1] ^= 1
    try write(bytes, to: path)
    let found = try check(output, [adapter], ["--repair", scratch.file("repaired"), "-q"])
    #expect(found.status == 0, "\(found.messages) \(found.text)")
    #expect(try contents(scratch.file("repaired/model.safetensors")) == right)
  }

  @Test func saysTheVerdictInJSON() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter + "=0.5"])
    let text = try check(output, [adapter], ["--format", "json"]).output
    let value = try JSONParser.parse(text.span)
    guard case .array(let results)? = value["results"], let verdict = results.first?["verdict"] else {
      Issue.record("no verdict")
      return
    }
    #expect(value["schema"] == .integer(2))
    #expect(verdict["result"] == .string("ok"))
    #expect(verdict["merged"] == .integer(14) && verdict["matching"] == .integer(14))
    #expect(verdict["copied"] == .integer(7) && verdict["copied_matching"] == .integer(7))
  }

  @Test func anInvalidRecordIsRefused() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter])
    let path = output + "/.safemerge.json"
    let record = String(decoding: try contents(path), as: UTF8.self)
    try write(Array(record.replacing("\"nearest\"", with: "\"upwards\"").utf8), to: path)
    #expect(
      expectRefusal(try check(output, [adapter]), status: 3).contains(
        "options in this record are unknown to this version"))
  }

  /// The names, shapes and metadata of a result are compared with the record without reading data.
  @Test(arguments: [("\"pt\"", "\"tf\""), ("model.norm.weight", "model.mron.weight")])
  func aHeaderThatWasChangedIsFound(old: String, new: String) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(output, [adapter])
    #expect(try Program.run(["check", output]).status == 0)
    let path = output + "/model.safetensors"
    let changed = try contents(path).replacing(Array(old.utf8), with: Array(new.utf8))
    let original = try contents(path)
    try #require(changed != original)
    try write(changed, to: path)
    let found = try Program.run(["check", output])
    #expect(found.status == 3)
    #expect(
      found.lines.contains { $0.contains("the SHA-256 of its header is") && $0.hasSuffix("[checksum]") },
      "\(found.text)")
    // A file that is missing or has another size, without --checksums too.
    try write(Array(changed.dropLast()), to: path)
    #expect(try Program.run(["check", output]).text.contains("bytes; .safemerge.json records"))
    try FileManager.default.removeItem(atPath: path)
    #expect(try Program.run(["check", output]).text.contains("[not-found]"))
  }

  /// A warning about which weights are merged is seen with --quiet.
  @Test func quietLeavesWarnings() throws {
    let scratch = try Scratch()
    let base = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "base")
    try FileManager.default.copyItem(
      atPath: basePath("llama-bf16") + "/model.safetensors", toPath: base + "/model.safetensors")
    let result = try Program.run(["merge", "-q", base, adapter, "-o", scratch.file("merged")])
    #expect(
      result.messageLines.contains { $0.hasPrefix("warning: ") && $0.contains("model.safetensors") },
      "\(result.messages)")
  }
}
