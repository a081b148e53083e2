import Checkpoints
import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@Suite struct SelectionTests {
  static let index = "model.safetensors.index.json"
  static let map = #"{"metadata":{},"weight_map":{"s":"shard.safetensors"}}"#

  @Test func oneWeightFile() throws {
    let scratch = try Scratch()
    try scratch.weights("a", "b", at: "model.safetensors")
    try scratch.weights("c", at: "other.safetensors")
    let model = try Checkpoint(path: scratch.path)
    #expect(model.layout == .folder)
    #expect(model.folder == scratch.path)
    #expect(model.files.map(\.name) == ["model.safetensors"])
    #expect(model.warnings == [])
    #expect(model.config == nil)
    #expect(model.index == nil)
    #expect(model.tensorCount == 2)
    #expect(Set(model.tensorNames) == ["a", "b"])
    let location = try #require(model.location(of: "b"))
    #expect(model.tensor(at: location).name == "b")
    #expect(model.location(of: "c") == nil)
  }

  @Test func shardsAndAnIndex() throws {
    let scratch = try Scratch()
    try scratch.weights("s", at: "shard.safetensors")
    try scratch.weights("c", at: "unrelated.safetensors")
    try scratch.write(Self.map, to: Self.index)
    for path in [scratch.path, scratch.file(Self.index)] {
      let model = try Checkpoint(path: path)
      #expect(model.layout == .shardedFolder(indexName: Self.index))
      #expect(model.folder == scratch.path)
      #expect(model.files.map(\.name) == ["shard.safetensors"])
      #expect(model.tensorCount == 1)
    }
  }

  @Test func bothMeansTheSingleFileAndAWarning() throws {
    let scratch = try Scratch()
    try scratch.weights("s", at: "shard.safetensors")
    try scratch.weights("a", at: "model.safetensors")
    try scratch.write(Self.map, to: Self.index)
    let model = try Checkpoint(path: scratch.path)
    #expect(model.files.map(\.name) == ["model.safetensors"])
    #expect(model.warnings.count == 1)
    #expect(model.warnings.first?.contains(Self.index) == true)
    #expect(try Checkpoint(path: scratch.file(Self.index)).files.map(\.name) == ["shard.safetensors"])
  }

  @Test func theNameInTheConfigurationComesFirst() throws {
    let scratch = try Scratch()
    try scratch.weights("a", at: "model.safetensors")
    try scratch.weights("s", at: "shard.safetensors")
    try scratch.write(Self.map, to: "x.safetensors.index.json")
    try scratch.write(#"{"transformers_weights":"shard.safetensors","x":NaN}"#, to: "config.json")
    #expect(try Checkpoint(path: scratch.path).files.map(\.name) == ["shard.safetensors"])
    try scratch.write(#"{"transformers_weights":"x.safetensors.index.json"}"#, to: "config.json")
    #expect(try Checkpoint(path: scratch.path).layout == .shardedFolder(indexName: "x.safetensors.index.json"))
    try scratch.write(#"{"transformers_weights":null}"#, to: "config.json")
    #expect(try Checkpoint(path: scratch.path).files.map(\.name) == ["model.safetensors"])
    for name in ["../model.safetensors", "/model.safetensors", "pytorch_model.bin", "..", ""] {
      try scratch.write(#"{"transformers_weights":"\#(name)"}"#, to: "config.json")
      #expect(problem(scratch.path) == .unsafeShardName(name))
    }
    try scratch.write(#"{"transformers_weights":"missing.safetensors"}"#, to: "config.json")
    #expect(refusal(scratch.path)?.errorClass == "not-found")
  }

  @Test func aFileAlone() throws {
    let scratch = try Scratch()
    let path = try scratch.weights("a", at: "any name.safetensors")
    try scratch.write("not read", to: "config.json")
    let model = try Checkpoint(path: path)
    #expect(model.layout == .singleFile)
    #expect(model.folder == nil)
    #expect(model.config == nil)
    #expect(model.files.map(\.path) == [path])
  }

  @Test func nothingToSelectNamesWhatElseIsThere() throws {
    let scratch = try Scratch()
    #expect(problem(scratch.path) == .noWeights(others: []))
    try scratch.write("", to: "pytorch_model.bin")
    #expect(problem(scratch.path) == .pickleOnly("pytorch_model.bin"))
    #expect(refusal(scratch.path)?.hint?.contains("weights_only=True") == true)
    for number in 1...4 { try scratch.weights("a", at: "consolidated-\(number).safetensors") }
    #expect(problem(scratch.path) == .noWeights(others: (1...4).map { "consolidated-\($0).safetensors" }))
    let message = try #require(refusal(scratch.path)?.message)
    #expect(message.contains("consolidated-1.safetensors, consolidated-2.safetensors") && message.contains("1 more"))
  }

  /// What every other reader than transformers does with them, and the only thing that they can mean.
  @Test func aCompleteSetOfShardsNeedsNoIndex() throws {
    let scratch = try Scratch()
    try scratch.weights("b", "c", at: "model-00002-of-00002.safetensors")
    #expect(problem(scratch.path) == .incompleteShards(found: 1, count: 2, firstMissing: 1))
    #expect(refusal(scratch.path)?.hint == "incomplete download? download the folder again")
    try scratch.weights("a", at: "model-00001-of-00002.safetensors")
    let model = try Checkpoint(path: scratch.path)
    #expect(model.layout == .shardedFolder(indexName: Self.index))
    #expect(model.files.map(\.name) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
    #expect(model.index?.weightMap.map(\.tensor) == ["a", "b", "c"])
    #expect(model.index?.weightMap.map(\.shard) == [0, 1, 1])
    #expect(model.warnings.count == 1 && model.warnings[0].contains("model-*-of-00002.safetensors"))
    // A variant is loaded on request alone.
    try scratch.weights("a", at: "model.fp16-00001-of-00001.safetensors")
    #expect(try Checkpoint(path: scratch.path).files.count == 2)
    // Two sets: which is meant is not known.
    try scratch.weights("a", at: "model-b-00001-of-00001.safetensors")
    #expect(refusal(scratch.path)?.errorClass == "no-weights")
  }

  @Test func shardsThatShareATensorAreRefusedWithoutAnIndexToo() throws {
    let scratch = try Scratch()
    try scratch.weights("a", "b", at: "model-00001-of-00002.safetensors")
    try scratch.weights("b", at: "model-00002-of-00002.safetensors")
    #expect(
      problem(scratch.path)
        == .tensorInTwoShards("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"))
  }

  @Test(
    arguments: [
      (["model.fp16.safetensors"], "rename it to model.safetensors"),
      (["x.safetensors.index.json"], "pass the index itself"),
      (["model.safetensors.index.fp16.json", "model.fp16-00001-of-00002.safetensors"], "rename the files"),
      (["a.safetensors", "b.safetensors"], "rename the right ones"), (["model.gguf"], "GGUF is not supported"),
      (["pytorch_model-00001-of-00002.bin", "training_args.bin"], "pytorch_model*.bin"),
    ])
  func otherNamesAndFormatsHaveAWayOut(names: [String], hint: String) throws {
    let scratch = try Scratch()
    for name in names { try scratch.write("", to: name) }
    #expect(refusal(scratch.path)?.hint?.contains(hint) == true)
    #expect(refusal(scratch.path)?.message.contains(names[0]) == true)
  }

  @Test func otherFoldersAreNotModels() throws {
    let scratch = try Scratch()
    #expect(problem(scratch.file("missing")) == .notFound)
    try scratch.link("dangling", to: "nothing")
    #expect(problem(scratch.file("dangling")) == .notFound)
    #expect(mkfifo(scratch.file("fifo"), 0o600) == 0)
    #expect(refusal(scratch.file("fifo"))?.errorClass == "not-a-file")
    #expect(refusal("/dev/zero")?.errorClass == "not-a-file")
    try scratch.folder("config.json")
    #expect(problem(scratch.path) == .notAFolder)
  }

  @Test(arguments: ["[]", "{", "1", "{\"a\":1,\"a\":2}"]) func aBrokenConfiguration(text: String) throws {
    let scratch = try Scratch()
    try scratch.weights("a", at: "model.safetensors")
    try scratch.write(text, to: "config.json")
    let error = try #require(refusal(scratch.path) as? CheckpointError)
    #expect(error.path == scratch.file("config.json"))
    #expect(["json", "duplicate-key"].contains(error.errorClass))
  }

  @Test(arguments: ["llama-bf16", "llama-bf16-sharded", "llama-f32-sharded", "gpt2-bf16"])
  func realModels(name: String) throws {
    let model = try Checkpoint(path: fixturesPath() + "/bases/" + name)
    #expect(model.tensorCount == Set(model.tensorNames).count)
    for tensor in model.tensorNames {
      #expect(try model.tensor(at: #require(model.location(of: tensor))).name == tensor)
    }
    guard case .string = model.config?["model_type"] else {
      Issue.record("no configuration")
      return
    }
  }

  @Test func linksInACacheAreFollowed() throws {
    let scratch = try Scratch()
    try scratch.folder("models--o--n/blobs")
    try scratch.folder("models--o--n/snapshots/c0ffee")
    try scratch.weights("a", at: "models--o--n/blobs/abc")
    let snapshot = "models--o--n/snapshots/c0ffee"
    try scratch.link(snapshot + "/model.safetensors", to: "../../blobs/abc")
    #expect(try Checkpoint(path: scratch.file(snapshot)).tensorCount == 1)
    #expect(try Checkpoint(path: scratch.file(snapshot + "/model.safetensors")).tensorCount == 1)
  }
}
