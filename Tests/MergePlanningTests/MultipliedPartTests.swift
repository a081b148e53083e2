import Adapters
import Checkpoints
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Tuners that multiply a weight, where the base has it in several tensors, or with others in one.
@Suite struct MultipliedPartTests {
  private static let attention = "model.layers.0.self_attn"
  /// Attention with two heads of four rows for queries, and one for keys and values.
  private static let config =
    #"{"hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4}"#
  private static let apart = [("q_proj", 8), ("k_proj", 4), ("v_proj", 4)].map {
    TestTensor("\(attention).\($0.0).weight", .bf16, [$0.1, 8])
  }
  private static let fused = [TestTensor("\(attention).qkv_proj.weight", .bf16, [16, 8])]

  private func plan(_ base: [TestTensor], _ fields: String, _ adapter: [TestTensor]) throws -> MergePlan {
    let scratch = try Scratch()
    let (path, folder) = (try scratch.folder("base"), try scratch.folder("adapter"))
    try writeFile(path + "/model.safetensors", base)
    try scratch.write(Self.config, to: "base/config.json")
    try scratch.write("{\(fields)}", to: "adapter/adapter_config.json")
    try writeFile(
      folder + "/adapter_model.safetensors",
      adapter.map { TestTensor("base_model.model.\(Self.attention).\($0.name)", $0.dtype, $0.shape) },
      metadata: "{\"format\":\"pt\"}")
    return try MergePlan(base: Checkpoint(path: path), adapters: [AdapterUse(Adapter(folder: folder))])
  }

  private func refusal(_ base: [TestTensor], _ fields: String, _ adapter: [TestTensor]) throws -> PlanError {
    try #require(throws: PlanError.self) { _ = try plan(base, fields, adapter) }
  }

  /// The one step of the one tensor that is changed: a change of some rows.
  private func part(_ plan: MergePlan) throws -> PartialUpdate<FactorView> {
    let updates = plan.updatedTensors.map(\.update)
    let parts = updates.flatMap(\.steps).compactMap { step in if case .part(let part) = step { part } else { nil } }
    try #require(updates.count == 1 && parts.count == updates[0].steps.count)
    return try #require(parts.first)
  }

  private func names(_ plan: MergePlan) -> [String] { plan.updatedTensors.map { $0.name.string } }

  private func road(_ module: String, rows: Int) -> [TestTensor] {
    ["road_theta", "road_alpha"].map { TestTensor("\(module).\($0)", .f32, [rows / 2]) }
  }

  @Test func pairsAreCutAtTheEndsOfGroups() throws {
    let fields = #""peft_type": "ROAD", "group_size": 4"#
    let updates = try plan(Self.apart, fields, road("qkv_proj", rows: 16)).updatedTensors.map(\.update)
    #expect(updates.map(\.rows) == [8, 4, 4] && updates.allSatisfy { $0.rowUnit == 4 })
    let angles = updates.compactMap { update -> FactorView? in
      if case .mix(let mixing)? = update.steps.first { mixing.second.sine.angles } else { nil }
    }
    #expect(angles.map(\.offset) == [0, 4, 6] && angles.map(\.rows) == [2, 1, 1])
    let coarse = #""peft_type": "ROAD", "group_size": 8"#
    try expectJoined(plan(Self.apart, coarse, road("qkv_proj", rows: 16)), from: 1)
    let part = try self.part(plan(Self.fused, fields, road("q_proj", rows: 8)))
    #expect(part.rows == 0..<8 && part.weight == 1 && part.steps.count == 1)
  }

  @Test func bandsAreCutAtTheirEnds() throws {
    func block(_ module: String, _ rows: Int, _ size: Int) -> [TestTensor] {
      [TestTensor("\(module).miss_block", .f32, [rows / size, size, size])]
    }
    let fields = #""peft_type": "MISS", "init_weights": "bat", "r": 4"#
    let updates = try plan(Self.apart, fields, block("qkv_proj", 16, 4)).updatedTensors.map(\.update)
    let blocks = updates.compactMap { update -> FactorView? in
      if case .rotate(let rotation)? = update.steps.first { rotation.operands.first } else { nil }
    }
    #expect(blocks.map(\.offset) == [0, 32, 48] && blocks.map(\.rows) == [8, 4, 4])
    let coarse = #""peft_type": "MISS", "init_weights": "bat", "r": 8"#
    try expectJoined(plan(Self.apart, coarse, block("qkv_proj", 16, 8)), from: 1)
  }

  /// The parts from this number on are computed of the whole matrix: their ends are inside of groups.
  private func expectJoined(_ plan: MergePlan, from first: Int) throws {
    let updates = Array(plan.updatedTensors)
    try #require(updates.count == 3)
    for (number, tensor) in updates.enumerated() {
      guard case .part(let part)? = tensor.update.steps.first, number >= first else {
        #expect(number < first)
        continue
      }
      let matrix = try #require(part.matrix)
      #expect(part.rows == 0..<tensor.update.rows && matrix.firstRow == [0, 8, 12][number])
      #expect(matrix.tensors.map(\.rows) == [8, 4, 4] && matrix.tensors[number].source == tensor.weight.source)
      #expect(part.operands.contains(matrix.tensors[0]))
    }
  }

  /// Rows of other layers in the same tensor stay as they are.
  @Test func aPartOfATensorIsMultipliedAlone() throws {
    let fields = #""peft_type": "OFT", "use_cayley_neumann": false"#
    let entries = [TestTensor("q_proj.oft_R.weight", .f32, [2, 6])]
    #expect(try part(plan(Self.fused, fields, entries)).rows == 0..<8)
    let others = [TestTensor("k_proj.oft_R.weight", .f32, [2, 6])]
    #expect(try part(plan(Self.fused, fields, others)).rows == 8..<12)
    #expect(names(try plan(Self.apart, fields, entries)) == ["\(Self.attention).q_proj.weight"])
    let whole = [TestTensor("qkv_proj.oft_R.weight", .f32, [2, 6])]
    #expect(names(try plan(Self.apart, fields, whole)).count == 3)
  }

  @Test func aLayerWithoutABiasIsNamed() throws {
    let vector = [TestTensor("q_proj.beft_bias", .f32, [1, 8])]
    let error = try refusal(Self.apart, #""peft_type": "BEFT""#, vector)
    #expect(error.errorClass == "no-target" && error.message.contains("q_proj.bias"))
    let base = Self.apart + [TestTensor("\(Self.attention).q_proj.bias", .bf16, [8])]
    let made = try plan(base, #""peft_type": "BEFT""#, vector)
    #expect(names(made) == ["\(Self.attention).q_proj.bias"])
    let other = [TestTensor("q_proj.beft_bias", .f32, [1, 9])]
    #expect(try refusal(base, #""peft_type": "BEFT""#, other).errorClass == "shape")
  }
}
