import Adapters
import Checkpoints
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What decides how square weights are stored, and which tensors no result has.
@Suite struct OrientationTests {
  private func plan(
    base: [TestTensor], _ adapter: [TestTensor], config: String = "{\"model_type\": \"remote\"}", fields: String = "",
    options: MergeOptions = MergeOptions()
  ) throws -> MergePlan {
    try makePlan(base: base, adapter, config: config, fields: fields, options: options)
  }

  /// Whether the update of a module is transposed; nil: the plan is refused as undecided.
  private func isTransposed(
    _ module: String, base: [TestTensor], _ adapter: [TestTensor], config: String = "{\"model_type\": \"remote\"}",
    flag: Bool = false
  ) throws -> Bool? {
    do {
      let plan = try plan(base: base, adapter, config: config, fields: "\"fan_in_fan_out\": \(flag)")
      let tensor = try #require(plan.updatedTensors.first { $0.name.string == module + ".weight" })
      guard case .product(let left, _, nil)? = tensor.update.terms.first?.formula else { return nil }
      return left.rowStride == 1
    } catch let error as PlanError where error.errorClass == "orientation" { return nil }
  }

  private static func square(_ module: String) -> TestTensor { TestTensor(module + ".weight", .f32, [4, 4]) }

  @Test func modulesOfTheSameNameDecide() throws {
    let (one, other) = ("h.0.attn.c_proj", "h.0.mlp.c_proj")
    for (shape, expected) in [([8, 4], true), ([4, 8], false)] {
      let base = [Self.square(one), TestTensor(other + ".weight", .f32, shape)]
      let adapter = loraLayer(one, rows: 4, columns: 4) + loraLayer(other, rows: 4, columns: 8)
      for flag in [true, false] where flag || !expected {
        #expect(try isTransposed(one, base: base, adapter, flag: flag) == expected, "\(shape) \(flag)")
      }
    }
  }

  /// A bias is as long as the output: of the module's own name, or of another that is made of the same class.
  @Test func biasesOfTheBaseDecide() throws {
    let module = "h.0.attn.c_proj"
    for other in ["h.0.mlp.c_proj", "h.0.attn.c_attn", "h.0.mlp.c_fc"] {
      for (bias, expected) in [(4, false), (12, true)] {
        let base = [
          Self.square(module), TestTensor(other + ".weight", .f32, [4, 12]), TestTensor(other + ".bias", .f32, [bias]),
        ]
        for flag in [true, false] {
          #expect(
            try isTransposed(module, base: base, loraLayer(module, rows: 4, columns: 4), flag: flag) == expected,
            "\(other)")
        }
      }
    }
  }

  @Test func contradictionsDecideNothing() throws {
    let module = "h.0.attn.c_proj"
    let others = [("h.0.mlp.c_fc", 4), ("h.1.mlp.c_fc", 12)]
    let base =
      [Self.square(module)]
      + others.flatMap { [TestTensor("\($0).weight", .f32, [4, 12]), TestTensor("\($0).bias", .f32, [$1])] }
    for flag in [true, false] {
      #expect(try isTransposed(module, base: base, loraLayer(module, rows: 4, columns: 4), flag: flag) == nil)
    }
  }

  /// Other names: of a model in which something is stored (in, out), nothing is taken for granted outside of that block.
  @Test func unknownNamesFollowTheirBlock() throws {
    let bias = TestTensor("h.0.mlp.up.bias", .f32, [12])
    let base = [Self.square("h.0.attn.out"), TestTensor("h.0.mlp.up.weight", .f32, [4, 12]), bias]
    #expect(try isTransposed("h.0.attn.out", base: base, loraLayer("h.0.attn.out", rows: 4, columns: 4)) == nil)
    let inBlock = [Self.square("h.0.mlp.down"), TestTensor("h.0.mlp.up.weight", .f32, [4, 12]), bias]
    #expect(try isTransposed("h.0.mlp.down", base: inBlock, loraLayer("h.0.mlp.down", rows: 4, columns: 4)) == true)
    // Of a family that is known to have none, and where nothing hints at one, it is a Linear.
    let known = "{\"model_type\": \"llama\"}"
    let attention = [Self.square("h.0.attn.out")]
    let layer = loraLayer("h.0.attn.out", rows: 4, columns: 4)
    #expect(try isTransposed("h.0.attn.out", base: base, layer, config: known, flag: true) == false)
    #expect(try isTransposed("h.0.attn.out", base: attention, layer) == false)
    #expect(try isTransposed("h.0.attn.out", base: attention, layer, flag: true) == true)
  }

  @Test func partsOfAModelHaveTheirFamilies() throws {
    let config = "{\"model_type\": \"vision-encoder-decoder\", \"decoder\": {\"model_type\": \"gpt2\"}}"
    let module = "decoder.transformer.h.0.attn.c_proj"
    let base = [Self.square(module)]
    #expect(try isTransposed(module, base: base, loraLayer(module, rows: 4, columns: 4), config: config) == true)
  }

  // MARK: - Parts of adapters in a model

  @Test func aBaseWithAnAdapterInItIsRefused() throws {
    let names = ["m.base_layer.weight", "m.lora_A.default.weight", "m.modules_to_save.weight"]
    for name in names {
      let base = [TestTensor("n.weight", .f32, [4, 6]), TestTensor(name, .f32, [2, 2])]
      let error = #expect(throws: PlanError.self) { try plan(base: base, loraLayer("n", rows: 4, columns: 6)) }
      #expect(error?.problem == .adapterTensor(isBase: true) && error?.errorClass == "adapter-tensors", "\(name)")
      #expect(error?.tensor == name)
      // Models that have such layers of their own.
      _ = try plan(
        base: base, loraLayer("n", rows: 4, columns: 6),
        config: "{\"model_type\": \"phi4mm\", \"speech_lora\": {\"r\": 2}}")
    }
    for name in ["m.parametrizations.weight.0.lora_A", "base_layer.0.weight", "m.w_lora.0.weight"] {
      _ = try plan(
        base: [TestTensor("n.weight", .f32, [4, 6]), TestTensor(name, .f32, [2, 2])],
        loraLayer("n", rows: 4, columns: 6))
    }
  }

  // MARK: - Parts that a training did not have

  private static func omni(_ names: [String]) -> [TestTensor] { names.map { TestTensor($0, .f32, [6, 4]) } }

  @Test func aTalkerLosesNothing() throws {
    let names = ["thinker.model.embed_tokens.weight", "talker.model.embed_tokens.weight", "thinker.q.weight"]
    let saved = [TestTensor("thinker.model.embed_tokens.weight", .f32, [6, 4])]
    let fields = "\"modules_to_save\": [\"embed_tokens\"]"
    let plan = try plan(base: Self.omni(names), saved + loraLayer("thinker.q", rows: 6, columns: 4), fields: fields)
    #expect(plan.shards.flatMap(\.tensors).count { plan.inputs[$0.source.input].isAdapter } == 1)
    // Of a model in whose talker something was trained, it is missing.
    let error = #expect(throws: PlanError.self) {
      try self.plan(
        base: Self.omni(names + ["talker.q.weight"]), saved + loraLayer("talker.q", rows: 6, columns: 4), fields: fields
      )
    }
    #expect(error?.problem == .lostReplacement(field: "modules_to_save"))
    #expect(error?.tensor == "talker.model.embed_tokens.weight")
  }

  @Test(arguments: [
    ["mtp.norm.weight"], ["model.mtp_layers.0.norm.weight"],
    ["model.layers.2.norm.weight", "model.layers.2.eh_proj.weight"], ["model.layers.2.norm.weight"],
  ])
  func layersForFurtherTokensLoseNothing(names: [String]) throws {
    let own = ["model.layers.0.norm.weight", "model.layers.1.norm.weight"]
    let config = "{\"model_type\": \"remote\", \"num_hidden_layers\": 2, \"num_nextn_predict_layers\": 1}"
    let fields = "\"modules_to_save\": [\"norm\"]"
    let saved = own.map { TestTensor($0, .f32, [6, 4]) }
    let base = Self.omni(own + names + ["model.q.weight"])
    let plan = try plan(base: base, saved + loraLayer("model.q", rows: 6, columns: 4), config: config, fields: fields)
    #expect(plan.shards.flatMap(\.tensors).count { plan.inputs[$0.source.input].isAdapter } == 2)
    // A layer of the model itself is lost.
    let error = #expect(throws: PlanError.self) {
      try self.plan(base: base, [saved[0]] + loraLayer("model.q", rows: 6, columns: 4), config: config, fields: fields)
    }
    #expect(error?.tensor == own[1])
  }
}
