import Adapters
import Checkpoints
import ModelNames
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What a plan makes of modules whose tensors the base has under other names, or in parts.
@Suite struct PlacedUpdateTests {
  private func plan(
    _ base: [TestTensor], _ adapter: [TestTensor], config: String = "{}", fields: String = "", maps: [NameMap] = [],
    arithmetic: MergeOptions.Arithmetic = .exact
  ) throws -> MergePlan {
    let scratch = try Scratch()
    let path = try scratch.folder("base")
    try writeFile(path + "/model.safetensors", base)
    try write(Array(config.utf8), to: path + "/config.json")
    let folder = try writeAdapter(scratch.file("adapter"), rank: 2, alpha: "4", adapter, fields: fields)
    var options = MergeOptions()
    options.nameMaps = maps
    options.arithmetic = arithmetic
    return try MergePlan(
      base: Checkpoint(path: path), adapters: [AdapterUse(Adapter(folder: folder))], options: options)
  }

  private func problem(
    _ base: [TestTensor], _ adapter: [TestTensor], config: String = "{}", fields: String = "", maps: [NameMap] = []
  ) throws -> PlanError.Problem {
    let error = try #require(throws: PlanError.self) {
      try plan(base, adapter, config: config, fields: fields, maps: maps)
    }
    #expect(!error.message.isEmpty)
    return error.problem
  }

  private func layer(_ module: String, rows: Int, columns: Int, rank: Int = 2) -> [TestTensor] {
    [
      TestTensor("\(module).lora_A.weight", .f32, [rank, columns]),
      TestTensor("\(module).lora_B.weight", .f32, [rows, rank]),
    ]
  }

  private func update(_ plan: MergePlan, _ name: TensorName) throws -> TensorUpdate {
    try #require(plan.updatedTensors.first { $0.name == name }?.update)
  }

  private static let mixtral = #"{"model_type":"mixtral","architectures":["MixtralForCausalLM"]}"#
  private static let parameters = #""target_parameters":["mlp.experts.gate_up_proj"]"#
  private static let experts = (0..<3).flatMap { expert in
    ["w1", "w3"].map {
      TestTensor("model.layers.0.block_sparse_moe.experts.\(expert).\($0).weight", .bf16, [5, 4])
    } + [TestTensor("model.layers.0.block_sparse_moe.experts.\(expert).w2.weight", .bf16, [4, 5])]
  }
  private static let stack = "model.layers.0.mlp.experts"

  // MARK: - Experts

  @Test func stackOnExperts() throws {
    let adapter = layer(Self.stack, rows: 10, columns: 4, rank: 6)
    let plan = try plan(Self.experts, adapter, config: Self.mixtral, fields: Self.parameters)
    #expect(plan.updatedTensors.count { _ in true } == 6)
    #expect(plan.modules.map(\.targets.count) == [6])
    #expect(plan.rules.map(\.count) == [1])
    #expect(plan.rules.first?.rule.contains("mixtral: stack+join1: ") == true)
    for expert in 0..<3 {
      for (half, name) in ["w1", "w3"].enumerated() {
        let name = TensorName("model.layers.0.block_sparse_moe.experts.\(expert).\(name).weight")
        let update = try update(plan, name)
        #expect(update.terms.map(\.rows) == [0..<5])
        #expect(update.terms.map(\.columns) == [0..<4])
        guard case .product(let left, let right, nil)? = update.terms.first?.formula else {
          Issue.record("no product")
          continue
        }
        // B's columns are rank-major, A's rows expert-major.
        #expect([left.offset, left.rowStride, left.columnStride] == [half * 5 * 6 + expert, 6, 3])
        #expect([right.offset, right.rowStride, right.columnStride] == [expert * 2 * 4, 4, 1])
      }
    }
    // With PEFT's roundings the delta is rounded first, here as in a stack.
    let rounded = try self.plan(
      Self.experts, adapter, config: Self.mixtral, fields: Self.parameters, arithmetic: .peft)
    #expect(rounded.updatedTensors.allSatisfy { $0.update.steps.first?.addition?.roundedTo == .bf16 })
  }

  @Test func expertsOnAStack() throws {
    let base = [TestTensor("model.layers.0.mlp.experts.gate_up_proj", .bf16, [3, 10, 4])]
    let module = "model.layers.0.block_sparse_moe.experts.2"
    let adapter = layer(module + ".w1", rows: 5, columns: 4) + layer(module + ".w3", rows: 5, columns: 4)
    let plan = try plan(base, adapter, config: Self.mixtral)
    let update = try update(plan, "model.layers.0.mlp.experts.gate_up_proj")
    #expect(update.rows == 30)
    #expect(update.terms.map(\.rows) == [20..<25, 25..<30])
    let other = layer("model.layers.0.block_sparse_moe.experts.3.w1", rows: 5, columns: 4)
    guard case .name(.missingPart(_, 3, _)) = try problem(base, other, config: Self.mixtral) else {
      Issue.record("expert 3 is none of the base's")
      return
    }
  }

  @Test func transposedStack() throws {
    let config = #"{"model_type":"qwen3_vl_moe_text","architectures":["Qwen3VLMoeTextModel"]}"#
    let base = [TestTensor("layers.0.mlp.experts.gate_up_proj", .bf16, [3, 4, 10])]
    let plan = try plan(
      base, layer("layers.0.mlp.experts", rows: 10, columns: 4, rank: 6), config: config, fields: Self.parameters)
    let update = try update(plan, "layers.0.mlp.experts.gate_up_proj")
    #expect(update.terms.map(\.rows) == [0..<4, 4..<8, 8..<12])
    #expect(update.terms.map(\.columns) == [0..<10, 0..<10, 0..<10])
  }

  // MARK: - Projections in one tensor

  private static let heads = #"{"model_type":"x","num_attention_heads":4,"num_key_value_heads":2}"#
  private static let fused = [TestTensor("model.layers.0.self_attn.qkv_proj.weight", .bf16, [16, 6])]

  @Test func splitOnFused() throws {
    let attention = "model.layers.0.self_attn"
    let adapter =
      layer(attention + ".q_proj", rows: 8, columns: 6) + layer(attention + ".k_proj", rows: 4, columns: 6)
      + layer(attention + ".v_proj", rows: 4, columns: 6)
    let plan = try plan(Self.fused, adapter, config: Self.heads)
    let update = try update(plan, "model.layers.0.self_attn.qkv_proj.weight")
    #expect(Set(update.terms.map(\.rows)) == [0..<8, 8..<12, 12..<16])
    #expect(update.steps.count == 1)
    #expect(plan.rules.map(\.count) == [1, 1, 1])
  }

  @Test func aPartOfAnotherSize() throws {
    let adapter = layer("model.layers.0.self_attn.q_proj", rows: 10, columns: 6)
    guard case .shape = try problem(Self.fused, adapter, config: Self.heads) else {
      Issue.record("q_proj has 8 rows by the head counts")
      return
    }
  }

  @Test func doraOnAPart() throws {
    let module = "model.layers.0.self_attn.q_proj"
    let adapter =
      layer(module, rows: 8, columns: 6) + [TestTensor(module + ".lora_magnitude_vector", .f32, [8])]
    let dora = #""use_dora":true"#
    let plan = try plan(Self.fused, adapter, config: Self.heads, fields: dora)
    let update = try #require(plan.updatedTensors.map(\.update).first)
    guard case .part(let part)? = update.steps.first, case .rescale(let rescaling)? = part.steps.first else {
      Issue.record("a part with DoRA")
      return
    }
    #expect(update.steps.count == 1 && part.rows == 0..<8 && rescaling.magnitudes.columns == 8)
    // PEFT's roundings are those of a whole tensor.
    #expect(throws: PlanError.self) {
      try self.plan(Self.fused, adapter, config: Self.heads, fields: dora, arithmetic: .peft)
    }
  }

  @Test func fusedOnSplit() throws {
    let attention = "model.layers.0.self_attn"
    let base = [
      TestTensor(attention + ".q_proj.weight", .bf16, [8, 6]), TestTensor(attention + ".k_proj.weight", .bf16, [4, 6]),
      TestTensor(attention + ".v_proj.weight", .bf16, [4, 6]),
    ]
    let module = attention + ".qkv_proj"
    let adapter =
      layer(module, rows: 16, columns: 6) + [TestTensor(module + ".lora_magnitude_vector", .f32, [16])]
    let plan = try plan(base, adapter, fields: #""use_dora":true"#)
    #expect(plan.modules.first?.targets.count == 3)
    let update = try update(plan, TensorName(attention + ".v_proj.weight"))
    guard case .rescale(let rescaling)? = update.steps.first,
      case .product(let left, _, nil)? = update.terms.first?.formula
    else {
      Issue.record("no DoRA")
      return
    }
    #expect(rescaling.magnitudes.offset == 12)
    #expect(rescaling.magnitudes.columns == 4)
    #expect([left.rows, left.offset] == [4, 24])
    guard case .name(.missingPart) = try problem(Array(base.dropLast()), layer(module, rows: 16, columns: 6)) else {
      Issue.record("v_proj is not there")
      return
    }
  }

  @Test func theSameRowsTwice() throws {
    let base = Self.fused
    let adapter =
      layer("model.layers.0.self_attn.q_proj", rows: 8, columns: 6)
      + layer("layers.0.self_attn.q_proj", rows: 8, columns: 6)
    guard case .targetHitTwice = try problem(base, adapter, config: Self.heads) else {
      Issue.record("both are q_proj")
      return
    }
  }

  // MARK: - Maps

  @Test func maps() throws {
    let base = [TestTensor("blocks.7.wide.weight", .bf16, [5, 4])]
    let adapter = layer("model.layers.7.up", rows: 5, columns: 4)
    let map = NameMap(pattern: #"^model\.layers\.(\d+)\.up\."#, replacement: #"blocks.\1.wide."#)
    let plan = try plan(base, adapter, maps: [map])
    #expect(plan.updatedTensors.map(\.name) == ["blocks.7.wide.weight"])
    #expect(plan.rules.first?.rule.hasPrefix("map: ") == true)
    let unused = NameMap(pattern: "nowhere", replacement: "x")
    #expect(try problem(base, adapter, maps: [map, unused]) == .name(.mapUnused(pattern: "nowhere")))
    let wrong = NameMap(pattern: "up", replacement: "narrow")
    guard case .noTarget("model.layers.7.narrow.weight", _, _) = try problem(base, adapter, maps: [wrong]) else {
      Issue.record("the name that a map made is not the missing one")
      return
    }
    let broken = NameMap(pattern: "(", replacement: "x")
    #expect(try problem(base, adapter, maps: [broken]) == .name(.mapPattern(pattern: "(")))
  }

  // MARK: - Rows in another order

  /// Experts that the model in memory has in two stacks, divided in their order.
  @Test func expertsOfTwoStacks() throws {
    let config = #"{"model_type":"ernie4_5_vl_moe"}"#
    let base = (0..<6).flatMap { expert in
      ["gate", "up"].map { TestTensor("model.layers.0.mlp.experts.\(expert).\($0)_proj.weight", .bf16, [5, 4]) }
    }
    for (stack, numbers) in [("text_moe", 0..<3), ("vision_moe", 3..<6)] {
      let adapter = layer("model.language_model.layers.0.mlp.\(stack).experts", rows: 10, columns: 4, rank: 6)
      let fields = #""target_parameters":["experts.gate_up_proj"]"#
      let plan = try plan(base, adapter, config: config, fields: fields)
      let expected = numbers.flatMap { expert in
        ["gate", "up"].map { TensorName("model.layers.0.mlp.experts.\(expert).\($0)_proj.weight") }
      }
      #expect(plan.updatedTensors.map(\.name) == expected)
      for (place, name) in expected.enumerated() {
        guard case .product(let left, let right, nil)? = try update(plan, name).terms.first?.formula else {
          Issue.record("no product")
          continue
        }
        // Row and column of the factors that belong to the expert and the half.
        #expect(right.offset == place / 2 * 8 && right.rowStride == 4, "\(name)")
        #expect(left.offset == place % 2 * 5 * 6 + place / 2 && left.columnStride == 3, "\(name)")
      }
      let missing = try problem(
        base.filter { $0.name != "model.layers.0.mlp.experts.\(numbers.upperBound - 1).up_proj.weight" }, adapter,
        config: config, fields: fields)
      guard case .name(.missingPart(_, numbers.upperBound - 1, _)) = missing else {
        Issue.record("\(missing)")
        continue
      }
    }
  }

  /// A tensor whose rows are interleaved is not changed as a whole too.
  @Test func rowsInterleavedAndInOrder() throws {
    let config = #"{"model_type":"inkling_mm_model"}"#
    let name = "model.llm.layers.1.mlp.w13_dn"
    let base = [TestTensor(name + ".weight", .bf16, [10, 4])]
    let gate = layer("model.language_model.layers.1.mlp.gate_proj", rows: 5, columns: 4)
    let plan = try plan(base, gate, config: config)
    let update = try update(plan, TensorName(name + ".weight"))
    #expect([update.rows, update.columns] == [5, 8])
    #expect(update.terms.map(\.columns) == [0..<4])
    guard case .slicedChange = try problem(base, gate + layer(name, rows: 10, columns: 4), config: config) else {
      Issue.record("both orders at once")
      return
    }
    let odd = [TestTensor(name + ".weight", .bf16, [11, 4])]
    guard case .name(.partShape) = try problem(odd, gate, config: config) else {
      Issue.record("11 rows are not two halves")
      return
    }
  }

  /// Codes are decoded by the rows that they have on disk.
  @Test func interleavedCodesAreRefused() throws {
    let config =
      #"{"model_type":"inkling_mm_model","quantization_config":{"quant_method":"fp8","weight_block_size":[4,4]}}"#
    let name = "model.llm.layers.1.mlp.w13_dn.weight"
    let base = [TestTensor(name, .f8E4M3, [10, 4]), TestTensor(name + "_scale_inv", .f32, [3, 1])]
    let gate = layer("model.language_model.layers.1.mlp.gate_proj", rows: 5, columns: 4)
    guard case .slicedChange(_, let what) = try problem(base, gate, config: config) else {
      Issue.record("codes were taken for numbers in another order")
      return
    }
    #expect(what == "an interleaved quantized weight")
  }
}
