import Safetensors
import Testing

@testable import Adapters

@Suite struct LoRAUpdateTests {
  private let prefix = "base_model.model."

  @Test func everyTensorIsInExactlyOneLayer() throws {
    let tensors = ["b.q", "a.q", "a.é"].flatMap { pair($0) + [Entry("\(prefix)\($0).lora_B.bias", [6], .bf16)] }
    let adapter = try adapter(#""lora_bias": true"#, tensors)
    #expect(adapter.updates.map(\.module) == ["a.q", "a.é", "b.q"])
    #expect(adapter.updates.flatMap(\.tensorIndices).sorted() == Array(adapter.header.tensors.indices))
    for layer in adapter.updates {
      #expect(layer.inFeatures == 4 && layer.outFeatures == 6 && layer.layout == .linear)
      #expect(adapter.header.tensors.name(at: layer.a).string == "\(prefix)\(layer.module).lora_A.weight")
      #expect(adapter.header.tensors.name(at: layer.b).string == "\(prefix)\(layer.module).lora_B.weight")
      #expect(
        layer.bias.map { adapter.header.tensors.name(at: $0.witness.tensor).string }
          == "\(prefix)\(layer.module).lora_B.bias")
    }
  }

  @Test func aMissingFactorIsNamed() throws {
    let withoutB = try refusal("", [pair("m")[0]])
    #expect(withoutB.errorClass == "pair" && withoutB.tensor == prefix + "m.lora_A.weight")
    #expect(withoutB.message == "the other half, base_model.model.m.lora_B.weight, is missing")
    #expect(try refusal("", [pair("m")[1]]).problem == .missingFactor(missing: prefix + "m.lora_A.weight"))
  }

  @Test func theBiasOfLoraBFollowsTheConfig() throws {
    let bias = Entry(prefix + "m.lora_B.bias", [6])
    let plain = Entry(prefix + "m.lora_bias", [6])
    let on = #""lora_bias": true"#
    #expect(try adapter(on, pair("m") + [bias]).updates[0].bias != nil)
    #expect(try adapter(on, pair("m") + [plain]).updates[0].bias != nil)
    #expect(try refusal(on, pair("m")).problem == .missingFactor(missing: bias.name))
    let scaled = #""r": 8, "lora_alpha": 16"#
    #expect(try refusal(scaled, pair("m") + [bias]).problem == .biasNotDeclared)
    #expect(try refusal(scaled + #", "lora_bias": false"#, pair("m") + [plain]).problem == .biasNotDeclared)
    // Where nothing scales it, it is what mergekit means and what PEFT would make of it.
    let unscaled = try adapter(#""r": 8, "lora_alpha": 8"#, pair("m") + pair("n") + [bias])
    #expect(unscaled.updates.map { $0.bias != nil } == [true, false])
    #expect(unscaled.warnings.contains { $0.contains("1 modules have a bias of lora_B") })
    #expect(try refusal(on, pair("m") + [bias, plain]).problem == .biasTwice(other: plain.name))
    #expect(try refusal(on, [bias]).problem == .missingFactor(missing: prefix + "m.lora_A.weight"))
  }

  @Test(arguments: [
    ([8], [6, 8], "expected shape (8, in), found (8)"), ([8, 4], [6], "expected shape (out, 8), found (6)"),
    ([8, 4], [6, 8, 1], "expected shape (out, 8), found (6, 8, 1)"), ([], [6, 8], "found ()"),
    ([8, 4, 2, 2, 2, 2], [6, 8, 1, 1, 1, 1], "expected shape (8, in)"),
    ([4, 4], [6, 4], #"expected rank 8 from "r", found 4 in shape (4, 4)"#),
    ([8, 4], [8, 6], #"expected rank 8 from "r", found 6 in shape (8, 6)"#),
  ])
  func shapesMustFit(a: [Int], b: [Int], message: String) throws {
    let error = try refusal(#""r": 8"#, [Entry(prefix + "m.lora_A.weight", a), Entry(prefix + "m.lora_B.weight", b)])
    #expect(error.message.contains(message), "\(error.message)")
    #expect(error.tensor?.hasPrefix(prefix + "m.lora_") == true)
  }

  @Test func aRankFromAPatternIsNamed() throws {
    let error = try refusal(#""rank_pattern": {"m": 4}"#, pair("m"))
    #expect(error.errorClass == "rank")
    #expect(error.message == #"expected rank 4 from rank_pattern "m", found 8 in shape (8, 4)"#)
  }

  @Test func theBiasMustHaveAValueForEachRow() throws {
    let error = try refusal(#""lora_bias": true"#, pair("m") + [Entry(prefix + "m.lora_B.bias", [4])])
    #expect(error.message == "expected shape (6), found (4)")
  }

  @Test(arguments: DType.allCases)
  func factorsAreFloats(dtype: DType) throws {
    var tensors = pair("m")
    tensors[1].dtype = dtype
    if [.f64, .f32, .f16, .bf16, .f8E4M3, .f8E5M2].contains(dtype) {
      #expect(try adapter("", tensors).updates.count == 1)
    } else {
      #expect(try refusal("", tensors).problem == .dtype(dtype))
    }
  }

  @Test func theFactorsSayARankThatTheConfigDoesNot() throws {
    let four = try adapter(#""lora_alpha": 6"#, pair("m", rank: 4))
    #expect(four.updates[0].rank == 4 && four.updates[0].scaling == 1.5)
    #expect(four.warnings.contains { $0.hasSuffix(#""r" is missing; the factors have rank 4"#) })
    let several = pair("m", rank: 4) + pair("n", rank: 2)
    #expect(
      try refusal(#""lora_alpha": 6"#, several).problem
        == .scalingUnknown(ranks: [2, 4], hasRank: false, hasAlpha: true))
    #expect(
      try refusal("", pair("m", rank: 4)).problem == .scalingUnknown(ranks: [4], hasRank: false, hasAlpha: false))
    // What PEFT itself would do without both.
    #expect(try adapter("", pair("m")).updates[0].scaling == 1)
  }

  @Test func emptyPairsAddNothing() throws {
    let empty = [entry("x.w3.lora_A.weight", [0]), entry("x.w3.lora_B.weight", [0])]
    let found = try adapter("", pair("m") + empty)
    #expect(found.updates.map(\.module) == ["m"] && found.ignoredTensors.count == 2)
    #expect(
      try refusal("", pair("m") + [entry("n.lora_A.weight", [0, 4]), entry("n.lora_B.weight", [6, 8])]).errorClass
        == "shape")
    #expect(try refusal(#""target_modules": ["m"]"#, empty).problem == .noLayers)
  }

  @Test func factorsOfThreeDimensionsAreOfStackedExperts() throws {
    func stack(_ a: [Int], _ b: [Int]) -> [Entry] { factors("x.experts.w1", a: a, b: b) }
    let found = try adapter(#""r": 2, "lora_alpha": 2"#, stack([1, 2, 4], [3, 6, 2])).updates[0]
    #expect(
      found.module == "x.experts" && found.target == .parameter("w1")
        && found.layout == .experts(count: 3, columns: nil))
    #expect(found.products.map(\.right.offset) == [0, 0, 0] && found.products.map(\.left.offset) == [0, 12, 24])
    #expect(try refusal(#""r": 2"#, stack([2, 2, 4], [3, 6, 2])).errorClass == "shape")
    #expect(try refusal(#""r": 3"#, stack([3, 2, 4], [3, 6, 2])).errorClass == "rank")
    #expect(try refusal(#""r": 2"#, stack([2, 4], [6, 2])).errorClass == "shape")
  }

  @Test func aFactorThatExpertsShareIsUsedOnce() throws {
    let shared = entry("x.experts.up_proj.lora_A.weight", [1, 2, 4])
    let own = (0..<3).map { entry("x.experts.\($0).up_proj.lora_B.weight", [6, 2]) }
    let found = try adapter(#""r": 2"#, own + [shared])
    #expect(
      found.updates.count == 3 && Set(found.updates.map(\.a)).count == 1 && Set(found.updates.map(\.b)).count == 3)
    let twice = own + [shared, entry("x.experts.1.up_proj.lora_A.weight", [2, 4])]
    #expect(try refusal(#""r": 2"#, twice).errorClass == "adapter-conflict")
    #expect(try refusal(#""r": 2"#, [shared] + pair("m", rank: 2)).errorClass == "pair")
  }

  @Test func factorsAreStoredOneWay() throws {
    let mixed = [entry("m.lora_a", [4, 8]), entry("m.lora_B.weight", [6, 8])]
    #expect(try refusal(#""r": 8"#, mixed).problem == .mixedOrientation(other: prefix + "m.lora_B.weight"))
    let found = try adapter(#""r": 8"#, [entry("m.lora_a", [4, 8]), entry("m.lora_b", [8, 6])]).updates[0]
    #expect(
      found.products.allSatisfy { $0.left.rowStride == 1 && $0.right.rowStride == 1 } && found.inFeatures == 4
        && found.outFeatures == 6)
  }

  @Test func anAdapterWithoutTensorsIsRefused() throws {
    #expect(try refusal("", []).problem == .noTensors)
  }

  @Test func anAdapterThatLostItsFactorsIsRefused() throws {
    let saved = [entry("lm_head.weight", [6, 4])]
    let field = #""modules_to_save": ["lm_head"]"#
    #expect(try refusal(#""target_modules": ["q_proj"], \#(field)"#, saved).problem == .noLayers)
    #expect(try refusal(#""target_parameters": ["experts.down_proj"], \#(field)"#, saved).problem == .noLayers)
    #expect(try adapter(#""target_modules": [], \#(field)"#, saved).replacements.count == 1)
  }

  @Test func badPatternsAreNamed() throws {
    let error = try refusal(#""rank_pattern": {"(?=q)": 4}"#)
    #expect(error.errorClass == "adapter-pattern")
    #expect(error.message == #""rank_pattern": pattern "(?=q)": look-ahead is not supported in patterns"#)
  }
}
