import Safetensors
import TestSupport
import Testing

@testable import ModelNames

@Suite struct NearestNamesTests {
  /// A decoder of this many layers, as transformers names it.
  private static func names(layers: Int, prefix: String = "model") -> [TensorName] {
    let leaves = [
      "input_layernorm", "mlp.down_proj", "mlp.gate_proj", "mlp.up_proj", "post_attention_layernorm",
      "self_attn.k_proj", "self_attn.o_proj", "self_attn.q_proj", "self_attn.v_proj",
    ]
    return (0..<layers).flatMap { layer in leaves.map { TensorName("\(prefix).layers.\(layer).\($0).weight") } }
      + [TensorName("\(prefix).embed_tokens.weight"), TensorName("\(prefix).norm.weight"), "lm_head.weight"]
  }

  @Test(arguments: [
    ("model.layers.9.self_attn.q_prj.weight", "model.layers.9.self_attn.q_proj.weight"),
    ("model.layers.30.mlp.gateproj.weight", "model.layers.30.mlp.gate_proj.weight"),
    ("model.layer.31.mlp.up_proj.weight", "model.layers.31.mlp.up_proj.weight"),
    ("layers.7.self_attn.v_proj.weight", "model.layers.7.self_attn.v_proj.weight"),
    ("model.language_model.layers.12.self_attn.o_proj.weight", "model.layers.12.self_attn.o_proj.weight"),
  ])
  func theNameThatWasMeantIsFirst(name: String, expected: String) {
    let found = NearestNames.find(name, in: Self.names(layers: 32))
    #expect(found.first == expected, "\(found)")
    #expect(found.count <= NearestNames.largestAnswer)
  }

  @Test func prefixesOfOtherModelClassesAreSeenThrough() {
    let names = Self.names(layers: 32, prefix: "model.language_model")
    let found = NearestNames.find("model.layers.12.self_attn.o_proj.weight", in: names)
    #expect(found.first == "model.language_model.layers.12.self_attn.o_proj.weight")
  }

  @Test func unlikeNamesAreNotOffered() {
    #expect(NearestNames.find("zzzz.qqqq", in: Self.names(layers: 2)) == [])
    #expect(NearestNames.find("model.layers.0.q_proj.weight", in: [TensorName]()) == [])
    #expect(NearestNames.find("", in: Self.names(layers: 1)) == [])
  }

  /// A dictionary's order is another one in every run.
  @Test(arguments: ["model.layers.700.self_attn.q_prj.weight", "model.layers.99999.mlp.up_proj.weight"])
  func answerDoesNotDependOnTheOrder(name: String) {
    let names = Self.names(layers: 1500)
    var random = SeededGenerator()
    let expected = NearestNames.find(name, in: names)
    #expect(!expected.isEmpty)
    #expect(NearestNames.find(name, in: names.shuffled(using: &random)) == expected, "\(random)")
    #expect(NearestNames.find(name, in: names.reversed()) == expected)
  }

  @Test(arguments: ["model.layers.9.self_attn.q_prj.weight", "model.layers.9.mlp.up_proj.weights", "q_proj.weight"])
  func isFastOnManyNames(name: String) {
    let names = Self.names(layers: 11_111)
    #expect(names.count >= 100_000)
    let time = processorTime { _ = NearestNames.find(name, in: names) }
    #expect(time < .seconds(10), "generous for a debug build")
  }

  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("é", "e", 2),
  ])
  func editDistanceIsLevenshteins(one: String, other: String, distance: Int) {
    #expect(NearestNames.editDistance(one, other) == distance)
    #expect(NearestNames.editDistance(other, one) == distance)
  }
}
