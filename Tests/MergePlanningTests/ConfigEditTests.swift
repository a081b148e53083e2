import Adapters
import Checkpoints
import Foundation
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What a merge changes in config.json, as text: every other byte stays.
@Suite struct ConfigEditTests {
  /// The config that a merge writes; nil if it writes none.
  private func config(
    _ base: String, _ adapter: String, _ options: MergeOptions = MergeOptions()
  ) throws -> String? {
    let plan = try MergePlan(
      base: Checkpoint(path: base), adapters: [AdapterUse(Adapter(folder: adapter))], options: options)
    return plan.textFiles.first { $0.name == "config.json" }.map { String(decoding: $0.text, as: UTF8.self) }
  }

  private func text(_ path: String) throws -> String { String(decoding: try contents(path), as: UTF8.self) }

  private func basePath(_ name: String) -> String { fixturesPath() + "/bases/" + name }
  private func adapterPath(_ name: String) -> String { FixtureCase.adapter(name) }

  /// The fixture's own config with one piece of its text replaced.
  private func expected(_ base: String, _ changes: [(String, String)]) throws -> String {
    var text = try text(basePath(base) + "/config.json")
    for (old, new) in changes {
      let parts = text.components(separatedBy: old)
      #expect(parts.count == 2, "\(old)")
      text = parts.joined(separator: new)
    }
    return text
  }

  /// A model with a nested config, whose embedding is tied and has this many rows.
  private func nested(_ scratch: Scratch, config: String = "nested") throws -> String {
    let folder = try scratch.folder("base")
    try write(contents(fixturesPath() + "/configs/\(config).json"), to: folder + "/config.json")
    try writeFile(
      folder + "/model.safetensors",
      [TestTensor("model.embed_tokens.weight", .bf16, [32, 4]), TestTensor("m.weight", .bf16, [4, 4])])
    return folder
  }

  private static let layer = [
    TestTensor("m.lora_A.weight", .f32, [1, 4]), TestTensor("m.lora_B.weight", .f32, [4, 1]),
  ]

  @Test func vocabularyIsChangedWhereItHasTheOldSize() throws {
    let scratch = try Scratch()
    let base = try nested(scratch)
    let resized = ["model.embed_tokens", "lm_head"].map { TestTensor("\($0).weight", .f32, [37, 4]) }
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", Self.layer + resized)
    #expect(try config(base, adapter) == text(fixturesPath() + "/configs/nested-resized.json"))
  }

  @Test func untyingIsSaidWhereverItStands() throws {
    let scratch = try Scratch()
    let base = try nested(scratch)
    let head = [
      TestTensor("lm_head.lora_A.weight", .f32, [1, 4]), TestTensor("lm_head.lora_B.weight", .f32, [32, 1]),
    ]
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", Self.layer + head)
    var options = MergeOptions()
    options.tied = .split
    #expect(try config(base, adapter, options) == text(fixturesPath() + "/configs/nested-untied.json"))
    options.tied = .shared
    #expect(try config(base, adapter, options) == nil)
  }

  @Test(arguments: [(DType.f16, "float16"), (.f32, "float32")]) func dtypeIsThatOfTheResult(dtype: DType, name: String)
    throws
  {
    let scratch = try Scratch()
    let base = try nested(scratch)
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", Self.layer)
    let old = try text(fixturesPath() + "/configs/nested.json")
    #expect(old.components(separatedBy: "\"bfloat16\"").count == 5)
    #expect(
      try config(base, adapter, MergeOptions(outputDType: dtype))
        == old.replacingOccurrences(of: "\"bfloat16\"", with: "\"\(name)\""))
    #expect(try config(base, adapter, MergeOptions(outputDType: .bf16)) == nil)
    #expect(try config(base, adapter) == nil)
  }

  @Test(arguments: ["bf16", "f32"]) func layersAreCounted(dtype: String) throws {
    let found = try config(basePath("tiny-llama-layers-\(dtype)"), adapterPath("replicated-\(dtype)"))
    let changes = [("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")]
    #expect(try found == expected("tiny-llama-layers-\(dtype)", changes))
  }

  @Test func listsOfLayersAreRepeated() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let names = ["input", "v_proj"].flatMap { leaf in (0..<3).map { "model.layers.\($0).\(leaf).weight" } }
    try writeFile(base + "/model.safetensors", names.map { TestTensor($0, .f32, [4, 4]) })
    let old = "{ \"n_layer\" :3,\n\"layer_types\":[\"a\", \"b\",\n \"c\"],\"num_layers\": 3 , \"keep\": [ 3 ]}"
    try write(Array(old.utf8), to: base + "/config.json")
    let layer = Self.layer.map { tensor in
      TestTensor(
        "model.layers.3.v_proj" + tensor.name.dropFirst(), tensor.dtype, tensor.shape, bytes: tensor.bytes)
    }
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1", layer, fields: "\"layer_replication\": [[0, 2], [1, 3]]")
    let found = try #require(try config(base, adapter))
    let list = try #require(found.range(of: "\\[\"a\",\\s*\"b\",\\s*\"b\",\\s*\"c\"\\]", options: .regularExpression))
    #expect(
      found.replacingCharacters(in: list, with: "LIST")
        == "{ \"n_layer\" :4,\n\"layer_types\":LIST,\"num_layers\": 4 , \"keep\": [ 3 ]}")
  }

  @Test(arguments: [
    ("resized-vocab-bf16", "tiny-llama-bf16"), ("resized-vocab-target-bf16", "tiny-llama-bf16"),
    ("resized-vocab-saved-bf16", "tiny-llama-bf16"), ("resized-vocab-tied-bf16", "tiny-tied-bf16"),
  ])
  func vocabularyOfFixtures(name: String, base: String) throws {
    let changes = [("\"vocab_size\": 32", "\"vocab_size\": 37")]
    #expect(try config(basePath(base), adapterPath(name)) == expected(base, changes))
  }

  @Test(arguments: ["tied-embedding-bf16", "tied-head-bf16", "tied-both-bf16", "tied-saved-head-bf16"])
  func tiesOfFixtures(name: String) throws {
    var options = MergeOptions()
    options.tied = .split
    let changes = [("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false")]
    #expect(try config(basePath("tiny-tied-bf16"), adapterPath(name), options) == expected("tiny-tied-bf16", changes))
  }

  @Test(arguments: ["tied-ensured-bf16", "tied-saved-ensured-bf16", "tokens-tied-bf16", "tied-saved-both-bf16"])
  func whatStaysTiedChangesNoConfig(name: String) throws {
    #expect(try config(basePath("tiny-tied-bf16"), adapterPath(name)) == nil)
  }

  /// The class of the model, and a name for each label.
  @Test(arguments: [
    ("bert-sequence-bf16", "tiny-bert-bf16", "BertForPreTraining", "BertForSequenceClassification", 3),
    ("bert-token-bf16", "tiny-bert-bf16", "BertForPreTraining", "BertForTokenClassification", 3),
    ("llama-sequence-bf16", "tiny-llama-bf16", "LlamaForCausalLM", "LlamaForSequenceClassification", 3),
  ])
  func headsAreNamed(name: String, base: String, old: String, new: String, labels: Int) throws {
    var options = MergeOptions()
    options.addsTensors = true
    let found = try #require(try config(basePath(base), adapterPath(name), options))
    let before = try text(basePath(base) + "/config.json")
    #expect(before.contains("\"\(old)\""), "\(before)")
    #expect(found.contains("[\"\(new)\"]"), "\(found)")
    #expect(!found.contains(old))
    let byNumber = (0..<labels).map { "\"\($0)\": \"LABEL_\($0)\"" }.joined(separator: ", ")
    #expect(found.contains("\"id2label\": {\(byNumber)}"), "\(found)")
    let byName = (0..<labels).map { "\"LABEL_\($0)\": \($0)" }.joined(separator: ", ")
    #expect(found.contains("\"label2id\": {\(byName)}"), "\(found)")
    // Every other line is there, in its order.
    var lines = found.split(separator: "\n")[...]
    for line in before.split(separator: "\n") where !line.contains(old) && line.contains(":") {
      let trimmed = line.hasSuffix(",") ? line.dropLast() : line
      guard let place = lines.firstIndex(where: { $0.hasPrefix(trimmed) }) else {
        Issue.record("\(line)")
        continue
      }
      lines = lines[(place + 1)...]
    }
  }

  @Test func aConfigThatCannotSayItIsAWarning() throws {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    try writeFile(base, [TestTensor("m.weight", .f32, [4, 4])])
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", Self.layer)
    let plan = try MergePlan(
      base: Checkpoint(path: base), adapters: [AdapterUse(Adapter(folder: adapter))],
      options: MergeOptions(outputDType: .bf16))
    #expect(plan.textFiles.isEmpty)
    #expect(plan.warnings.count { $0.contains("dtype is bfloat16") } == 1)
  }
}
