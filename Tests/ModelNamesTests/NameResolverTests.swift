import Adapters
import JSONText
import Safetensors
import Testing

@testable import ModelNames

/// Where a resolver finds the names of adapters, from names, shapes and config.json alone.
@Suite struct NameResolverTests {
  /// A base of these shapes.
  private struct Shapes: NamedTensors {
    let shapes: [TensorName: [Int]]
    /// Tensors that the base keeps as one with another, by name.
    var twins: [TensorName: TensorName] = [:]

    func shape(of name: TensorName) -> [Int]? { shapes[name] ?? twins[name].flatMap { shapes[$0] } }
    func storedShape(of name: TensorName) -> [Int]? { shapes[name] }
    func absent(_ name: TensorName) -> TensorName? { twins[name] == nil ? nil : name }
  }

  private func resolver(_ base: Shapes, config: String, maps: [NameMap] = []) throws -> NameResolver {
    NameResolver(
      names: base.shapes.keys, config: try JSONParser.parse(Array(config.utf8).span), maps: try NameMaps(maps))
  }

  private func resolve(
    _ name: String, in base: [String: [Int]], config: String = "{}", rows: Int? = nil, experts: Int? = nil
  ) throws -> Resolution? {
    let base = Shapes(shapes: Dictionary(uniqueKeysWithValues: base.map { (TensorName($0), $1) }))
    var resolver = try resolver(base, config: config)
    return resolver.resolve(name, rows: rows, experts: experts, in: base)
  }

  private func place(
    _ name: String, in base: [String: [Int]], config: String = "{}", rows: Int? = nil, experts: Int? = nil
  ) throws -> TensorPlacement {
    try #require(try resolve(name, in: base, config: config, rows: rows, experts: experts)).get()
  }

  private func problem(
    _ name: String, in base: [String: [Int]], config: String = "{}", rows: Int? = nil, experts: Int? = nil
  ) throws -> NameProblem {
    try #require(throws: NameProblem.self) {
      try place(name, in: base, config: config, rows: rows, experts: experts)
    }
  }

  /// The tensor, the rows of the runtime tensor and the first row of each part.
  private func parts(_ placement: TensorPlacement) -> [String] {
    placement.parts.map { "\($0.tensor) \($0.runtimeRows) at \($0.row)" }
  }

  // MARK: - Experts

  private static let mixtral = #"{"model_type":"mixtral","architectures":["MixtralForCausalLM"]}"#
  private static let moe = "model.layers.0.block_sparse_moe.experts"
  private static let stack = "model.layers.0.mlp.experts.gate_up_proj"
  private static let experts = Dictionary(
    uniqueKeysWithValues: (0..<2).flatMap { expert in
      [("w1", [5, 4]), ("w3", [5, 4]), ("w2", [4, 5])].map { ("\(moe).\(expert).\($0.0).weight", $0.1) }
    })

  @Test(arguments: [mixtral, "{}"]) func expertsOfAStack(config: String) throws {
    let found = try place(Self.stack, in: Self.experts, config: config, rows: 10, experts: 2)
    #expect(found.shape == [2, 10, 4] && found.whole == nil)
    #expect(
      parts(found) == [
        "\(Self.moe).0.w1.weight 0..<5 at 0", "\(Self.moe).0.w3.weight 5..<10 at 0",
        "\(Self.moe).1.w1.weight 10..<15 at 0", "\(Self.moe).1.w3.weight 15..<20 at 0",
      ])
    #expect(found.rule?.contains("mixtral: stack+join1: ") == true)
  }

  @Test(arguments: [0, 1]) func anExpertIsMissing(expert: Int) throws {
    var base = Self.experts
    base["\(Self.moe).\(expert).w3.weight"] = nil
    let like = "\(Self.moe).\(1 - expert).w3.weight"
    #expect(
      try problem(Self.stack, in: base, config: Self.mixtral, rows: 10, experts: 2)
        == .missingPart(target: Self.stack, expert: expert, like: like))
  }

  @Test func moreExpertsThanTheBaseHas() throws {
    #expect(
      try problem(Self.stack, in: Self.experts, config: Self.mixtral, rows: 10, experts: 3)
        == .missingPart(target: Self.stack, expert: 2, like: "\(Self.moe).0.w1.weight"))
  }

  @Test(arguments: [("w1", [6, 4], [11, 4]), ("w3", [5, 3], [5, 3]), ("w3", [0, 4], [0, 4])])
  func anExpertOfAnotherShape(leaf: String, shape: [Int], found: [Int]) throws {
    var base = Self.experts
    base["\(Self.moe).1.\(leaf).weight"] = shape
    // An expert with more rows than the others is recognized by its last tensor.
    let tensor = "\(Self.moe).1.\(leaf == "w1" ? "w3" : leaf).weight"
    #expect(
      try problem(Self.stack, in: base, config: Self.mixtral, rows: 10, experts: 2)
        == .partShape(target: Self.stack, tensor: tensor, found: found))
  }

  @Test func anExpertInAStack() throws {
    let base = [Self.stack: [3, 10, 4]]
    let found = try place("\(Self.moe).2.w3.weight", in: base, config: Self.mixtral, rows: 5)
    #expect(found.shape == [5, 4])
    #expect(parts(found) == ["\(Self.stack) 0..<5 at 25"])
    #expect(
      try problem("\(Self.moe).3.w1.weight", in: base, config: Self.mixtral, rows: 5)
        == .missingPart(target: Self.stack, expert: 3, like: "\(Self.moe).3.w1.weight"))
  }

  @Test func aTransposedStack() throws {
    let tensor = "llm.model.layers.0.mixer.experts.down_projs"
    let found = try place(
      "model.language_model.layers.0.mixer.experts.down_proj", in: [tensor: [2, 5, 4]],
      config: #"{"model_type":"nemo_speechlm"}"#, rows: 4, experts: 2)
    #expect(found.shape == [2, 4, 5])
    #expect(parts(found) == ["\(tensor) 0..<4 at 0", "\(tensor) 4..<8 at 5"])
    #expect(found.parts.allSatisfy { $0.isTransposed && $0.takenColumns == 0..<4 })
  }

  /// The halves of a stack with rows and columns exchanged: side by side, or interleaved.
  @Test(arguments: [("aria", false), ("gpt_oss", true)]) func aHalfOfAStack(family: String, interleaved: Bool) throws {
    let stack = "model.layers.0.mlp.experts.gate_up_proj"
    let found = try place(
      "model.layers.0.mlp.experts.w3", in: [stack: [2, 6, 8]], config: "{\"model_type\":\"\(family)\"}", rows: 4,
      experts: 2)
    #expect(found.shape == [2, 4, 6])
    #expect(parts(found) == ["\(stack) 0..<4 at 0", "\(stack) 4..<8 at 6"])
    #expect(found.parts.allSatisfy { $0.isTransposed && $0.count == 4 && $0.takenColumns == 4..<8 })
    #expect(found.parts.map(\.columnTurn.count) == (interleaved ? [2, 2] : [1, 1]))
  }

  @Test func anExpertThatTheUpdateLacks() throws {
    let container = "model.layers.0.mlp.experts"
    let base = Dictionary(uniqueKeysWithValues: (0..<3).map { ("\(container).\($0).down_proj.weight", [4, 5]) })
    let found = try place("\(container).w2", in: base, rows: 4, experts: 3)
    #expect(found.parts.count == 3 && found.shape == [3, 4, 5])
    #expect(
      try problem("\(container).w2", in: base, rows: 4, experts: 2)
        == .expertCount(target: "\(container).w2", found: 2, like: "\(container).2.down_proj.weight"))
  }

  // MARK: - Projections

  private static let attention = "model.layers.0.self_attn"
  private static let heads = #"{"model_type":"x","num_attention_heads":4,"num_key_value_heads":2}"#

  @Test(arguments: [("q_proj", 0, 8), ("k_proj", 8, 4), ("v_proj", 12, 4)])
  func aPartOfAFusedProjection(leaf: String, row: Int, count: Int) throws {
    let fused = "\(Self.attention).qkv_proj.weight"
    let found = try place("\(Self.attention).\(leaf).weight", in: [fused: [16, 6]], config: Self.heads, rows: count)
    #expect(found.shape == [count, 6] && found.rule == "fused: \(leaf) in qkv_proj")
    #expect(parts(found) == ["\(fused) 0..<\(count) at \(row)"])
  }

  /// Nothing says where the queries end.
  @Test func aFusedProjectionWithoutHeadCounts() throws {
    let fused = "\(Self.attention).qkv_proj.weight"
    #expect(
      try problem("\(Self.attention).q_proj.weight", in: [fused: [16, 6]], rows: 8)
        == .unknownSlice(target: fused, rule: "fused: q_proj in qkv_proj"))
  }

  @Test func aFusedProjectionInParts() throws {
    let names = ["q_proj", "k_proj", "v_proj"].map { "\(Self.attention).\($0).weight" }
    let base = Dictionary(uniqueKeysWithValues: zip(names, [[8, 6], [4, 6], [4, 6]]))
    let fused = "\(Self.attention).qkv_proj.weight"
    let found = try place(fused, in: base, rows: 16)
    #expect(found.shape == [16, 6])
    #expect(parts(found) == ["\(names[0]) 0..<8 at 0", "\(names[1]) 8..<12 at 0", "\(names[2]) 12..<16 at 0"])
    #expect(
      try problem(fused, in: base.filter { $0.key != names[2] })
        == .missingPart(target: fused, expert: nil, like: names[2]))
    #expect(
      try problem(fused, in: base.merging([names[1]: [4, 5]]) { $1 })
        == .partShape(target: fused, tensor: names[1], found: [4, 5]))
  }

  @Test func partsOfAMambaProjection() throws {
    let config = #"{"model_type":"nemotron_h","mamba_num_heads":2,"mamba_head_dim":3}"#
    let base = ["backbone.layers.0.mixer.in_proj.weight": [20, 4]]
    let found = try place("backbone.layers.0.mixer.x_proj.weight", in: base, config: config, rows: 6)
    #expect(parts(found) == ["backbone.layers.0.mixer.in_proj.weight 0..<6 at 6"])
    guard case .unknownSlice = try problem("backbone.layers.0.mixer.x_proj.weight", in: base, config: config, rows: 5)
    else {
      Issue.record("the config says 6 rows")
      return
    }
  }

  // MARK: - Rows in another order

  @Test func interleavedRows() throws {
    let config = #"{"model_type":"inkling_mm_model"}"#
    let tensor = "model.llm.layers.1.mlp.w13_dn.weight"
    let module = "model.language_model.layers.1.mlp"
    for (turn, leaf) in ["gate_proj", "up_proj"].enumerated() {
      let found = try place("\(module).\(leaf).weight", in: [tensor: [10, 4]], config: config, rows: 5)
      #expect(found.shape == [5, 4] && parts(found) == ["\(tensor) 0..<5 at 0"])
      #expect(found.parts.map(\.interleaveCount) == [2] && found.parts.map(\.turn) == [turn])
    }
    #expect(
      try problem("\(module).gate_proj.weight", in: [tensor: [11, 4]], config: config, rows: 5)
        == .partShape(target: "\(module).gate_proj.weight", tensor: tensor, found: [11, 4]))
  }

  @Test(arguments: ["", #","vision_config":{}"#, #","vision_config":{"num_attention_heads":5}"#])
  func headsForRotationMustBeKnown(section: String) throws {
    let tensor = "vision_tower.encoder.blocks.0.wqkv.weight"
    let found = try problem(
      "model.vision_tower.layers.0.attn.q_proj.weight", in: [tensor: [36, 4]],
      config: #"{"model_type":"kimi_k25""# + section + "}", rows: 12)
    guard case .unknownSlice(tensor, let rule) = found else {
      Issue.record("\(found)")
      return
    }
    #expect(rule.contains("rope("))
  }

  @Test func rotatedHeads() throws {
    let tensor = "vision_tower.encoder.blocks.0.wqkv.weight"
    let config = #"{"model_type":"kimi_k25","vision_config":{"num_attention_heads":2}}"#
    let keys = try place(
      "model.vision_tower.layers.0.attn.k_proj.weight", in: [tensor: [24, 4]], config: config, rows: 8)
    #expect(keys.shape == [8, 4])
    #expect(
      parts(keys) == ["\(tensor) 0..<2 at 8", "\(tensor) 2..<4 at 8", "\(tensor) 4..<6 at 12", "\(tensor) 6..<8 at 12"])
    #expect(keys.parts.map(\.turn) == [0, 1, 0, 1])
  }

  @Test func anotherConversionIsRefused() throws {
    let tensor = "model.llm.layers.0.mlp.experts.w13_weight"
    let found = try problem(
      Self.stack, in: [tensor: [3, 10, 4]], config: #"{"model_type":"inkling2_loop_text"}"#, rows: 10, experts: 3)
    guard case .unsupportedConversion(_, tensor, let rule) = found else {
      Issue.record("\(found)")
      return
    }
    #expect(rule.contains("Inkling2LoopDequantizeExperts"))
  }

  // MARK: - Beginnings, spellings and maps

  @Test(arguments: [
    ("layers.0.up", "model.layers.0.up"), ("model.layers.0.up", "layers.0.up"),
    ("model.layers.0.up", "model.language_model.layers.0.up"),
    ("model.layers.0.up", "language_model.model.layers.0.up"),
    ("model.model.layers.0.up", "model.layers.0.up"), ("model.layers.0.up", "backbone.layers.0.up"),
    ("h.0.up", "transformer.h.0.up"), ("lm_head", "language_model.lm_head"),
    ("model.language_model.layers.0.up", "model.layers.0.up"),
  ])
  func otherBeginnings(module: String, tensor: String) throws {
    let found = try place("\(module).weight", in: ["\(tensor).weight": [5, 4], "other.weight": [4]])
    #expect(found.whole == TensorName("\(tensor).weight") && found.shape == [5, 4])
    #expect(found.rule?.hasPrefix("prefix: ") == true)
  }

  @Test func anExactNameNeedsNoRule() throws {
    let found = try place(
      "layers.0.up.weight", in: ["model.layers.0.up.weight": [5, 4], "layers.0.up.weight": [5, 4]])
    #expect(found.whole == "layers.0.up.weight" && found.rule == nil)
  }

  @Test func ambiguousBeginnings() throws {
    let names = ["language_model.layers.0.up.weight", "layers.0.up.weight"]
    let found = try problem(
      "model.layers.0.up.weight", in: Dictionary(uniqueKeysWithValues: names.map { ($0, [5, 4]) }))
    #expect(found.errorClass == "ambiguous" && found.candidates.sorted() == names)
  }

  @Test func anotherTrainersSpelling() throws {
    let found = try place("model.layers.0.attn.q_proj.weight", in: ["layers.0.self_attn.q_proj.weight": [4, 4]])
    #expect(found.whole == "layers.0.self_attn.q_proj.weight")
    #expect(found.rule == "spelling: attn is self_attn; prefix: model. > (none)")
  }

  @Test func nothingIsFoundBySimilarity() throws {
    #expect(try resolve("model.layers.0.up.weight", in: ["model.layers.0.up_proj.weight": [5, 4]]) == nil)
  }

  @Test func mapsComeFirst() throws {
    let base = Shapes(shapes: ["blocks.7.wide.weight": [5, 4], "model.layers.7.up.weight": [5, 4]])
    let map = NameMap(pattern: #"^model\.layers\.(\d+)\.up\."#, replacement: #"blocks.\1.wide."#)
    let unused = NameMap(pattern: "nowhere", replacement: "x")
    var resolver = try resolver(base, config: "{}", maps: [map, unused])
    #expect(resolver.unusedMap == map)
    let resolution = resolver.resolve("model.layers.7.up.weight", rows: 5, in: base)
    let found = try #require(resolution).get()
    #expect(found.whole == "blocks.7.wide.weight")
    #expect(found.rule == #"map: ^model\.layers\.(\d+)\.up\. = blocks.\1.wide."#)
    #expect(resolver.unusedMap == unused)
    #expect(throws: NameProblem.mapPattern(pattern: "(")) { try NameMaps([NameMap(pattern: "(", replacement: "x")]) }
  }

  /// A head that the base keeps as one tensor with the embedding is as large as that.
  @Test func aHeadThatIsNotOnDisk() throws {
    let base = Shapes(
      shapes: ["model.embed_tokens.weight": [8, 4]], twins: ["lm_head.weight": "model.embed_tokens.weight"])
    var resolver = try resolver(base, config: "{}")
    for name in ["lm_head.weight", "model.lm_head.weight"] {
      let resolution = resolver.resolve(name, rows: 8, in: base)
      let found = try #require(resolution).get()
      #expect(found.whole == "lm_head.weight" && found.shape == [8, 4], "\(name)")
    }
  }

  // MARK: - What is missing

  @Test(arguments: [
    ("model.up.parametrizations.weight.original0", "weightNormalized"), ("up.weight_g", "weightNormalized"),
    ("model.up.base_layer.weight", "adaptedBase"), ("base_model.model.up.weight", "adaptedBase"),
  ])
  func reasonsForMissingWeights(tensor: String, expected: String) throws {
    let base = Shapes(shapes: [TensorName(tensor): [5, 1]])
    var resolver = try resolver(base, config: "{}")
    let found = resolver.reason(missing: "up.weight", module: "up", in: base)
    #expect(
      found
        == (expected == "adaptedBase"
          ? .adaptedBase(target: "up.weight", tensor: tensor) : .weightNormalized(target: "up.weight", tensor: tensor)))
    let none = resolver.reason(missing: "down.weight", module: "down", in: base)
    #expect(none == nil)
  }
}
