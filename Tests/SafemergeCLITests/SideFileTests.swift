import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// What goes along with the weights, and what a folder is, as the program says and does it.
@Suite struct SideFileTests {
  static let trials = fixturesPath() + "/trials/"

  /// Merges a trial and compares what is written beside the weights; returns the messages.
  @discardableResult
  private func merge(
    _ base: String, _ adapter: String, to output: String, _ options: [String] = []
  ) throws -> Program.Result {
    let result = try Program.run(["merge", base, adapter, "-o", output] + options)
    #expect(result.status == 0, "\(result.messages)")
    return result
  }

  private func copy(_ name: String, to scratch: Scratch) throws -> String {
    let target = scratch.file("base")
    try FileManager.default.copyItem(atPath: Self.trials + name, toPath: target)
    return target
  }

  /// Tensors of F32 against what was computed in double precision: names, sizes, and every element within the rounding of
  /// sums of its tensor's magnitude.
  private func expectTensors(
    _ found: [String: [UInt8]], areThoseOf path: String, location: SourceLocation = #_sourceLocation
  ) throws {
    func values(_ bytes: [UInt8]) -> [Float] {
      stride(from: 0, to: bytes.count, by: 4).map { start in
        Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
      }
    }
    let expected = try tensorBytes(path)
    #expect(Set(found.keys) == Set(expected.keys), sourceLocation: location)
    for (name, bytes) in expected {
      let (one, other) = (values(found[name] ?? []), values(bytes))
      let largest = other.map(\.magnitude).max() ?? 0
      let isClose =
        one.count == other.count && zip(one, other).allSatisfy { ($0 - $1).magnitude <= largest * 0x1p-21 }
      #expect(isClose, "\(name)", sourceLocation: location)
    }
  }

  private func json(_ path: String) throws -> JSONValue {
    let bytes = try contents(path)
    return try JSONParser.parse(bytes.span)
  }

  private func json(text: String) throws -> JSONValue {
    let bytes = Array(text.utf8)
    return try JSONParser.parse(bytes.span)
  }

  /// The modules of a sentence-transformers model have weights of their own.
  @Test func sentenceTransformersKeepTheirModules() throws {
    let scratch = try Scratch()
    let base = Self.trials + "sbert/base"
    try merge(base, Self.trials + "sbert/adapter", to: scratch.file("out"))
    for name in [
      "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json",
      "2_Dense/config.json", "2_Dense/model.safetensors", "3_Dense/config.json", "3_Dense/model.safetensors",
    ] {
      #expect(try contents(scratch.file("out/" + name)) == contents(base + "/" + name), "\(name)")
    }
    #expect(try tensorBytes(scratch.file("out/model.safetensors")) != tensorBytes(base + "/model.safetensors"))
    // A result with folders is a model that can be replaced; what the record does not list is not.
    try merge(base, Self.trials + "sbert/adapter", to: scratch.file("out"), ["--force"])
    try scratch.write("mine", to: "out/2_Dense/notes.txt")
    let refused = try Program.run(["merge", base, Self.trials + "sbert/adapter", "-o", scratch.file("out"), "--force"])
    #expect(refused.status == 5)
    #expect(refused.messages.contains("2_Dense/notes.txt"))
  }

  @Test func theBasesChatTemplateStaysBesideTheAdaptersTokenizer() throws {
    let scratch = try Scratch()
    let trial = Self.trials + "adapter-tokenizer/"
    try merge(trial + "base", trial + "adapter", to: scratch.file("out"))
    for name in [
      "chat_template.jinja", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json",
      "special_tokens_map.json",
      "processor_config.json", "preprocessor_config.json",
    ] {
      #expect(try contents(scratch.file("out/" + name)) == contents(trial + "base/" + name), "\(name)")
    }
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      #expect(try contents(scratch.file("out/" + name)) == contents(trial + "adapter/" + name), "\(name)")
    }
  }

  @Test func whatStaysBehindIsOneLineByName() throws {
    let scratch = try Scratch()
    let base = try copy("omni-thinker-only/base", to: scratch)
    for folder in ["assets", "onnx"] { try scratch.folder("base/" + folder) }
    for name in ["spk_dict.pt", "assets/voice.wav", "onnx/model.onnx", "README.md", "optimizer.pt"] {
      try scratch.write(name, to: "base/" + name)
    }
    for number in 1...3 { try scratch.write("x", to: "base/pytorch_model-0000\(number)-of-00003.bin") }
    let adapter = Self.trials + "omni-thinker-only/adapter"
    let result = try merge(base, adapter, to: scratch.file("out"))
    #expect(
      result.messageLines.filter { $0.hasPrefix("skipped ") } == [
        "skipped   onnx/, pytorch_model-*-of-00003.bin (3 files) (other weight files); optimizer.pt (training state); "
          + "README.md (the base's model card)"
      ])
    #expect(
      try scratch.entries("out") == [
        ".safemerge.json", "assets", "config.json", "generation_config.json", "model.safetensors",
        "preprocessor_config.json", "spk_dict.pt",
      ])
    #expect(try scratch.entries("out/assets") == ["voice.wav"])
    try expectTensors(
      tensorBytes(scratch.file("out/model.safetensors")),
      areThoseOf: Self.trials + "omni-thinker-only/expect/model.safetensors")
    let record = try json(scratch.file("out/.safemerge.json"))
    guard case .array(let files)? = record["files"] else {
      Issue.record("no files")
      return
    }
    #expect(files.contains { $0["name"] == .string("assets/voice.wav") && $0["sha256"] != nil })
    let dry = try Program.run(
      ["merge", base, adapter, "-n", "--include-file", "README.md", "--exclude-file", "assets"])
    #expect(dry.lines.contains { $0.hasPrefix("write     README.md") })
    #expect(dry.lines.contains("skip      assets/   --exclude-file"))
    #expect(dry.lines.contains("skip      onnx/   other weight files"))
    let events = try Program.run(["merge", base, adapter, "-n", "--json"])
    let plan = try #require(try events.lines.map(json(text:)).first { $0["left_out"] != nil })
    let shards = (1...3).map { #"{"name":"pytorch_model-0000\#($0)-of-00003.bin","reason":"weights"}"# }
    let expected = try json(
      text: #"[{"name":"README.md","reason":"model-card"},{"name":"onnx/","reason":"weights"},"#
        + #"{"name":"optimizer.pt","reason":"training-state"},"# + shards.joined(separator: ",") + "]")
    #expect(plan["left_out"] == expected)
    let quiet = try merge(base, adapter, to: scratch.file("quiet"), ["-q"])
    #expect(quiet.messages == "")
    let missing = try Program.run(["merge", base, adapter, "-n", "--include-file", "READNE.md"])
    #expect(missing.status == 3)
    #expect(missing.messages.contains("\"READNE.md\" matches no file") && missing.messages.contains("[side-file]"))
  }

  // MARK: - What a folder is

  private func shardedBase(_ scratch: Scratch) throws -> String {
    let base = scratch.file("base")
    try FileManager.default.copyItem(atPath: basePath("llama-bf16-sharded"), toPath: base)
    return base
  }

  @Test func shardsWithoutAnIndexAreMergedAndGetOne() throws {
    let scratch = try Scratch()
    let base = try shardedBase(scratch)
    let index = "/model.safetensors.index.json"
    try FileManager.default.removeItem(atPath: base + index)
    let result = try merge(base, adapterPath("linear-bf16"), to: scratch.file("out"))
    #expect(result.messages.contains("no model.safetensors.index.json; using all"))
    let expected = try tensorBytes(fixturesPath() + "/lora/linear/bf16/merged/model.safetensors")
    #expect(try tensorBytes(scratch.file("out")) == expected)
    let written = try json(scratch.file("out") + index)
    let original = try json(basePath("llama-bf16-sharded") + index)
    #expect(written["weight_map"] == original["weight_map"])
    #expect(written["metadata"]?["total_size"] == original["metadata"]?["total_size"])
    try FileManager.default.removeItem(atPath: base + "/model-00002-of-00004.safetensors")
    let incomplete = try Program.run(["merge", "-n", base, adapterPath("linear-bf16")])
    #expect(incomplete.status == 3)
    #expect(incomplete.messages.contains("3 of 4 shards") && incomplete.messages.contains("number 2"))
  }

  @Test func aGhostInTheIndexIsNotInTheResults() throws {
    let scratch = try Scratch()
    let base = try shardedBase(scratch)
    let index = base + "/model.safetensors.index.json"
    let text = String(decoding: try contents(index), as: UTF8.self)
    let ghost = "\"weight_map\": {\n    \"mtp.fc.weight\": \"model-00003-of-00004.safetensors\","
    try write(text.replacingOccurrences(of: "\"weight_map\": {", with: ghost).utf8, to: index)
    let result = try merge(base, adapterPath("linear-bf16"), to: scratch.file("out"))
    #expect(result.messages.contains("lists a tensor that no file contains: mtp.fc.weight"))
    #expect(
      try tensorBytes(scratch.file("out")) == tensorBytes(fixturesPath() + "/lora/linear/bf16/merged/model.safetensors")
    )
    #expect(try contents(scratch.file("out/model.safetensors.index.json")) == Array(text.utf8))
  }

  /// transformers would load it, so it is the base; that it is one is said with the error.
  @Test func aStrayFileThatWinsOverTheShardsIsNamedWithTheError() throws {
    let scratch = try Scratch()
    let base = try shardedBase(scratch)
    try writeFile(base + "/model.safetensors", [TestTensor("model.layers.0.self_attn.q_proj.weight", .bf16, [4, 4])])
    let result = try Program.run(["merge", base, adapterPath("linear-bf16"), "-o", scratch.file("out")])
    #expect(result.status == 3)
    #expect(result.messages.contains("model.safetensors is used, as transformers does"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("out")))
  }

  @Test func pickledWeightsAreRefusedWithTheWayOut() throws {
    let result = try Program.run(["merge", "-n", Self.trials + "bin-base/base", Self.trials + "bin-base/adapter"])
    #expect(result.status == 3)
    #expect(result.messages.contains("[pickle]"))
    #expect(
      result.messages.contains("convert it in that folder: python3 -c")
        && result.messages.contains("'pytorch_model.bin'"))
  }

  /// A full model's folder with an adapter's settings that a training left, and its checkpoints.
  @Test func aTrainingsRootIsAModel() throws {
    let scratch = try Scratch()
    let root = Self.trials + "checkpoint-folders/root1"
    let result = try merge(root, root + "/checkpoint-2390", to: scratch.file("out"))
    #expect(!result.messages.contains("warning"))
    #expect(result.messageLines.contains("skipped   adapter_config.json, checkpoint-2390/ (adapter)"))
    try expectTensors(
      tensorBytes(scratch.file("out")), areThoseOf: Self.trials + "checkpoint-folders/expect/model.safetensors")
  }

  /// Every command says the same of a folder with a model and an adapter.
  @Test func aFolderWithBothIsAModelThatHasAnAdapter() throws {
    let scratch = try Scratch()
    let both = Self.trials + "checkpoint-folders/base-with-adapter"
    let listing = try Program.run(["ls", both])
    #expect(listing.lines.contains { $0.hasPrefix("lm_head.weight") })
    #expect(listing.messages.contains("also contains an adapter"))
    let check = try Program.run(["check", both])
    #expect(check.status == 0)
    #expect((check.messages + check.lines.joined()).contains("also contains an adapter"))
    #expect(try Program.run(["diff", both, both + "/model.safetensors", "--exit-code"]).status == 0)
    let alone = try Program.run(["merge", both, "-o", scratch.file("out")])
    #expect(alone.status == 2)
    #expect(alone.messages.contains("holds a model and an adapter [usage]"))
    // Its own adapter is in the result once; a loader would apply a copy once more.
    try merge(both, both, to: scratch.file("out"))
    try expectTensors(
      tensorBytes(scratch.file("out/model.safetensors")),
      areThoseOf: Self.trials + "checkpoint-folders/expect/model.safetensors")
    #expect(!(try scratch.entries("out").contains { $0.hasPrefix("adapter_") }))
    let again = try Program.run(["merge", both, both, "-n", "--include-file", "adapter_*"])
    #expect(again.status == 3)
    // Another adapter's merge says that this one stays behind.
    let other = try merge(both, Self.trials + "checkpoint-folders/root1/checkpoint-2390", to: scratch.file("other"))
    #expect(other.messages.contains("holds an adapter beside the weights"))
  }
}
