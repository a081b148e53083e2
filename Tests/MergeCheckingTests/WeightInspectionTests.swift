import Checksums
import Foundation
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// What `check` finds in the tensors of a model: adapters' tensors, zeros, blobs of the cache, embeddings.
@Suite struct WeightInspectionTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func inspect(_ path: String, data: Bool = false) throws -> ModelInspection {
    var options = ModelInspection.Options(workers: 2)
    options.readsData = data
    return try ModelInspection(path: path, options: options)
  }

  private func model(_ tensors: [TestTensor], config: String? = "{}") throws -> String {
    let folder = try scratch.folder("model")
    try writeFile(folder + "/model.safetensors", tensors)
    if let config { try scratch.write(config, to: "model/config.json") }
    return folder
  }

  private func floats(_ name: String, _ shape: [Int], _ value: Float) -> TestTensor {
    let count = shape.reduce(1, *)
    let bytes = (0..<count).flatMap { _ in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    return TestTensor(name, .f32, shape, bytes: bytes)
  }

  // MARK: - Adapters' tensors

  @Test func namesAdapterTensorsInAModel() throws {
    let plain = floats("model.layers.0.self_attn.q_proj.weight", [4, 4], 1)
    let factors = [
      floats("model.layers.0.self_attn.q_proj.lora_A.default.weight", [2, 4], 1),
      floats("model.layers.0.self_attn.q_proj.lora_B.default.weight", [4, 2], 1),
    ]
    let unmerged = try inspect(model([plain] + factors)).findings
    #expect(unmerged.map(\.findingClass) == ["adapter-tensors"])
    #expect(unmerged[0].tensor == "model.layers.0.self_attn.q_proj.lora_A.default.weight")
    #expect(unmerged[0].message.hasPrefix("2 of 3 tensors belong to an adapter"))
    // The state of a wrapped model, as trainers save it.
    let wrapped = try inspect(
      model([floats("base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight", [4, 4], 1)] + factors)
    ).findings
    #expect(wrapped.map(\.findingClass) == ["adapter-tensors"])
    #expect(wrapped[0].message.contains("PEFT had wrapped"))
    #expect(try inspect(model([floats("lm_head.modules_to_save.default.weight", [4, 4], 1)])).findings.count == 1)
  }

  @Test func modelsMayHaveFactorsOfTheirOwn() throws {
    let tensors = [
      floats("model.layers.0.q_proj.base_layer.weight", [4, 4], 1),
      floats("model.layers.0.q_proj.lora_A.vision.weight", [2, 4], 1),
    ]
    let phi = try inspect(model(tensors, config: "{\"vision_lora\": {\"r\": 2}}"))
    #expect(phi.findings == [] && phi.notes.contains { $0.contains("vision_lora in config.json") })
    // The low-rank part of SVDQuant.
    let svd = [
      TestTensor("block.proj.qweight", .i8, [4, 2]), TestTensor("block.proj.wscales", .bf16, [1, 4]),
      floats("block.proj.lora_down", [4, 2], 1), floats("block.proj.lora_up", [4, 2], 1),
    ]
    #expect(try inspect(model(svd)).findings == [])
    // A file with nothing else is an adapter.
    let file = scratch.file("adapter.safetensors")
    let half = floats("base_model.model.q.lora_A.weight", [2, 4], 1)
    try writeFile(file, [half, floats("base_model.model.q.lora_B.weight", [4, 2], 1)])
    #expect(try inspect(file).findings == [])
    try writeFile(file, [half])
    #expect(try inspect(file).findings.map(\.findingClass) == ["pair"])
  }

  // MARK: - Zeros

  @Test func namesMatricesOfZeros() throws {
    let folder = try model([
      floats("a.weight", [3, 4], 0), floats("b.weight", [3, 4], -0.0), floats("c.weight", [3, 4], 1),
      floats("norm.bias", [4], 0), floats("token_type.weight", [1, 4], 0),
    ])
    #expect(try inspect(folder).findings == [])
    let found = try inspect(folder, data: true).findings
    #expect(found.map(\.findingClass) == ["zeros", "zeros"])
    #expect(Set(found.compactMap(\.tensor?.string)) == ["a.weight", "b.weight"])
    #expect(found[0].message.hasPrefix("all of its 12 elements are 0"))
  }

  /// One byte at the end of several pieces is enough to be no zero.
  @Test func oneElementIsEnough() throws {
    var bytes = [UInt8](repeating: 0, count: 5 << 20)
    bytes[bytes.count - 2] = 0x80
    #expect(
      try inspect(model([TestTensor("a", .bf16, [5, 1 << 19], bytes: bytes)]), data: true).findings == [])
    bytes[bytes.count - 2] = 0
    bytes[bytes.count - 1] = 0x80  // The sign of the last element.
    #expect(
      try inspect(model([TestTensor("a", .bf16, [5, 1 << 19], bytes: bytes)]), data: true).findings.map(\.findingClass)
        == ["zeros"])
  }

  /// Codes of 0 are zeros where the format has no zero points; zeros among the parts are none.
  @Test func codesMayBeZeros() throws {
    func fp8(_ code: UInt8) -> [TestTensor] {
      [
        TestTensor("a.weight", .f8E4M3, [4, 2], bytes: [UInt8](repeating: code, count: 8)),
        floats("a.weight_scale", [4, 1], 1),
      ]
    }
    #expect(try inspect(model(fp8(0)), data: true).findings.map(\.findingClass) == ["zeros"])
    #expect(try inspect(model(fp8(0x80)), data: true).findings.map(\.findingClass) == ["zeros"])
    #expect(try inspect(model(fp8(0x38)), data: true).findings == [])
    let gptq = [
      TestTensor("a.qweight", .i32, [8, 16], bytes: [UInt8](repeating: 0, count: 512)),
      TestTensor("a.qzeros", .i32, [2, 2], bytes: [UInt8](repeating: 0, count: 16)),
      TestTensor("a.scales", .f16, [2, 16], bytes: [UInt8](repeating: 0x3C, count: 64)),
      TestTensor("a.g_idx", .i32, [64], bytes: [UInt8](repeating: 0, count: 256)),
    ]
    #expect(try inspect(model(gptq), data: true).findings == [])
  }

  @Test func saysWhetherAnAdapterWasTrained() throws {
    func adapter(_ values: [Float]) throws -> ModelInspection {
      let tensors = values.enumerated().flatMap { number, value in
        [
          floats("base_model.model.layers.\(number).q_proj.lora_A.weight", [2, 4], 1),
          floats("base_model.model.layers.\(number).q_proj.lora_B.weight", [4, 2], value),
        ]
      }
      return try inspect(
        try writeAdapter(scratch.file("adapter"), rank: 2, alpha: "2", tensors), data: true)
    }
    let untrained = try adapter([0, 0])
    #expect(untrained.findings.map(\.findingClass) == ["zeros"])
    #expect(untrained.findings[0].message.contains("the adapter changes nothing"))
    let partly = try adapter([0, 1])
    #expect(partly.findings == [])
    #expect(partly.notes.contains { $0.hasPrefix("1 of 2 lora_B tensors are zero") })
    #expect(try !adapter([1, 1]).notes.contains { $0.contains("zeros") })
  }

  // MARK: - Codes

  /// Codes in a dtype of numbers are none: every pattern of bits is a pair of them.
  @Test func codesAreNoNumbers() throws {
    let state = Array("{\"quant_type\": \"nf4\", \"shape\": [4, 8], \"blocksize\": 64, \"dtype\": \"bfloat16\"}".utf8)
    let tensors = [
      TestTensor("a.weight", .bf16, [8, 1], bytes: [UInt8](repeating: 0xFF, count: 16)),
      floats("a.weight.absmax", [1], 1), floats("a.weight.quant_map", [16], 1),
      TestTensor("a.weight.quant_state.bitsandbytes__nf4", .u8, [state.count], bytes: state),
    ]
    #expect(try inspect(model(tensors), data: true).findings == [])
    // Scales are numbers.
    let bad = tensors.map { $0.name.hasSuffix("absmax") ? floats("a.weight.absmax", [1], .nan) : $0 }
    let found = try inspect(model(bad), data: true).findings
    #expect(found.map(\.findingClass) == ["nonfinite"] && found[0].tensor == "a.weight.absmax")
  }

  // MARK: - Blobs of the cache

  @Test func comparesBlobsWithTheirNames() throws {
    let folder = try scratch.folder("models--a--b/snapshots/0123")
    try scratch.folder("models--a--b/blobs")
    let file = scratch.file("made.safetensors")
    try writeFile(file, [floats("a", [2, 2], 1)])
    var bytes = try contents(file)
    var stream = SHA256Stream()
    stream.update(bytes)
    let name = "\(stream.checksum)"
    func blob() throws {
      try scratch.write(bytes, to: "models--a--b/blobs/\(name)")
      try? FileManager.default.removeItem(atPath: folder + "/model.safetensors")
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/model.safetensors", withDestinationPath: "../../blobs/\(name)")
    }
    try blob()
    let right = try inspect(folder, data: true)
    #expect(right.findings == [])
    #expect(right.notes.contains { $0.contains("compared 1 file in the Hugging Face cache") })
    bytes[bytes.count - 1] ^= 1
    try blob()
    #expect(try inspect(folder).findings == [])
    let found = try inspect(folder, data: true).findings
    #expect(found.map(\.findingClass) == ["checksum"])
    #expect(found[0].message.hasSuffix("its blob in the Hugging Face cache is named \(name): download it again"))
    // The file by itself, too.
    #expect(try inspect(folder + "/model.safetensors", data: true).findings.map(\.findingClass) == ["checksum"])
  }

  // MARK: - config.json

  @Test(arguments: ["embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings"])
  func comparesTheVocabularyOfEveryEmbedding(_ name: String) throws {
    let tensors = [floats("model.\(name).weight", [6, 4], 1)]
    let config = "{\"vocab_size\": 6, \"hidden_size\": 4}"
    #expect(try inspect(model(tensors, config: config)).findings == [])
    let found = try inspect(model(tensors, config: "{\"vocab_size\": 5, \"hidden_size\": 4}")).findings
    #expect(found.map(\.message) == ["has 6 rows, but vocab_size is 5"])
  }

  /// The width of an embedding may be its own, and a head may have a name that no list has.
  @Test func embeddingsMayBeProjected() throws {
    let opt = "{\"vocab_size\": 6, \"hidden_size\": 8, \"word_embed_proj_dim\": 4}"
    #expect(try inspect(model([floats("model.decoder.embed_tokens.weight", [6, 4], 1)], config: opt)).findings == [])
    let rembert = "{\"vocab_size\": 6, \"hidden_size\": 8, \"input_embedding_size\": 4}"
    let weight = floats("rembert.embeddings.word_embeddings.weight", [6, 4], 1)
    #expect(try inspect(model([weight], config: rembert)).findings == [])
    let untied =
      "{\"architectures\": [\"InternLM2ForCausalLM\"], \"tie_word_embeddings\": false, \"vocab_size\": 6}"
    let embedding = floats("model.tok_embeddings.weight", [6, 4], 1)
    #expect(try inspect(model([embedding, floats("output.weight", [6, 4], 1)], config: untied)).findings == [])
    #expect(try inspect(model([embedding], config: untied)).findings.map(\.findingClass) == ["tied"])
  }

  /// A head that is wider than the embedding cannot be tied: Reformer's never is, and of an unknown class the shapes say it.
  @Test(arguments: [
    ("ReformerModelWithLMHead", "reformer.embeddings.word_embeddings", "lm_head.decoder", 8, 0, false),
    ("MysteryForCausalLM", "model.embed_tokens", "lm_head", 8, 0, true),
    ("LlamaForCausalLM", "model.embed_tokens", "lm_head", 8, 1, false),
    ("MysteryForCausalLM", "model.embed_tokens", "lm_head", 4, 0, false),
  ])
  func aHeadOfAnotherWidthIsNotTied(
    name: String, embedding: String, head: String, width: Int, findings: Int, isNoted: Bool
  ) throws {
    let config =
      "{\"architectures\": [\"\(name)\"], \"model_type\": \"\(name.prefix(5).lowercased())\", "
      + "\"tie_word_embeddings\": true, \"vocab_size\": 6}"
    let tensors = [floats(embedding + ".weight", [6, 4], 1), floats(head + ".weight", [6, width], 1)]
    let inspection = try inspect(model(tensors, config: config))
    #expect(inspection.findings.map(\.findingClass) == Array(repeating: "tied", count: findings))
    #expect(inspection.notes.contains { $0.contains("cannot be tied") } == isNoted)
  }

  /// Rows that a family adds to its vocabulary, and no others.
  @Test(arguments: [
    ("\"model_type\": \"moshi\"", 1), ("\"model_type\": \"mllama_text_model\"", 8),
    ("\"model_type\": \"cpmant\", \"prompt_types\": 2, \"prompt_length\": 3", 6),
  ])
  func familiesAddRowsToTheVocabulary(fields: String, added: Int) throws {
    let config = "{\(fields), \"vocab_size\": 5, \"hidden_size\": 4}"
    for rows in [5, 5 + added, 6 + added] {
      let found = try inspect(
        model(
          [
            floats(
              fields.contains("cpmant") ? "cpmant.input_embedding.weight" : "model.embed_tokens.weight", [rows, 4], 1)
          ], config: config)
      ).findings
      #expect(found.isEmpty == (rows <= 5 + added), "\(rows)")
    }
  }

  @Test func anIndexOfShardsThatAreGoneIsStale() throws {
    let folder = try model([floats("a", [2, 2], 1)])
    try scratch.write(
      "{\"weight_map\": {\"a\": \"model-00001-of-00001.safetensors\"}}", to: "model/model.safetensors.index.json")
    let found = try inspect(folder)
    #expect(found.findings.map(\.findingClass) == ["stale"])
    #expect(found.findings[0].file?.hasSuffix("model.safetensors.index.json") == true)
    #expect(found.files.map(\.name) == ["model.safetensors"])
  }
}
