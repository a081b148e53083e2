import Adapters
import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What a reader does beside multiplying by decoded weights is kept in force or refused with a named reason; what no adapter changes is
/// no matter.
@Suite struct QuantizationFieldTests {
  private static let fp8 = #""quant_method": "fp8", "weight_block_size": null"#
  private static let float = #""quant_method": "compressed-tensors", "format": "float-quantized""#

  /// A base with codes in `m.proj`, numbers in `m.head`, and an adapter for one of them.
  private func plan(
    _ quantization: String, more: [TestTensor] = [], codes: [TestTensor]? = nil, changing module: String = "proj",
    beside: [String: String] = [:], config: String? = nil
  ) throws -> MergePlan {
    let own =
      codes ?? [
        TestTensor("m.proj.weight", .f8E4M3, [6, 10]),
        TestTensor("m.proj.weight_scale", .f32, [1]),
      ]
    return try makePlan(
      base: own + [TestTensor("m.head.weight", .bf16, [6, 10])] + more,
      loraLayer("m.\(module)", rows: 6, columns: 10),
      config: config ?? "{\"dtype\": \"bfloat16\", \"quantization_config\": {\(quantization)}}", beside: beside)
  }

  /// The fields that change what a layer computes, by their names.
  @Test(arguments: [
    (Self.fp8, #""new_field": 1"#, "quantization_config.new_field"),
    (Self.float, #""sparsity_config": {"format": "sparse-24-bitmask"}"#, "quantization_config.sparsity_config"),
    (
      Self.float, #""transform_config": {"config_groups": {"R": {"apply": [{"targets": ["Linear"]}]}}}"#,
      "quantization_config.transform_config"
    ),
    (Self.float, #""transform_config": {"anything": 1}"#, "quantization_config.transform_config"),
    (
      Self.float, #""config_groups": {"g": {"weights": {"num_bits": 8, "type": "float", "dynamic": true}}}"#,
      "quantization_config.config_groups.g.weights.dynamic"
    ),
    (
      Self.float, #""config_groups": {"g": {"output_activations": {"num_bits": 8}, "weights": {"type": "float"}}}"#,
      "quantization_config.config_groups.g.output_activations"
    ),
  ])
  func refusesByName(method: String, field: String, path: String) throws {
    let error = refusal { _ = try self.plan("\(method), \(field)") }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.message.hasPrefix(path + ": ") == true, "\(error?.message ?? "")")
    // Fields of codes that no adapter changes are nobody's matter; a transform may be of any module.
    guard !path.hasSuffix("transform_config") else { return }
    let other = try self.plan("\(method), \(field)", changing: "head")
    #expect(other.quantization?.decoded == 0)
    #expect(other.quantization?.kept ?? 0 >= 0)
    #expect(other.text(of: "config.json") == nil)
  }

  /// Empty ones say nothing.
  @Test func emptyFieldsAreNone() throws {
    let plan = try self.plan(
      Self.float + #", "transform_config": {}, "sparsity_config": {}, "kv_cache_scheme": null, "new_field": null"#)
    #expect(plan.quantization?.decoded == 1)
    #expect(plan.text(of: "config.json")?.contains("quantization_config") == false)
  }

  @Test func aTransformOfOtherModulesIsIgnored() throws {
    let transform = #", "transform_config": {"config_groups": {"R": {"apply": [{"targets": ["re:.*other$"]}]}}}"#
    #expect(try plan(Self.float + transform).quantization?.decoded == 1)
    let ignored =
      #", "transform_config": {"config_groups": {"R": {"apply": [{"targets": ["Linear"], "ignore": ["re:.*proj"]}]}}}"#
    #expect(try plan(Self.float + ignored).quantization?.decoded == 1)
  }

  /// The cache of keys and values stays quantized: the config stays, and so do the scales.
  @Test func theCacheStaysQuantized() throws {
    let scheme = #", "kv_cache_scheme": {"num_bits": 8, "type": "float"}"#
    let plan = try self.plan(Self.float + scheme, more: [TestTensor("m.k_scale", .f32, [])])
    #expect(plan.quantization?.configChange == "quantization_config.ignore lists 1 module")
    #expect(plan.text(of: "config.json")?.contains(#""ignore": ["m.proj"]"#) == true)
    #expect(plan.text(of: "config.json")?.contains("kv_cache_scheme") == true)
    #expect(plan.shards[0].tensors.map(\.name.string).contains("m.k_scale"))
  }

  /// Scales of the cache in the module itself, as Model Optimizer has them, stay too.
  @Test func scalesOfTheCacheInTheModuleStay() throws {
    let plan = try self.plan(
      #""quant_method": "modelopt", "quant_algo": "FP8""#,
      more: [TestTensor("m.proj.k_scale", .f32, []), TestTensor("m.proj.input_scale", .f32, [])])
    #expect(Set(plan.shards[0].tensors.map(\.name.string)) == ["m.proj.weight", "m.head.weight", "m.proj.k_scale"])
    #expect(plan.text(of: "config.json")?.contains(#""ignore": ["m.proj"]"#) == true)
  }

  /// AWQ divides activations by `act.scales` as long as the config says that the model is quantized.
  @Test func scalesOfActivationsKeepTheConfig() throws {
    let codes = [
      TestTensor("m.proj.qweight", .i32, [16, 1]), TestTensor("m.proj.qzeros", .i32, [1, 1]),
      TestTensor("m.proj.scales", .f16, [1, 8]),
    ]
    func plan(_ more: [TestTensor]) throws -> MergePlan {
      let config = #"{"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 16, "version": "gemm"}}"#
      return try makePlan(base: codes + more, loraLayer("m.proj", rows: 8, columns: 16), config: config)
    }
    #expect(try plan([]).text(of: "config.json")?.contains("quantization_config") == false)
    let kept = try plan([TestTensor("m.act.scales", .f16, [8])])
    #expect(kept.text(of: "config.json")?.contains(#""modules_to_not_convert": ["lm_head","m.proj"]"#) == true)
    #expect(kept.shards[0].tensors.map(\.name.string).contains("m.act.scales"))
  }

  /// A tensor beside codes that no rule knows may change them.
  @Test(arguments: ["pre_quant_scale", "smooth_factor", "weight_scale_2", "rotation.weight"])
  func unknownTensorsBesideCodesAreRefused(leaf: String) throws {
    let more = [TestTensor("m.proj." + leaf, .f32, [2, 2])]
    let error = refusal { _ = try self.plan(Self.float, more: more) }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.tensor == "m.proj." + leaf)
    #expect(error?.message.contains("m.proj.weight") == true)
    let plan = try self.plan(Self.float, more: more, changing: "head")
    #expect(plan.quantization?.decoded == 0)
    #expect(plan.shards[0].tensors.count == 4)
  }

  /// Weights in 16 bits with scales beside them are rounded by the reader when the model runs.
  @Test func uncompressedWeightsWithScalesAreRefused() {
    let error = refusal {
      _ = try plan(Self.float, more: [TestTensor("m.head.weight_scale", .f32, [1])], changing: "head")
    }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.message.contains("m.head.weight_scale") == true)
  }

  /// Methods that are not decoded: what is not theirs is merged, and their codes and config stay.
  @Test(arguments: ["hqq", "aqlm", "modelopt", "unknown"])
  func onlyNumbersAreTouched(method: String) throws {
    let codes = [TestTensor("m.proj.W_q", .u8, [6, 5]), TestTensor("m.proj.scale", .f16, [6, 1])]
    let plan = try self.plan("\"quant_method\": \"\(method)\"", codes: codes, changing: "head")
    #expect(plan.text(of: "config.json") == nil)
    #expect(plan.shards[0].tensors.filter { $0.update != nil }.map(\.name.string) == ["m.head.weight"])
    #expect(plan.shards[0].tensors.count == 3)
    let error = refusal { _ = try self.plan("\"quant_method\": \"\(method)\"", codes: codes) }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.message.contains("\"\(method)") == true)
  }

  /// Model Optimizer's own file says what config.json does not.
  @Test func theFileBesideSaysIt() throws {
    let file = #"{"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}"#
    let other = [
      TestTensor("m.other.weight", .f8E4M3, [2, 2]), TestTensor("m.other.weight_scale", .f32, []),
    ]
    let part = try self.plan("", more: other, beside: ["hf_quant_config.json": file], config: "{}")
    #expect(
      part.text(of: "hf_quant_config.json")
        == #"{"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head","m.proj"]}}"#)
    #expect(part.quantization?.method == "modelopt")
    let all = try self.plan("", beside: ["hf_quant_config.json": file], config: "{}")
    #expect(all.textFiles.isEmpty)
    #expect(all.omittedFiles.contains("hf_quant_config.json"))
  }

  /// Scales of other shapes than the config says are refused where they are needed only.
  @Test func scalesThatDoNotFitAreNobodysMatterElsewhere() throws {
    let codes = [TestTensor("m.proj.weight", .f8E4M3, [6, 10]), TestTensor("m.proj.weight_scale", .f32, [3, 5])]
    #expect(refusal { _ = try self.plan(Self.fp8, codes: codes) }?.errorClass == "quantized")
    #expect(try plan(Self.fp8, codes: codes, changing: "head").quantization?.kept == 1)
  }

  @Test func twoScalesAreRefused() {
    let error = refusal { _ = try self.plan(Self.fp8, more: [TestTensor("m.proj.scale", .f32, [1])]) }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.message.contains("m.proj.weight_scale and m.proj.scale") == true)
  }
}
