import Safetensors
import Testing

@testable import Adapters

/// Each kind of layer; and for each of its tensors that its loss, and another shape, are seen.
@Suite struct LayerKindTests {
  private struct Kind {
    let fields: String
    let tensors: [Entry]
  }

  private static let kinds: [String: Kind] = [
    "linear": Kind(fields: "", tensors: pair("m.q")),
    "linear with bias": Kind(
      fields: #""lora_bias": true"#, tensors: pair("m.q") + [entry("m.q.lora_B.bias", [6])]),
    "DoRA": Kind(
      fields: #""use_dora": true"#, tensors: pair("m.q") + [entry("m.q.lora_magnitude_vector", [6])]),
    "embedding": Kind(
      fields: "", tensors: [entry("e.lora_embedding_A", [8, 32]), entry("e.lora_embedding_B", [4, 8])]),
    "DoRA on an embedding": Kind(
      fields: #""use_dora": true"#,
      tensors: [
        entry("e.lora_embedding_A", [8, 32]), entry("e.lora_embedding_B", [4, 8]),
        entry("e.lora_magnitude_vector", [4]),
      ]),
    "convolution": Kind(fields: "", tensors: factors("c", a: [8, 4, 3, 2], b: [6, 8, 1, 1])),
    "DoRA on a convolution": Kind(
      fields: #""use_dora": true"#,
      tensors: factors("c", a: [8, 4, 3], b: [6, 8, 1]) + [entry("c.lora_magnitude_vector", [1, 6, 1])]),
    "attention": Kind(
      fields: "",
      tensors: factors("a", a: [8, 4], b: [12, 8]) + factors("a.base_layer.out_proj", a: [8, 4], b: [4, 8])),
    "experts": Kind(
      fields: #""r": 2, "target_parameters": ["x.gate_up_proj", "x.down_proj"]"#,
      tensors: factors("x.base_layer", a: [6, 4], b: [10, 6]) + factors("x", a: [6, 5], b: [4, 6])),
    "one parameter": Kind(
      fields: #""r": 2, "target_parameters": ["x.down_proj"]"#, tensors: factors("x", a: [6, 5], b: [4, 6])),
    "blocks of A": Kind(
      fields: #""use_bdlora": {"target_modules_bd_a": ["q"], "nblocks": 2}"#,
      tensors: factors("m.q", a: [8, 2], b: [6, 8])),
    "blocks of B": Kind(
      fields: #""use_bdlora": {"target_modules_bd_b": ["q"], "nblocks": 2}"#,
      tensors: factors("m.q", a: [8, 4], b: [6, 4])),
    "token rows": Kind(
      fields: #""trainable_token_indices": [7, 3]"#,
      tensors: pair("m.q") + [entry("e.token_adapter.trainable_tokens_delta", [2, 4])]),
    "saved module": Kind(
      fields: #""modules_to_save": ["head"]"#, tensors: pair("m.q") + [entry("head.weight", [3, 4])]),
  ]

  @Test(arguments: kinds.keys.sorted())
  func theLossOfAnyTensorIsSeen(name: String) throws {
    let kind = try #require(Self.kinds[name])
    #expect(try adapter(kind.fields, kind.tensors).warnings.isEmpty)
    for index in kind.tensors.indices {
      var tensors = kind.tensors
      let lost = tensors.remove(at: index)
      let error = try refusal(kind.fields, tensors)
      #expect(["pair", "token-rows", "modules-to-save", "nesting"].contains(error.errorClass), "\(lost.name)")
      #expect(!error.message.contains("\n"))
    }
  }

  @Test(arguments: kinds.keys.sorted().filter { $0 != "saved module" })
  func aDimensionMoreIsSeen(name: String) throws {
    let kind = try #require(Self.kinds[name])
    for index in kind.tensors.indices {
      var tensors = kind.tensors
      tensors[index].shape.append(1)
      let error = try refusal(kind.fields, tensors)
      #expect(["shape", "rank"].contains(error.errorClass), "\(tensors[index].name): \(error.message)")
    }
  }

  @Test(arguments: kinds.keys.sorted())
  func anotherNameIsSeen(name: String) throws {
    let kind = try #require(Self.kinds[name])
    for index in kind.tensors.indices where !kind.tensors[index].name.hasSuffix("head.weight") {
      var tensors = kind.tensors
      tensors[index].name = tensors[index].name.replacing("lora_", with: "lora_x").replacing("trainable", with: "t")
      #expect(try refusal(kind.fields, tensors).errorClass == "adapter-key", "\(tensors[index].name)")
    }
  }

  @Test func magnitudesMayHaveAWeightAndAName() throws {
    for key in ["", ".weight", ".mine", ".mine.weight"] {
      let tensors = pair("m.q") + [entry("m.q.lora_magnitude_vector\(key)", [6])]
      #expect(try adapter(#""use_dora": true"#, tensors).updates[0].magnitude != nil)
    }
  }

  @Test func magnitudesAndTheConfigMustAgree() throws {
    let magnitude = entry("m.q.lora_magnitude_vector", [6])
    #expect(try refusal("", pair("m.q") + [magnitude]).problem == .magnitudeNotDeclared)
    #expect(
      try refusal(#""use_dora": true"#, pair("m.q")).problem
        == .missingFactor(missing: "base_model.model.m.q.lora_magnitude_vector"))
    let short = entry("m.q.lora_magnitude_vector", [4])
    #expect(try refusal(#""use_dora": true"#, pair("m.q") + [short]).message == "expected shape (6), found (4)")
  }

  @Test func diagonalsAndTheConfigMustAgree() throws {
    let kasa = #""kasa_config": {"beta": 1}"#
    let diagonal = entry("m.q.lora_diag", [8])
    for key in ["m.q.lora_diag", "m.q.lora_diag.mine"] {
      let layer = try adapter(kasa, pair("m.q") + [entry(key, [8])]).updates[0]
      #expect(layer.diagonal != nil && layer.decomposition?.change == .kasa)
      #expect(layer.tensorIndices.count == 3)
    }
    #expect(try refusal("", pair("m.q") + [diagonal]).problem == .diagonalNotDeclared)
    #expect(
      try refusal(kasa, pair("m.q")).problem == .missingFactor(missing: "base_model.model.m.q.lora_diag"))
    #expect(
      try refusal(kasa, pair("m.q") + [entry("m.q.lora_diag", [6])]).message == "expected shape (8), found (6)")
  }

  @Test func onlyLinearLayersHaveAPartTakenOut() throws {
    let embedding = [entry("e.lora_embedding_A", [8, 32]), entry("e.lora_embedding_B", [4, 8])]
    let convolution = factors("c", a: [8, 3, 2, 2], b: [5, 8, 1, 1])
    for (fields, change) in [
      (#""init_lora_weights": "pissa""#, Decomposition.pissa), (#""init_lora_weights": "olora""#, .olora),
    ] {
      #expect(try adapter(fields, pair("m.q")).updates[0].decomposition?.change == change)
      // PEFT begins embeddings with zeros, whatever the config says.
      #expect(try adapter(fields, embedding).updates[0].decomposition == nil)
      #expect(try refusal(fields, convolution).problem == .decomposition(change, of: "a convolution"))
      let parameter = try refusal(fields + #", "target_parameters": ["m.q.w"], "target_modules": []"#, pair("m.q"))
      #expect(parameter.problem == .decomposition(change, of: "a parameter"))
      let attention = try refusal(fields, pair("m.a") + pair("m.a.base_layer.out_proj"))
      #expect(attention.problem == .decomposition(change, of: "a MultiheadAttention"))
      #expect(attention.errorClass == "unsupported")
    }
    let kasa = #""kasa_config": {"beta": 1}"#
    #expect(
      try refusal(kasa, embedding + [entry("e.lora_diag", [8])]).problem == .decomposition(.kasa, of: "an embedding"))
  }

  @Test func embeddingsHaveNoBias() throws {
    let tensors = [entry("e.lora_embedding_A", [8, 32]), entry("e.lora_embedding_B", [4, 8])]
    let layer = try adapter("", tensors).updates[0]
    #expect(layer.inFeatures == 32 && layer.outFeatures == 4 && layer.layout == .embedding && layer.target == .weight)
    #expect(try refusal(#""lora_bias": true"#, tensors).problem == .impossible("lora_bias", of: "an embedding"))
  }

  @Test func aModuleIsOneKind() throws {
    let error = try refusal(
      "", pair("e") + [entry("e.lora_embedding_A", [8, 32]), entry("e.lora_embedding_B", [4, 8])])
    #expect(error.problem == .embeddingAndLinear)
  }

  // MARK: Convolutions

  @Test(arguments: [
    ([8, 4, 3], [6, 8, 1], [3], 12, 1), ([8, 4, 1, 1], [6, 8, 1, 1], [1, 1], 4, 1),
    ([8, 4, 1, 2, 3], [6, 8, 1, 1, 1], [1, 2, 3], 24, 1), ([8, 4, 3, 3], [6, 4, 1, 1], [3, 3], 36, 2),
    ([8, 8, 3, 3], [16, 1, 1, 1], [3, 3], 72, 8),
  ])
  func convolutionsAreReadByShape(a: [Int], b: [Int], kernel: [Int], inFeatures: Int, groups: Int) throws {
    let layer = try adapter("", factors("c", a: a, b: b)).updates[0]
    #expect(layer.layout == .convolution(kernel: kernel, groups: groups))
    #expect(layer.inFeatures == inFeatures && layer.outFeatures == b[0])
  }

  @Test(arguments: [
    ([4, 4, 3], [6, 4, 1], "expected rank 8"), ([8, 4, 3], [6, 8], "expected shape (out, 8, 1), found (6, 8)"),
    ([8, 4, 3], [6, 8, 3], "expected shape (out, 8, 1)"), ([8, 4, 3], [6, 16, 1], "expected rank 8"),
    ([8, 4, 3], [6, 3, 1], "expected rank 8"), ([8, 4, 3], [7, 4, 1], "expected rank 8"),
    ([8, 4, 3], [6, 0, 1], "shape"),
    ([8, 4, 3, 3], [6, 8, 1], "expected shape (out, 8, 1, 1)"),
  ])
  func convolutionsMustFit(a: [Int], b: [Int], message: String) throws {
    let error = try refusal(#""r": 8"#, factors("c", a: a, b: b))
    #expect(error.message.contains(message), "\(error.message)")
  }

  // MARK: MultiheadAttention

  @Test func theOutputProjectionGoesByTheNameOfItsModule() throws {
    let kind = try #require(Self.kinds["attention"])
    let layers = try adapter(
      #""rank_pattern": {"a": 8, "out_proj": 4}, "alpha_pattern": {"a": 2, "out_proj": 4}"#, kind.tensors
    ).updates
    #expect(layers.map(\.module) == ["a", "a.out_proj"])
    #expect(layers.map(\.target) == [.weight, .attentionOutput])
    #expect(layers.map(\.layout) == [.linear, .linear] && layers.map(\.alpha) == [2, 2])
  }

  @Test func theBiasOfTheInputProjectionIsIgnored() throws {
    let kind = try #require(Self.kinds["attention"])
    let biases = [entry("a.lora_B.bias", [12]), entry("a.base_layer.out_proj.lora_B.bias", [4])]
    let adapter = try adapter(#""lora_bias": true"#, kind.tensors + biases)
    #expect(adapter.updates.map { $0.bias == nil } == [true, false])
    #expect(adapter.ignoredTensors.count == 1 && adapter.ignoredTensors[0].reason.contains("never applies"))
  }

  @Test func attentionHasNoDoRAAndNoBlocks() throws {
    let kind = try #require(Self.kinds["attention"])
    #expect(
      try refusal(#""use_dora": true"#, kind.tensors).problem == .impossible("use_dora", of: "a MultiheadAttention"))
    let blocks = #""use_bdlora": {"target_modules_bd_a": ["a"], "nblocks": 2}"#
    #expect(try refusal(blocks, kind.tensors).errorClass == "unsupported")
  }

  @Test func updatesInsideOthersNeedAReason() throws {
    let inner = try refusal("", pair("a") + pair("a.base_layer.in_proj"))
    #expect(inner.problem == .unknownContainer("a"))
    #expect(try refusal("", pair("a") + pair("a.base_layer")).problem == .nestedUpdate(depth: 1))
    let twice = try refusal("", pair("a") + pair("a.out_proj") + pair("a.base_layer.out_proj"))
    #expect(twice.errorClass == "adapter-conflict")
  }

  // MARK: Blocks (BD-LoRA)

  @Test func blocksAreOfTheModulesThatContainAName() throws {
    let fields = #""use_bdlora": {"target_modules_bd_a": ["o_pr"], "target_modules_bd_b": ["q_proj"], "nblocks": 2}"#
    let layers = try adapter(
      fields, factors("m.o_proj", a: [8, 2], b: [6, 8]) + factors("m.q_proj", a: [8, 4], b: [6, 4])
    ).updates
    #expect(
      layers.map { $0.terms.map(\.columns) } == [[0..<2, 2..<4], [0..<4, 0..<4]]
        && layers.map { $0.terms.map(\.rows) } == [[0..<6, 0..<6], [0..<3, 3..<6]])
    #expect(layers.allSatisfy { $0.inFeatures == 4 && $0.outFeatures == 6 && $0.terms.count == 2 })
  }

  @Test func everyModuleIsInOneListOfBlocks() throws {
    let both = #""use_bdlora": {"target_modules_bd_a": ["q"], "target_modules_bd_b": ["m"], "nblocks": 2}"#
    #expect(try refusal(both, pair("m.q")).problem == .blocksInBoth)
    let neither = #""use_bdlora": {"target_modules_bd_a": ["k"], "nblocks": 2}"#
    #expect(try refusal(neither, pair("m.q")).problem == .blocksInNeither)
    let lenient = #""use_bdlora": {"target_modules_bd_a": ["k"], "nblocks": 2, "match_strict": false}"#
    #expect(try adapter(lenient, pair("m.q")).updates[0].terms.count == 1)
  }

  @Test func blocksMustDivide() throws {
    let fields = #""use_bdlora": {"target_modules_bd_b": ["q"], "nblocks": 4}"#
    #expect(
      try refusal(fields, factors("m.q", a: [8, 4], b: [6, 2])).problem == .blocks(4, "number of rows", size: 6))
    let three = #""use_bdlora": {"target_modules_bd_a": ["q"], "nblocks": 3}"#
    #expect(try refusal(three, factors("m.q", a: [8, 4], b: [6, 8])).problem == .blocks(3, "rank", size: 8))
    #expect(try refusal(fields, pair("m.q")).message == "expected shape (out, 2), found (6, 8)")
  }
}
