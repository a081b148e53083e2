import Adapters
import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Bases whose codes share words, and what is not one.
@Suite struct PackedPlanTests {
  private func plan(_ base: [TestTensor], _ quantization: String) throws -> MergePlan {
    try makePlan(
      base: base, loraLayer("m.proj", rows: 16, columns: 32), config: "{\"quantization_config\": {\(quantization)}}",
      alpha: "2")
  }

  private func errorClass(_ base: [TestTensor], _ quantization: String) -> String? {
    refusal { _ = try plan(base, quantization) }?.errorClass
  }

  private func changed(_ base: [TestTensor], _ name: String, _ tensor: TestTensor?) -> [TestTensor] {
    base.filter { $0.name != name } + [tensor].compactMap { $0 }
  }

  // MARK: - compressed-tensors

  private static func shape(_ rows: UInt8, _ columns: UInt8) -> TestTensor {
    TestTensor(
      "m.proj.weight_shape", .i64, [2], bytes: [rows, 0, 0, 0, 0, 0, 0, 0, columns, 0, 0, 0, 0, 0, 0, 0])
  }

  private static let packed = [
    TestTensor("m.proj.weight_packed", .i32, [16, 4]), TestTensor("m.proj.weight_scale", .bf16, [16, 2]),
    shape(16, 32),
  ]

  private static func scheme(_ weights: String, format: String = "pack-quantized") -> String {
    """
    "quant_method": "compressed-tensors", "format": "\(format)",
    "config_groups": {"group_0": {"weights": {\(weights)}}}
    """
  }

  private static let groups = scheme(
    #""num_bits": 4, "type": "int", "strategy": "group", "group_size": 16, "symmetric": true"#)

  @Test func packedRows() throws {
    let plan = try plan(Self.packed, Self.groups)
    #expect(plan.shards[0].tensors.map(\.name.string) == ["m.proj.weight"])
    #expect(plan.shards[0].tensors[0].shape == [16, 32])
    #expect(errorClass(changed(Self.packed, "m.proj.weight_shape", nil), Self.groups) == "quantized")
    #expect(errorClass(changed(Self.packed, "m.proj.weight_scale", nil), Self.groups) == "quantized")
    #expect(errorClass(changed(Self.packed, "m.proj.weight_shape", Self.shape(16, 33)), Self.groups) == "quantized")
    #expect(errorClass(changed(Self.packed, "m.proj.weight_shape", Self.shape(15, 32)), Self.groups) == "quantized")
    for shape in [[16, 1], [16, 4], [2, 16], [16]] {
      let other = TestTensor("m.proj.weight_scale", .bf16, shape)
      #expect(errorClass(changed(Self.packed, "m.proj.weight_scale", other), Self.groups) == "quantized")
    }
    let order = TestTensor("m.proj.weight_g_idx", .i32, [32])
    #expect(errorClass(Self.packed + [order], Self.groups) == "unsupported")
    let zeros = TestTensor("m.proj.weight_zero_point", .i32, [2, 2])
    #expect(errorClass(Self.packed + [zeros], Self.groups) == "unsupported")
    let asymmetric = Self.groups.replacing("true", with: "false")
    #expect(errorClass(Self.packed + [zeros], asymmetric) == nil)
    #expect(errorClass(Self.packed, asymmetric) == "quantized")
  }

  @Test(arguments: [
    #""num_bits": 3, "type": "int", "strategy": "group", "group_size": 16"#,
    #""num_bits": 4, "type": "int", "strategy": "group", "group_size": 0"#,
    #""num_bits": 4, "type": "int", "strategy": "token""#,
    #""num_bits": 4, "type": "float", "strategy": "group", "group_size": 16"#,
  ])
  func otherSchemesAreRefused(weights: String) {
    #expect(errorClass(Self.packed, Self.scheme(weights)) == "unsupported")
  }

  /// Codes of another width than the config says.
  @Test func otherBitsAreRefused() {
    let scheme = #""num_bits": 8, "type": "int", "strategy": "group", "group_size": 16"#
    #expect(errorClass(Self.packed, Self.scheme(scheme)) == "quantized")
    #expect(errorClass(Self.gptq, #""quant_method": "gptq", "bits": 8, "group_size": 16"#) == "quantized")
  }

  /// Of several schemes the tensors fit one, or nothing says which it is.
  @Test func theTensorsSayWhichSchemeItIs() throws {
    let two = """
      "quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {
      "group_0": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 16}},
      "group_1": {"weights": {"num_bits": 4, "type": "int", "strategy": "channel"}}}
      """
    #expect(errorClass(Self.packed, two) == nil)
    let single = changed(Self.packed, "m.proj.weight_scale", TestTensor("m.proj.weight_scale", .bf16, [16, 1]))
    #expect(errorClass(single, two) == nil)
    // Groups of 17 and of 31 leave the same two scales for 32 columns.
    let doubtful = two.replacing("16", with: "17").replacing(#""channel""#, with: #""group", "group_size": 31"#)
    #expect(errorClass(Self.packed, doubtful) == "unsupported")
  }

  @Test func nvfp4() throws {
    let base = [
      TestTensor("m.proj.weight_packed", .u8, [16, 16]), TestTensor("m.proj.weight_scale", .f8E4M3, [16, 2]),
      TestTensor("m.proj.weight_global_scale", .f32, [1]),
    ]
    let scheme = Self.scheme(
      #""num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16"#, format: "nvfp4-pack-quantized")
    #expect(try plan(base, scheme).shards[0].tensors[0].shape == [16, 32])
    #expect(errorClass(changed(base, "m.proj.weight_global_scale", nil), scheme) == "quantized")
    let float = TestTensor("m.proj.weight_scale", .f32, [16, 2])
    #expect(errorClass(changed(base, "m.proj.weight_scale", float), scheme) == "quantized")
    #expect(errorClass(base, scheme.replacing("16", with: "32")) == "unsupported")
  }

  // MARK: - GPTQ and AWQ

  private static let gptq = [
    TestTensor("m.proj.qweight", .i32, [4, 16]), TestTensor("m.proj.qzeros", .i32, [2, 2]),
    TestTensor("m.proj.scales", .f16, [2, 16]), TestTensor("m.proj.g_idx", .i32, [32]),
    TestTensor("m.other.qweight", .i32, [4, 16]), TestTensor("m.other.qzeros", .i32, [2, 2]),
    TestTensor("m.other.scales", .f16, [2, 16]), TestTensor("m.other.g_idx", .i32, [32]),
  ]
  private static let awq = [
    TestTensor("m.proj.qweight", .i32, [32, 2]), TestTensor("m.proj.qzeros", .i32, [2, 2]),
    TestTensor("m.proj.scales", .f16, [2, 16]),
  ]

  /// There is no list of what is not quantized: all becomes numbers.
  @Test func gptqIsDecodedAsAWhole() throws {
    let plan = try plan(Self.gptq, #""quant_method": "gptq", "bits": 4, "group_size": 16"#)
    #expect(Set(plan.shards[0].tensors.map(\.name.string)) == ["m.proj.weight", "m.other.weight"])
    #expect(plan.shards[0].tensors.allSatisfy { $0.shape == [16, 32] && $0.outputDType == .f16 })
    #expect(
      plan.quantization
        == MergePlan.Quantization(
          method: "gptq", decoded: 2, kept: 0, configChange: "quantization_config is removed"))
  }

  @Test func wordsThatDoNotFitAreRefused() {
    let config = #""quant_method": "gptq", "bits": 4, "group_size": 16"#
    for name in ["qzeros", "scales"] {
      #expect(errorClass(changed(Self.gptq, "m.proj.\(name)", nil), config) == "quantized")
    }
    let scales = TestTensor("m.proj.scales", .f16, [1, 16])
    #expect(errorClass(changed(Self.gptq, "m.proj.scales", scales), config) == "quantized")
    #expect(errorClass(Self.gptq, config.replacing("16", with: "8")) == "quantized")
    #expect(errorClass(Self.awq, #""quant_method": "awq", "bits": 4, "group_size": 16, "version": "gemm""#) == nil)
    let wide = TestTensor("m.proj.qweight", .i32, [16, 4])
    #expect(
      errorClass(
        changed(Self.awq, "m.proj.qweight", wide), #""quant_method": "awq", "bits": 4, "group_size": 16"#)
        == "quantized")
    let inOrder = changed(Self.gptq, "m.proj.g_idx", nil)
    #expect(errorClass(inOrder, config) == nil)
    #expect(errorClass(inOrder, config + #", "desc_act": true"#) == "quantized")
  }

  @Test(arguments: [
    #""quant_method": "gptq", "bits": 3, "group_size": 16"#,
    #""quant_method": "gptq", "bits": 4"#, #""quant_method": "gptq", "bits": 4, "group_size": 0"#,
    #""quant_method": "gptq", "bits": 4, "group_size": 16, "checkpoint_format": "marlin""#,
    #""quant_method": "gptq", "bits": 4, "group_size": 16, "dynamic": {"+:.*": {"bits": 8}}"#,
  ])
  func otherLayoutsOfGPTQAreRefused(config: String) {
    #expect(errorClass(Self.gptq, config) == "unsupported")
  }

  @Test(arguments: [
    #""quant_method": "awq", "bits": 8, "group_size": 16"#,
    #""quant_method": "awq", "bits": 4, "group_size": 16, "version": "gemv""#,
    #""quant_method": "awq", "bits": 4, "group_size": 16, "version": "exllama""#,
  ])
  func otherLayoutsOfAWQAreRefused(config: String) {
    #expect(errorClass(Self.awq, config) == "unsupported")
  }
}
