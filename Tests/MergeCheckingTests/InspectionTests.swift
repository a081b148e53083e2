import Checkpoints
import Checksums
import Foundation
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// What `check` finds in a folder by headers, names and configuration.
@Suite struct InspectionTests {
  private func inspect(
    _ path: String, _ change: (inout ModelInspection.Options) -> Void = { _ in }
  ) throws -> ModelInspection {
    var options = ModelInspection.Options(workers: 2)
    change(&options)
    return try ModelInspection(path: path, options: options)
  }

  private func classes(_ path: String, data: Bool = false) throws -> [String] {
    try inspect(path) { $0.readsData = data }.findings.map(\.findingClass)
  }

  private func copy(_ base: String, in scratch: Scratch) throws -> String {
    let folder = scratch.file("model")
    try FileManager.default.copyItem(atPath: fixturesPath() + "/bases/" + base, toPath: folder)
    return folder
  }

  private func edit(_ path: String, _ old: String, _ new: String) throws {
    let text = String(decoding: try contents(path), as: UTF8.self)
    #expect(text.contains(old))
    try write(text.replacingOccurrences(of: old, with: new).utf8, to: path)
  }

  @Test func findsNothingInTheFixtures() throws {
    let folder = fixturesPath() + "/bases/"
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      let inspection = try inspect(folder + name) { $0.readsData = true }
      #expect(inspection.findings == [], "\(name)")
      #expect(!inspection.files.isEmpty)
    }
  }

  @Test func findsNothingInAnAdapter() throws {
    let inspection = try inspect(fixturesPath() + "/lora/linear/bf16/adapter")
    #expect(inspection.findings == [])
    #expect(inspection.isAdapter && inspection.files.count == 1)
  }

  @Test func namesWhatIsWrongWithAnAdapter() throws {
    let scratch = try Scratch()
    let folder = try changedAdapter(fixturesPath() + "/lora/linear/bf16/adapter", in: scratch) {
      Array($0.dropFirst())
    }
    let found = try inspect(folder).findings
    #expect(found.count == 1 && found[0].file?.hasSuffix("adapter_model.safetensors") == true)
  }

  // MARK: - Index

  private static let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]

  /// Two shards and an index for them.
  private func sharded(in scratch: Scratch, index: (inout [String: String]) -> Void = { _ in }) throws -> String {
    let folder = try scratch.folder("sharded")
    let (one, other) = (TestTensor("a", .f32, [2]), TestTensor("b", .f32, [3]))
    try writeFile(folder + "/" + Self.shards[0], [one], metadata: "{\"format\":\"pt\"}")
    try writeFile(folder + "/" + Self.shards[1], [other], metadata: "{\"format\":\"pt\"}")
    var map = ["a": Self.shards[0], "b": Self.shards[1]]
    index(&map)
    let entries = map.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
    try scratch.write(
      "{\"metadata\":{\"total_size\":20},\"weight_map\":{\(entries)}}", to: "sharded/model.safetensors.index.json")
    return folder
  }

  @Test func comparesIndexAndHeadersBothWays() throws {
    let scratch = try Scratch()
    #expect(try classes(sharded(in: scratch)) == [])
    // As a merge says it: nothing is lost.
    let invented = try inspect(sharded(in: scratch) { $0["c"] = Self.shards[0] })
    #expect(invented.findings == [])
    #expect(invented.notes.contains { $0.contains("weight_map lists a tensor that no file contains: c") })
    // But in a file that the index does not name it would be.
    let hidden = try sharded(in: scratch) { $0["c"] = Self.shards[0] }
    try writeFile(hidden + "/extra.safetensors", [TestTensor("c", .f32, [1])])
    let found = try inspect(hidden).findings
    #expect(found.map(\.findingClass) == ["index"] && found[0].message.contains("but it is in extra.safetensors"))
    try FileManager.default.removeItem(atPath: hidden + "/extra.safetensors")
    let moved = try inspect(
      sharded(in: scratch) { map in
        map["a"] = Self.shards[1]
        map["b"] = Self.shards[0]
      }
    ).findings
    #expect(moved.contains { $0.message.contains("but it is in") })
    let missing = try inspect(sharded(in: scratch) { $0["d"] = "model-00003-of-00003.safetensors" }).findings
    #expect(missing.map(\.findingClass) == ["not-found"])
    let folder = try sharded(in: scratch)
    try edit(folder + "/model.safetensors.index.json", "\"total_size\":20", "\"total_size\":21")
    #expect(try classes(folder) == ["index"])
    try edit(folder + "/model.safetensors.index.json", "\"b\":\"\(Self.shards[1])\"", "\"b2\":\"\(Self.shards[1])\"")
    #expect(try classes(folder) == ["index", "index"])
  }

  /// A merge takes a complete set of shards without an index, and says so.
  @Test func shardsWithoutAnIndexAreTheModel() throws {
    let scratch = try Scratch()
    let folder = try sharded(in: scratch)
    try FileManager.default.removeItem(atPath: folder + "/model.safetensors.index.json")
    let complete = try inspect(folder)
    #expect(complete.findings == [] && complete.files.count == 2)
    #expect(complete.notes.contains { $0.contains("no model.safetensors.index.json; using all 2 files") })
    // A tensor in two of them is what a merge refuses.
    try writeFile(folder + "/" + Self.shards[1], [TestTensor("a", .f32, [2])], metadata: "{\"format\":\"pt\"}")
    #expect(try classes(folder) == ["index"])
    try FileManager.default.removeItem(atPath: folder + "/" + Self.shards[1])
    #expect(try classes(folder) == ["not-found"])
  }

  @Test func continuesBehindABrokenShard() throws {
    let scratch = try Scratch()
    let folder = try sharded(in: scratch)
    let bytes = try contents(folder + "/" + Self.shards[0])
    try write(bytes.dropLast(), to: folder + "/" + Self.shards[0])
    try writeFile(folder + "/model-00009-of-00009.safetensors", [TestTensor("x", .f32, [1])])
    #expect(try classes(folder) == ["truncated", "stale"])
  }

  @Test func namesATensorInTwoShards() throws {
    let scratch = try Scratch()
    let folder = try sharded(in: scratch)
    try writeFile(
      folder + "/" + Self.shards[1], [TestTensor("a", .f32, [2]), TestTensor("b", .f32, [3])],
      metadata: "{\"format\":\"pt\"}")
    let found = try inspect(folder).findings
    #expect(found.contains { $0.tensor == "a" && $0.message.contains("is also in") })
  }

  // MARK: - Leftovers

  @Test func namesWhatWasLeftBehind() throws {
    let scratch = try Scratch()
    let folder = try sharded(in: scratch)
    try writeFile(folder + "/model.safetensors", [TestTensor("a", .f32, [2])])
    #expect(try classes(folder) == ["stale"])
    try write([], to: folder + "/.safemerge-incomplete")
    try write([], to: folder + "/model-00001-of-00002.safetensors.tmp.17.ab")
    #expect(try classes(folder).sorted() == ["incomplete", "leftover", "stale"])
  }

  // MARK: - Configuration

  @Test(arguments: [
    ("\"vocab_size\": ", "vocab_size is"), ("\"hidden_size\": ", "hidden_size is"),
    ("\"num_hidden_layers\": ", "num_hidden_layers is"), ("\"intermediate_size\": ", "intermediate_size is"),
    ("\"num_attention_heads\": ", "heads of"),
  ])
  func comparesConfigWithShapes(key: String, message: String) throws {
    let scratch = try Scratch()
    let folder = try copy("llama-bf16", in: scratch)
    // One digit more makes it larger than any of these small models.
    try edit(folder + "/config.json", key, key + "1")
    let found = try inspect(folder).findings
    #expect(
      found.contains { $0.findingClass == "config" && $0.message.contains(message) }, "\(found.map(\.description))")
  }

  @Test func comparesTiedTensors() throws {
    let scratch = try Scratch()
    let folder = try copy("llama-bf16", in: scratch)
    let names = try SafetensorsHeader(path: folder + "/model.safetensors").tensors.map(\.name.string)
    #expect(names.contains("lm_head.weight"))
    try edit(folder + "/config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true")
    #expect(try classes(folder) == [])
    #expect(try classes(folder, data: true) == ["tied"])
    try edit(folder + "/config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false")
    let kept = try readTensors(folder + "/model.safetensors").filter { $0.name != "lm_head.weight" }
    try writeFile(folder + "/model.safetensors", kept, metadata: "{\"format\":\"pt\"}")
    #expect(try classes(folder) == ["tied"])
  }

  /// A head under a name that the class does not read, in a model that is not tied, is no head; nor is the bias that BERT's
  /// head reads from another place.
  @Test func findsAHeadThatTheClassDoesNotRead() throws {
    let scratch = try Scratch()
    func found(_ architecture: String, _ type: String, tied: Bool, _ names: [(String, [Int])]) throws -> [String] {
      let folder = try scratch.folder("\(architecture)-\(names.count)-\(tied)")
      try writeFile(
        folder + "/model.safetensors", names.map { TestTensor($0.0, .f32, $0.1) }, metadata: "{\"format\":\"pt\"}")
      let text =
        "{\"architectures\": [\"\(architecture)\"], \"model_type\": \"\(type)\", \"vocab_size\": 6, "
        + "\"tie_word_embeddings\": \(tied)}"
      try write(Array(text.utf8), to: folder + "/config.json")
      return try inspect(folder).findings.map { "\($0.findingClass) \($0.message)" }
    }
    let embedding = ("model.decoder.embed_tokens.weight", [6, 4])
    let wrong = try found(
      "WhisperForConditionalGeneration", "whisper", tied: false, [embedding, ("lm_head.weight", [6, 4])])
    #expect(wrong == ["tied proj_out.weight is missing, but tie_word_embeddings is false"])
    #expect(try found("WhisperForConditionalGeneration", "whisper", tied: true, [embedding]) == [])
    let right = [embedding, ("proj_out.weight", [6, 4])]
    #expect(try found("WhisperForConditionalGeneration", "whisper", tied: false, right) == [])
    // T5's configuration ties whatever it says.
    #expect(try found("T5ForConditionalGeneration", "t5", tied: false, [("shared.weight", [6, 4])]) == [])
    let bert = [
      ("bert.embeddings.word_embeddings.weight", [6, 4]), ("cls.predictions.bias", [6]),
      ("cls.predictions.decoder.weight", [6, 4]),
    ]
    #expect(
      try found("BertForMaskedLM", "bert", tied: false, bert)
        == ["tied cls.predictions.decoder.bias is missing, but tie_word_embeddings is false"])
    // Each name of the vocabulary has its size.
    let small = try found(
      "WhisperForConditionalGeneration", "whisper", tied: false, [embedding, ("proj_out.weight", [5, 4])])
    #expect(small == ["config has 5 rows, but vocab_size is 6"])
    // The decoder of Marian may have a vocabulary of its own.
    let marian = "marian\", \"share_encoder_decoder_embeddings\": false, \"decoder_vocab_size\": 5, \"num_beams\": \"4"
    let sides = [("model.encoder.embed_tokens.weight", [6, 4]), ("model.decoder.embed_tokens.weight", [5, 4])]
    #expect(try found("MarianMTModel", marian, tied: true, sides) == [])
  }

  // MARK: - Data

  @Test func countsElementsThatAreNotNumbers() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.safetensors")
    try writeFile(
      path,
      [
        TestTensor("half", .f16, [3], bytes: [0x00, 0x7C, 0x01, 0x7E, 0x00, 0x3C]),
        TestTensor("brain", .bf16, [2], bytes: [0xC0, 0xFF, 0x80, 0x3F]), TestTensor("fine", .f32, [4]),
      ])
    #expect(try classes(path) == [])
    let found = try inspect(path) { $0.readsData = true }
    #expect(found.nonFinite.map(\.tensor) == ["half", "brain"])
    #expect(found.nonFinite.map(\.nanCount) == [1, 1])
    #expect(found.nonFinite.map(\.infinityCount) == [1, 0])
    #expect(found.findings.map(\.findingClass) == ["nonfinite", "nonfinite"])
  }

  @Test func verifiesChecksums() throws {
    let scratch = try Scratch()
    let folder = try sharded(in: scratch)
    let inspection = try inspect(folder) { $0.computesSums = true }
    let sums = inspection.sums
    #expect(sums.map(\.name) == Self.shards + ["model.safetensors.index.json"])
    let text = sums.map(SumsFile.line).joined()
    let list = try scratch.write(text, to: "sums")
    func found() throws -> [String] {
      let entries = try SumsFile(path: list)
      return try inspect(folder) { $0.sums = entries }.findings.map(\.findingClass)
    }
    #expect(try found() == [])
    // Text mode has a space in place of the star.
    try scratch.write(text.replacingOccurrences(of: " *", with: "  "), to: "sums")
    #expect(try found() == [])
    try scratch.write(text + String(repeating: "0", count: 64) + "  gone\n", to: "sums")
    #expect(try found() == ["not-found"])
    try scratch.write(text + String(repeating: "0", count: 64) + "  ../outside\n", to: "sums")
    #expect(try found() == ["shard-name"])
    try scratch.write(text, to: "sums")
    var bytes = try contents(folder + "/" + Self.shards[0])
    bytes[bytes.count - 1] ^= 1
    try write(bytes, to: folder + "/" + Self.shards[0])
    #expect(try found() == ["checksum"])
    try scratch.write("abc  x\n", to: "sums")
    #expect(throws: SumsFile.Problem.self) { try SumsFile(path: list) }
  }

  @Test func readsEscapedNames() throws {
    let scratch = try Scratch()
    let digits = String(repeating: "a", count: 64)
    let list = try scratch.write("\\\(digits) *a\\\\b\\nc\n", to: "sums")
    let entry = try SumsFile(path: list).entries[0]
    #expect(entry.name == "a\\b\nc")
    #expect(SumsFile.line(entry) == "\\\(digits) *a\\\\b\\nc\n")
  }

  @Test func verifiesWhatTheMergeWroteDown() throws {
    let scratch = try Scratch()
    let folder = try sharded(in: scratch)
    let bytes = try contents(folder + "/" + Self.shards[0])
    func record(_ sum: String, _ size: Int) throws {
      try scratch.write(
        "{\"files\":{\"\(Self.shards[0])\":{\"size\":\(size),\"sha256\":\"\(sum)\"}}}", to: "sharded/.safemerge.json")
    }
    let right = SHA256Checksum(of: bytes).description
    try record(right, bytes.count)
    #expect(try classes(folder, data: true) == [])
    try record(String(repeating: "0", count: 64), bytes.count)
    #expect(try classes(folder) == [])
    #expect(try classes(folder, data: true) == ["checksum"])
    try record(right, bytes.count + 1)
    #expect(try classes(folder) == ["checksum"])
  }

  @Test func endsWhereNothingIs() throws {
    let scratch = try Scratch()
    #expect(throws: CheckpointError.self) { try inspect(scratch.file("nothing")) }
  }
}
