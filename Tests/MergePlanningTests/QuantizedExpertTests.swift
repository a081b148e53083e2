import Adapters
import Checkpoints
import ModelNames
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Experts that lie one by one as codes, under an adapter for their stack.
@Suite struct QuantizedExpertTests {
  private static let stack = "model.layers.0.mlp.experts"
  private static let config = """
    {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"],
     "quantization_config": {"quant_method": "fp8", "weight_block_size": [4, 4]}}
    """

  private static func name(_ expert: Int, _ projection: String) -> String {
    "model.layers.0.block_sparse_moe.experts.\(expert).\(projection).weight"
  }

  private static let base = (0..<3).flatMap { expert in
    [("w1", [5, 4]), ("w2", [4, 5]), ("w3", [5, 4])].flatMap { projection, shape in
      let name = name(expert, projection)
      return [
        TestTensor(name, .f8E4M3, shape),
        TestTensor(name + "_scale_inv", .f32, shape.map { ($0 + 3) / 4 }),
      ]
    }
  }

  private func plan(_ base: [TestTensor]) throws -> MergePlan {
    try makePlan(
      base: base, loraLayer(Self.stack, rank: 6, rows: 10, columns: 4), config: Self.config,
      fields: #""target_parameters":["mlp.experts.gate_up_proj"]"#)
  }

  /// They are loaded together, so that numbers are made of all.
  @Test func areDecodedTogether() throws {
    let plan = try plan(Self.base)
    let tensors = plan.shards.flatMap(\.tensors)
    #expect(tensors.count == 9)
    #expect(tensors.allSatisfy { if case .codes = $0.content.weight { $0.outputDType == .bf16 } else { false } })
    #expect(plan.updatedTensors.filter { !$0.update.terms.isEmpty }.count == 6)
    #expect(plan.quantization?.decoded == 9)
    #expect(plan.rules.first?.rule.contains("stack+join1") == true)
  }

  @Test func anExpertThatIsMissingIsRefused() throws {
    let missing = Self.name(1, "w3")
    let error = try #require(throws: PlanError.self) { try plan(Self.base.filter { !$0.name.hasPrefix(missing) }) }
    guard case .name(.missingPart(_, 1, _)) = error.problem else {
      Issue.record("\(error.problem)")
      return
    }
  }

  @Test func anExpertWithoutScalesIsRefused() throws {
    let missing = Self.name(2, "w2") + "_scale_inv"
    let error = try #require(throws: PlanError.self) { try plan(Self.base.filter { $0.name != missing }) }
    #expect(error.problem == .quantizedPart(missing, found: nil, expected: "with the codes"))
    #expect(error.tensor == Self.name(2, "w2"))
  }
}
