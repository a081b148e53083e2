import Checkpoints
import Foundation
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What quantized weights are, for every command.
@Suite struct StoredWeightTests {
  /// Names and shapes as the reference implementations decode them, in a folder with config.json and without.
  @Test(arguments: QuantizedFixture.all) func namesAndShapesAreThoseOfTheDecodedModel(
    _ fixture: QuantizedFixture
  ) throws {
    let decoded = try SafetensorsHeader(path: fixture.decoded).tensors
    let model = try Checkpoint(path: fixture.base)
    let scratch = try Scratch()
    let alone = scratch.file("alone")
    try FileManager.default.copyItem(atPath: fixture.base, toPath: alone)
    try FileManager.default.removeItem(atPath: alone + "/config.json")
    for model in [model, try Checkpoint(path: alone)] {
      let weights = StoredWeights(model)
      // A tensor of FP8 that nothing scales is what its header says.
      let expected = fixture.name == "fp8-plain" ? [] : Set(fixture.weights)
      #expect(Set(weights.weights.map(\.name.string)) == expected)
      // Of MLX config.json alone says how many bits a code has.
      if fixture.name == "mlx", model.config == nil { continue }
      for weight in weights.weights {
        let reference = try #require(decoded.first { $0.name == weight.name })
        #expect(weight.shape == reference.shape, "\(weight.label)")
        #expect(weight.elementCount == reference.elementCount)
      }
      // Every tensor of the base is counted once: as itself, as a weight, or as a part of one.
      var count = 0
      for (number, file) in model.files.enumerated() {
        for (index, tensor) in file.header.tensors.enumerated() {
          count += weights.parameterCount(file: number, index: index, elementCount: tensor.elementCount)
        }
      }
      #expect(count == decoded.reduce(0) { $0 + $1.elementCount })
    }
  }

  /// The labels of what a merge decodes and of what is recognized alone are the same, but where config.json alone knows
  /// the size of blocks, or a tensor class has its own name.
  @Test(arguments: QuantizedFixture.all) func labelsDoNotDependOnTheConfig(_ fixture: QuantizedFixture) throws {
    let model = try Checkpoint(path: fixture.base)
    let labels = Set(StoredWeights(model).weights.map(\.label))
    let recognized = Set(StoredLayout.weights(of: model).map(\.label))
    switch fixture.name {
    case "fp8-small-block": #expect(labels == ["FP8 16x48"] && recognized == ["FP8 16x64"])
    case "torchao-float8": #expect(labels == ["FP8 8x16"] && recognized == ["torchao Float8"])
    case "torchao-float8-tensor": #expect(labels == ["FP8 per tensor"] && recognized == ["torchao Float8"])
    case "torchao-int8": #expect(labels == ["INT8 per row"] && recognized == ["torchao Int8"])
    case "torchao-intx": #expect(labels == ["INT8 1x48"] && recognized == ["torchao IntxUnpackedToInt8"])
    default: #expect(labels == recognized)
    }
  }

  private func model(_ tensors: [TestTensor], config: String, in scratch: Scratch) throws -> Checkpoint {
    let folder = try scratch.folder("model")
    try writeFile(folder + "/model.safetensors", tensors)
    try scratch.write(config, to: "model/config.json")
    return try Checkpoint(path: folder)
  }

  /// MLX says the bits in config.json, of some modules others.
  @Test func bitsOfMLXAreThoseOfTheConfig() throws {
    let scratch = try Scratch()
    func words(_ module: String, _ count: Int) -> [TestTensor] {
      [
        TestTensor("\(module).weight", .u32, [4, count]), TestTensor("\(module).scales", .bf16, [4, 2]),
        TestTensor("\(module).biases", .bf16, [4, 2]),
      ]
    }
    let model = try model(
      words("a", 8) + words("b", 16) + words("c", 6),
      config: """
        {"quantization": {"group_size": 32, "bits": 4, "b": {"group_size": 32, "bits": 8}, "c": {"bits": 3}}}
        """, in: scratch)
    let weights = StoredWeights(model).weights.sorted { $0.name < $1.name }
    #expect(weights.map(\.label) == ["MLX 4-bit", "MLX 8-bit", "MLX 3-bit"])
    #expect(weights.map(\.shape) == [[4, 64], [4, 64], [4, 64]])
    // Without it 4 bits in groups of 64 and 8 in groups of 32 look the same.
    let file = try Checkpoint(path: model.files[0].path)
    #expect(StoredWeights(file).weights.map(\.shape) == [nil, nil, nil])
  }

  /// The metadata of torchao says what a packed tensor is.
  @Test func metadataSaysTheShapeOfTorchaoTensors() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.safetensors")
    let description =
      #"{\"_type\": \"Int4Tensor\", \"_data\": {\"block_size\": [1, 32], \"shape\": [8, 64]}, "#
      + #"\"_tensor_data_names\": [\"qdata\", \"scale\", \"zero_point\"]}"#
    try writeFile(
      path,
      [
        TestTensor("a._weight_qdata", .u8, [8, 32]), TestTensor("a._weight_scale", .bf16, [2, 8]),
        TestTensor("a._weight_zero_point", .bf16, [2, 8]),
      ], metadata: "{\"a.weight\": \"\(description)\"}")
    let weights = StoredWeights(try Checkpoint(path: path)).weights
    #expect(weights.map(\.label) == ["torchao Int4"])
    #expect(weights.map(\.shape) == [[8, 64]])
    #expect(weights.first?.parts.count == 2)
  }

  // MARK: - Active parameters

  private func active(_ tensors: [TestTensor], config: String) throws -> ActiveParameters? {
    let scratch = try Scratch()
    let model = try model(tensors, config: config, in: scratch)
    return ActiveParameters(model, StoredWeights(model))
  }

  @Test func expertsThatATokenPassesAreActive() throws {
    let shared = [
      TestTensor("model.embed_tokens.weight", .bf16, [10, 4]),
      TestTensor("model.layers.0.mlp.gate.weight", .bf16, [8, 4]),
      TestTensor("model.layers.0.mlp.shared_experts.up_proj.weight", .bf16, [6, 4]),
    ]
    let numbered = (0..<8).map { TestTensor("model.layers.0.mlp.experts.\($0).up_proj.weight", .bf16, [3, 4]) }
    let config = #"{"n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1}"#
    // 40 + 32 + 24 that always take part, and 2 of 8 experts of 12.
    let found = try active(shared + numbered, config: config)
    #expect(found?.count == 96 + 24)
    #expect(found?.expertCount == 8 && found?.expertsPerToken == 2)
    let stacked = [
      TestTensor("model.layers.0.mlp.experts.gate_up_proj", .bf16, [8, 4, 6]),
      TestTensor("model.layers.0.mlp.experts.gate_up_proj_bias", .bf16, [8, 6]),
    ]
    #expect(
      try active(shared + stacked, config: #"{"num_local_experts": 8, "num_experts_per_tok": 4}"#)?.count
        == 96 + 96 + 24)
    // Granite has no module of that name, DBRX one expert below the other, Switch the number in its class.
    #expect(
      try active(
        [TestTensor("model.layers.0.block_sparse_moe.input_linear.weight", .bf16, [8, 6, 4])],
        config: #"{"text_config": {"num_local_experts": 8, "num_experts_per_tok": 1}}"#)?.count == 24)
    #expect(
      try active(
        [TestTensor("transformer.blocks.0.ffn.experts.mlp.w1", .bf16, [24, 4])],
        config: #"{"ffn_config": {"moe_num_experts": 4, "moe_top_k": 2}}"#)?.count == 48)
    #expect(
      try active(
        (0..<4).map { TestTensor("encoder.block.1.layer.1.mlp.experts.expert_\($0).wi.weight", .bf16, [3, 4]) },
        config: #"{"model_type": "switch_transformers", "num_experts": 4}"#)?.count == 12)
  }

  /// Nothing is said where the config says nothing, or two different things.
  @Test func numbersThatAreNotKnownAreNotSaid() throws {
    let experts = (0..<4).map { TestTensor("layers.0.experts.\($0).w1.weight", .bf16, [3, 4]) }
    #expect(try active(experts, config: "{}") == nil)
    #expect(
      try active(
        experts, config: #"{"a": {"num_experts_per_tok": 2}, "b": {"num_experts_per_tok": 3}}"#) == nil)
    #expect(try active([TestTensor("w", .bf16, [3, 4])], config: #"{"num_experts_per_tok": 2}"#) == nil)
  }

  /// Of codes the weights count: 3 experts of which 1 takes part, as gpt-oss stores them.
  @Test func expertsMayBeCodes() throws {
    let fixture = QuantizedFixture("mxfp4")
    let scratch = try Scratch()
    let folder = scratch.file("model")
    try FileManager.default.copyItem(atPath: fixture.base, toPath: folder)
    let config = String(decoding: try contents(folder + "/config.json"), as: UTF8.self)
    try write(
      ("{\"num_experts_per_tok\": 1, \"num_local_experts\": 3, " + config.trimmingPrefix(/\s*\{/)).utf8,
      to: folder + "/config.json")
    let model = try Checkpoint(path: folder)
    let weights = StoredWeights(model)
    let experts = weights.weights.compactMap(\.elementCount).reduce(0, +)
    // 2 layers of (3, 64, 96) and (3, 96, 40), and two biases.
    #expect(experts == 2 * (3 * 64 * 96 + 3 * 96 * 40))
    let total = try SafetensorsHeader(path: fixture.decoded).tensors.reduce(0) { $0 + $1.elementCount }
    let biases = model.files.flatMap { $0.header.tensors.filter { $0.name.string.contains("experts.") } }
      .filter { $0.name.string.hasSuffix("_bias") }.reduce(0) { $0 + $1.elementCount }
    #expect(ActiveParameters(model, weights)?.count == total - (experts + biases) * 2 / 3)
  }
}
