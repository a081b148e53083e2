import Safetensors
import Testing

@testable import Adapters

/// `target_parameters`: which wrapper belongs to which parameter.
@Suite struct ParameterTests {
  private static func config(_ names: [String], _ more: String = "") -> String {
    let list = names.map { "\"\($0)\"" }.joined(separator: ", ")
    return #""r": 2, "target_parameters": [\#(list)]"# + more
  }

  /// Three experts of rank 2 with A's columns as a mark.
  private static func experts(_ path: String, mark: Int, rank: Int = 2) -> [Entry] {
    factors(path, a: [3 * rank, mark], b: [4, 3 * rank])
  }

  private func leaves(_ adapter: Adapter) -> [String] {
    adapter.updates.map { layer in
      guard case .parameter(let leaf) = layer.target else { return "" }
      return "\(leaf) \(layer.inFeatures ?? 0)"
    }
  }

  @Test(arguments: [["experts.gate_up_proj", "mlp.experts.down_proj"], ["down_proj", "gate_up_proj"]])
  func theFirstRegisteredParameterIsTheInnermost(names: [String]) throws {
    let tensors = Self.experts("m.mlp.experts.base_layer", mark: 5) + Self.experts("m.mlp.experts", mark: 7)
    let adapter = try adapter(Self.config(names), tensors)
    #expect(leaves(adapter) == ["gate_up_proj 5", "down_proj 7"])
    #expect(
      adapter.updates.allSatisfy {
        $0.module == "m.mlp.experts" && $0.layout == .experts(count: 3, columns: .rankMajor) && $0.rank == 2
      })
    #expect(adapter.warnings.isEmpty)
  }

  @Test func biasesAreParametersOfTwoDimensions() throws {
    let names = ["experts.down_proj_bias", "experts.down_proj", "experts.gate_up_proj_bias", "experts.gate_up_proj"]
    let tensors =
      Self.experts("experts.base_layer.base_layer.base_layer", mark: 1)
      + factors("experts.base_layer.base_layer", a: [2, 9], b: [3, 2]) + Self.experts("experts.base_layer", mark: 3)
      + factors("experts", a: [2, 8], b: [3, 2])
    let adapter = try adapter(Self.config(names), tensors)
    #expect(leaves(adapter) == ["gate_up_proj 1", "gate_up_proj_bias 9", "down_proj 3", "down_proj_bias 8"])
    #expect(
      adapter.updates.map(\.layout) == [
        .experts(count: 3, columns: .rankMajor), .linear, .experts(count: 3, columns: .rankMajor), .linear,
      ])
  }

  @Test func oneParameterNeedsNoOrder() throws {
    #expect(leaves(try adapter(Self.config(["x.anything"]), Self.experts("m.x", mark: 5))) == ["anything 5"])
    let plain = try adapter(Self.config(["gate.weight"]), factors("m.gate", a: [2, 5], b: [3, 2]))
    #expect(plain.updates[0].target == .parameter("weight") && plain.updates[0].layout == .linear)
  }

  @Test func anUnknownOrderIsAmbiguous() throws {
    let tensors = Self.experts("x.base_layer", mark: 5) + Self.experts("x", mark: 7)
    let error = try refusal(Self.config(["x.down_proj", "x.other"]), tensors)
    #expect(error.problem == .parameterOrder(parameters: ["down_proj", "other"], unknown: "other"))
    #expect(error.message.contains("ambiguous") && error.hint != nil)
  }

  @Test func theNumberOfWrappersMustBeThatOfParameters() throws {
    let two = Self.config(["x.gate_up_proj", "x.down_proj"])
    let one = try refusal(two, Self.experts("x", mark: 5))
    #expect(one.problem == .parameterCount(parameters: ["gate_up_proj", "down_proj"], depths: [0]))
    let gap = Self.experts("x.base_layer.base_layer", mark: 5) + Self.experts("x", mark: 7)
    #expect(
      try refusal(two, gap).problem == .parameterCount(parameters: ["gate_up_proj", "down_proj"], depths: [0, 2]))
    let three = Self.experts("x.base_layer.base_layer", mark: 5) + Self.experts("x.base_layer", mark: 5)
    #expect(try refusal(two, three + Self.experts("x", mark: 7)).errorClass == "nesting")
  }

  @Test func namesMatchOnADotOnly() throws {
    let error = try refusal(Self.config(["perts.down_proj"]), Self.experts("m.experts", mark: 5))
    #expect(error.errorClass == "rank")
  }

  @Test func aBareNameNeedsTheShapesOfExperts() throws {
    let tensors = factors("m.down_proj", a: [2, 5], b: [3, 2]) + Self.experts("m.experts", mark: 7)
    let adapter = try adapter(Self.config(["gate_up_proj"], #", "target_modules": ["down_proj"]"#), tensors)
    #expect(adapter.updates.map(\.target) == [.weight, .parameter("gate_up_proj")])
  }

  @Test func patternsAreMatchedAgainstTheParameter() throws {
    let more =
      #", "rank_pattern": {"experts.down_proj": 3, "experts": 5}, "alpha_pattern": {"gate_up_proj": 3, "gate.weight": 4}"#
    let tensors =
      Self.experts("experts.base_layer", mark: 5) + Self.experts("experts", mark: 7, rank: 3)
      + factors("gate", a: [2, 5], b: [3, 2])
    let adapter = try adapter(
      Self.config(["experts.gate_up_proj", "experts.down_proj", "gate.weight"], more), tensors)
    #expect(adapter.updates.map(\.rank) == [2, 3, 2] && adapter.updates.map(\.alpha) == [3, 8, 4])
    #expect(adapter.unusedPatterns.map(\.key) == ["experts"])
  }

  @Test(arguments: [
    ([5, 4], [4, 5], "expected a multiple of rank 2 from \"r\", found 5 in shape (5, 4)"),
    ([6, 4], [4, 4], "expected shape (out, 6), found (4, 4)"), ([6], [4, 6], "expected shape (experts * 2, in)"),
    ([6, 4, 1], [4, 6, 1], "expected shape (experts * 2, in)"),
    ([0, 4], [4, 0], "expected shape without zeros, found (0, 4)"),
  ])
  func factorsOfExpertsMustFit(a: [Int], b: [Int], message: String) throws {
    let error = try refusal(Self.config(["x.down_proj"]), factors("x", a: a, b: b))
    #expect(error.message.contains(message), "\(error.message)")
  }

  @Test(arguments: [#", "lora_bias": true"#, #", "use_dora": true"#, #", "use_bdlora": {"nblocks": 2}"#])
  func whatPEFTLacksForParametersIsRefused(field: String) throws {
    #expect(try refusal(Self.config(["x.down_proj"], field), Self.experts("x", mark: 5)).errorClass == "unsupported")
  }

  @Test func modulesInsideWrappedOnesAreFound() throws {
    let tensors =
      Self.experts("x.base_layer", mark: 5) + Self.experts("x", mark: 7)
      + factors("x.base_layer.base_layer.router", a: [2, 4], b: [3, 2])
    let adapter = try adapter(Self.config(["x.gate_up_proj", "x.down_proj"]), tensors)
    #expect(adapter.updates.map(\.module) == ["x", "x", "x.router"] && adapter.updates[2].target == .weight)
  }

  @Test func aParameterWithoutTensorsIsWarnedOf() throws {
    let adapter = try adapter(Self.config(["x.down_proj", "gate.weight"]), Self.experts("x", mark: 5))
    #expect(adapter.warnings.count == 1 && adapter.warnings[0].contains("\"gate.weight\""))
  }

  @Test func theLayoutOfExpertsIsTheMarkers() throws {
    let fields = Self.config(["x.down_proj"])
    let tensors = Self.experts("x", mark: 5)
    #expect(try adapter(fields, tensors).updates[0].layout == .experts(count: 3, columns: .rankMajor))
    let marked = #", "lora_B_layout": "grouped_by_expert""#
    #expect(try adapter(fields + marked, tensors).updates[0].layout == .experts(count: 3, columns: .expertMajor))
    let unsloth = #", "base_model_name_or_path": "unsloth/model""#
    for base in ["unsloth/model", "/cache/models--unsloth--model/snapshots/1", "model-Unsloth-bnb-4bit"] {
      let fields = fields + #", "base_model_name_or_path": "\#(base)""#
      #expect(try adapter(fields, tensors).isExpertLayoutAmbiguous, "\(base)")
    }
    #expect(try adapter(fields + #", "auto_mapping": {"unsloth_fixed": true}"#, tensors).isExpertLayoutAmbiguous)
    // Of one expert, or of rank 1, the orders are the same.
    #expect(try !adapter(fields + unsloth, factors("x", a: [2, 5], b: [4, 2])).isExpertLayoutAmbiguous)
    let narrow = #""r": 1, "target_parameters": ["x.down_proj"]"# + unsloth
    #expect(try !adapter(narrow, Self.experts("x", mark: 5, rank: 1)).isExpertLayoutAmbiguous)
    #expect(try !adapter(fields + unsloth + marked, tensors).isExpertLayoutAmbiguous)
    #expect(try !adapter(fields, tensors).isExpertLayoutAmbiguous)
  }
}
