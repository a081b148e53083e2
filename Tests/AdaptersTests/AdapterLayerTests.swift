import Safetensors
import Testing

@testable import Adapters

@Suite struct AdapterLayerTests {
  private let prefix = "base_model.model."

  @Test func everyTensorIsInExactlyOneLayer() throws {
    let tensors = ["b.q", "a.q", "a.é"].flatMap { pair($0) + [Entry("\(prefix)\($0).lora_B.bias", [6], .bf16)] }
    let adapter = try adapter(#""lora_bias": true"#, tensors)
    #expect(adapter.layers.map(\.module) == ["a.q", "a.é", "b.q"])
    #expect(adapter.layers.flatMap(\.tensorIndices).sorted() == Array(adapter.header.tensors.indices))
    for layer in adapter.layers {
      #expect(layer.inFeatures == 4 && layer.outFeatures == 6 && layer.kind == .linear)
      #expect(adapter.header.tensors.name(at: layer.a).string == "\(prefix)\(layer.module).lora_A.weight")
      #expect(adapter.header.tensors.name(at: layer.b).string == "\(prefix)\(layer.module).lora_B.weight")
      #expect(layer.bias.map { adapter.header.tensors.name(at: $0).string } == "\(prefix)\(layer.module).lora_B.bias")
    }
  }

  @Test(arguments: [
    ("m.q.lora_embedding_A", "embedding"), ("m.q.lora_embedding_B", "embedding"),
    ("m.q.lora_magnitude_vector", "DoRA"), ("m.q.lora_magnitude_vector.weight", "DoRA"),
    ("m.q.base_layer.weight", "save_embedding_layers"), ("m.q.base_layer.bias", "lora_only"),
    ("m.q.base_layer.lora_A.weight", "target_parameters"), ("m.q.bias", "trained bias"),
    ("m.q.weight", "modules_to_save"), ("weight", "unknown kind"),
    ("m.q.token_adapter.trainable_tokens_delta", "token"), ("m.q.lora_diag", "KaSA"),
    ("m.q.lora_velora_embed", "VeLoRA"), ("m.q.lora_monteclora_sampler.x", "MonteCLoRA"),
    ("m.q.modules_to_save.weight", "modules_to_save"), ("m.q.original_module.bias", "modules_to_save"),
    ("m.q.lora_A.default.weight", "\"default\""), ("m.q.lora_B.mine.bias", "\"mine\""),
    ("base_model.model.m.q.lora_A.weight", "twice"), ("lora_A.weight", "no module"), (".lora_A.weight", "no module"),
    ("m.q.lora_A", "unknown kind"), ("m.q.lora_A.bias", "unknown kind"), ("m.q.alpha", "unknown kind"),
    ("m.qlora_A.weight", "modules_to_save"),
  ])
  func otherKeysAreRefusedByFeature(key: String, expected: String) throws {
    let error = try refusal("", pair("other") + [Entry(prefix + key, [2])])
    #expect(error.tensor == prefix + key)
    #expect(error.message.contains(expected), "\(error.message)")
    #expect(["unsupported", "adapter-key"].contains(error.errorClass))
    #expect(error.file?.hasSuffix("adapter_model.safetensors") == true)
  }

  @Test(arguments: ["m.q.lora_A.weight", "base_model.m.q.lora_A.weight", "x", ""])
  func keysWithoutThePrefixAreRefused(key: String) throws {
    let error = try refusal("", pair("m") + [Entry(key, [2])])
    #expect(error.problem == .keyPrefix(expected: prefix) && error.tensor == key)
  }

  @Test func aMissingHalfIsNamed() throws {
    let withoutB = try refusal("", [pair("m")[0]])
    #expect(withoutB.errorClass == "pair" && withoutB.tensor == prefix + "m.lora_A.weight")
    #expect(withoutB.message == "one half missing: there is no base_model.model.m.lora_B.weight")
    #expect(try refusal("", [pair("m")[1]]).problem == .missingHalf(missing: prefix + "m.lora_A.weight"))
  }

  @Test func theBiasOfLoraBFollowsTheConfig() throws {
    let bias = Entry(prefix + "m.lora_B.bias", [6])
    let plain = Entry(prefix + "m.lora_bias", [6])
    let on = #""lora_bias": true"#
    #expect(try adapter(on, pair("m") + [bias]).layers[0].bias != nil)
    #expect(try adapter(on, pair("m") + [plain]).layers[0].bias != nil)
    #expect(try refusal(on, pair("m")).problem == .missingHalf(missing: bias.name))
    #expect(try refusal("", pair("m") + [bias]).problem == .biasNotDeclared)
    #expect(try refusal(#""lora_bias": false"#, pair("m") + [plain]).problem == .biasNotDeclared)
    #expect(try refusal(on, pair("m") + [bias, plain]).problem == .biasTwice(other: plain.name))
    #expect(try refusal(on, [bias]).problem == .missingHalf(missing: prefix + "m.lora_A.weight"))
  }

  @Test(arguments: [
    ([8], [6, 8], "shape (8, in) expected, found (8)"), ([8, 4], [6], "shape (out, 8) expected, found (6)"),
    ([8, 4], [6, 8, 1], "shape (out, 8) expected, found (6, 8, 1)"), ([8, 4, 3, 3], [6, 8, 1, 1], "convolution"),
    ([8, 4, 3], [6, 8, 1], "convolution"), ([], [6, 8], "found ()"),
    ([4, 4], [6, 4], #"rank 8 expected from "r", found 4 in shape (4, 4)"#),
    ([8, 4], [8, 6], #"rank 8 expected from "r", found 6 in shape (8, 6)"#),
  ])
  func shapesMustFit(a: [Int], b: [Int], message: String) throws {
    let error = try refusal("", [Entry(prefix + "m.lora_A.weight", a), Entry(prefix + "m.lora_B.weight", b)])
    #expect(error.message.contains(message), "\(error.message)")
    #expect(error.tensor?.hasPrefix(prefix + "m.lora_") == true)
  }

  @Test func aRankFromAPatternIsNamed() throws {
    let error = try refusal(#""rank_pattern": {"m": 4}"#, pair("m"))
    #expect(error.errorClass == "rank")
    #expect(error.message == #"rank 4 expected from rank_pattern "m", found 8 in shape (8, 4)"#)
  }

  @Test func theBiasMustHaveAValueForEachRow() throws {
    let error = try refusal(#""lora_bias": true"#, pair("m") + [Entry(prefix + "m.lora_B.bias", [4])])
    #expect(error.message == "shape (6) expected, found (4)")
  }

  @Test(arguments: DType.allCases)
  func factorsAreFloats(dtype: DType) throws {
    var tensors = pair("m")
    tensors[1].dtype = dtype
    if [.f32, .f16, .bf16].contains(dtype) {
      #expect(try adapter("", tensors).layers.count == 1)
    } else {
      #expect(try refusal("", tensors).problem == .dtype(dtype))
    }
  }

  @Test func anAdapterWithoutTensorsIsRefused() throws {
    #expect(try refusal("", []).problem == .noLayers)
  }

  @Test func badPatternsAreNamed() throws {
    let error = try refusal(#""rank_pattern": {"(?=q)": 4}"#)
    #expect(error.errorClass == "adapter-pattern")
    #expect(error.message == #""rank_pattern": pattern "(?=q)": look-ahead is not supported in patterns"#)
  }
}
