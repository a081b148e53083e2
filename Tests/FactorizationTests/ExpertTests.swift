import Adapters
import Checkpoints
import Factorization
import LowRank
import Safetensors
import TestSupport
import Testing

/// Parameters that stack the matrices of experts.
@Suite struct ExpertTests {
  /// Stored (experts, out, in) and (experts, in, out), of one and of two parameters of a module.
  static let cases = [
    "experts-f32", "experts-down-f32", "experts-gate-up-f32", "experts-patterns-f32", "experts-transposed-f32",
    "experts-transposed-down-f32",
  ]

  @Test(arguments: cases)
  func rankOfTheAdapterGivesItsDelta(name: String) throws {
    let pair = try Pair(name)
    let rank = try #require(try Adapter(path: FixtureCase.named(name).adapters[0]).updates.compactMap(\.rank).max())
    let adapter = try pair.extract(RankRule(.count(rank)))
    for update in try Adapter(path: adapter).updates where update.rank != rank {
      // The router of a few experts has no more rows.
      #expect(update.module.hasSuffix(".gate") && update.rank == 3)
    }
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    #expect(try pair.deltaError(of: again) < 1e-5)
  }

  /// The adapter names parameters as PEFT does: the first that the module registers is the innermost.
  @Test func keysAndConfigAreThoseOfPEFT() throws {
    let pair = try Pair("experts-f32")
    let adapter = try pair.extract(RankRule(.count(2)))
    let module = "base_model.model.model.layers.0.mlp.experts"
    let tensors = try SafetensorsFile(path: adapter + "/adapter_model.safetensors").header.tensors
    let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name.string, $0.shape) })
    let expected = [
      "\(module).base_layer.lora_A.weight": [6, 16], "\(module).base_layer.lora_B.weight": [32, 6],
      "\(module).lora_A.weight": [6, 16], "\(module).lora_B.weight": [16, 6],
    ]
    #expect(shapes == expected)
    let config = try Adapter(path: adapter).config
    #expect(config.targetParameters == ["gate_up_proj", "down_proj"].map { "model.layers.0.mlp.experts.\($0)" })
    #expect(config.peftVersion == "0.21.2")
  }

  /// The share that is asked for, in every stack; all experts of a stack have the rank that one of them needs.
  @Test(arguments: [0.5, 0.8, 0.95])
  func energyChoosesARankForEachStack(share: Double) throws {
    let pair = try Pair("experts-patterns-f32")
    let adapter = try pair.extract(RankRule(.energy(share)))
    let updates = try Adapter(path: adapter).updates.filter { $0.module.hasSuffix("experts") }
    #expect(updates.count == 2 && updates.allSatisfy { $0.scaling == 1 && ($0.rank ?? 9) <= 3 })
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    let error = try pair.deltaError(of: again)
    #expect(error * error <= 1 - share)
  }

  /// Only one expert differs: the others have factors of zeros, and their weights stay as they are.
  @Test func expertsThatDoNotDifferStay() throws {
    let whole = try Pair("experts-gate-up-f32")
    let pair = Pair(scratch: whole.scratch, base: whole.base, tuned: try whole.scratch.folder("one"))
    let name = "model.layers.0.mlp.experts.gate_up_proj"
    let (before, after) = (
      try readTensors(whole.base + "/model.safetensors"), try readTensors(whole.tuned + "/model.safetensors")
    )
    try write(contents(whole.base + "/config.json"), to: pair.tuned + "/config.json")
    try writeFile(
      pair.tuned + "/model.safetensors",
      before.map { tensor in
        guard tensor.name == name, let tuned = after.first(where: { $0.name == name }) else { return tensor }
        let size = tensor.bytes.count / 3
        let bytes = tensor.bytes[..<size] + tuned.bytes[size..<2 * size] + tensor.bytes[(2 * size)...]
        return TestTensor(name, tensor.dtype, tensor.shape, bytes: Array(bytes))
      })
    let adapter = try pair.extract(RankRule(.energy(0.999_999)))
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    #expect(try pair.deltaError(of: again) < 1e-2)
    let (one, other) = (
      try tensorBytes(again + "/model.safetensors"), try tensorBytes(pair.base + "/model.safetensors")
    )
    let (found, expected) = (try #require(one[name]), try #require(other[name]))
    let size = expected.count / 3
    #expect(found[..<size] == expected[..<size] && found[(2 * size)...] == expected[(2 * size)...])
    #expect(found[size..<2 * size] != expected[size..<2 * size])
  }

  @Test func selectsParametersByName() throws {
    let pair = try Pair("experts-f32")
    let adapter = try pair.extract(RankRule(.count(2))) { $0.selects = { $0.hasSuffix("down_proj") } }
    let updates = try Adapter(path: adapter).updates
    #expect(updates.count == 1 && updates[0].target == .parameter("down_proj"))
  }

  /// Files have a matrix for each expert, but in memory transformers 5 has a stack and a router, whose rank PEFT looks up by the name of
  /// its weight.
  @Test(arguments: [("mixtral", "gate", "w1"), ("qwen3_moe", "gate", "up_proj")])
  func routersBesideSingleExpertsAreParameters(type: String, router: String, matrix: String) throws {
    let layer = type == "mixtral" ? "model.layers.0.block_sparse_moe" : "model.layers.0.mlp"
    let name = "\(layer).\(router).weight"
    let pair = try TinyPair.make(
      #"{"model_type": "\#(type)", "architectures": ["M"]}"#,
      [
        "model.layers.0.self_attn.q_proj.weight": [8, 8], "model.layers.0.self_attn.k_proj.weight": [8, 8],
        name: [2, 8], "\(layer).experts.0.\(matrix).weight": [4, 8], "\(layer).experts.1.\(matrix).weight": [4, 8],
      ]
    ) { $0.contains("_proj.weight") && $0.contains("self_attn") || $0 == name }
    let adapter = try pair.extract(RankRule(.count(8)))
    let config = try Adapter(path: adapter).config
    let gate = "model.layers.0.mlp.gate.weight"
    #expect(config.targetParameters == [gate])
    let text = try String(decoding: contents(adapter + "/adapter_config.json"), as: UTF8.self)
    #expect(text.contains("\"rank_pattern\": {\n    \"\(gate)\": 2\n  }"))
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    #expect(try pair.deltaError(of: again) < 1e-6)
  }
}
