import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Files in FP8 that ComfyUI reads: what each form is, and what is rejected.
@Suite struct ComfyPlanTests {
  private static let weight = "m.proj.weight"
  private static let marker = TestTensor("scaled_fp8", .f8E4M3, [0])

  private static func codes(_ dtype: DType = .f8E4M3, _ shape: [Int] = [6, 10]) -> TestTensor {
    TestTensor(weight, dtype, shape)
  }

  private static func text(_ json: String) -> TestTensor {
    TestTensor("m.proj.comfy_quant", .u8, [json.utf8.count], bytes: Array(json.utf8))
  }

  private func plan(
    _ base: [TestTensor], metadata: String? = nil, module: String = "m.proj", shape: [Int] = [6, 10],
    _ options: MergeOptions = MergeOptions()
  ) throws -> MergePlan {
    let scratch = try Scratch()
    let path = scratch.file("base.safetensors")
    try writeFile(path, base, metadata: metadata)
    return try makePlan(
      base: path, loraLayer(module, rows: shape[0], columns: shape[1]), in: scratch, alpha: "2", options: options)
  }

  private func refusal(
    _ base: [TestTensor], metadata: String? = nil, _ options: MergeOptions = MergeOptions()
  ) -> (any ReportableError)? {
    TestSupport.refusal { _ = try plan(base, metadata: metadata, options) }
  }

  private static var requantizing: MergeOptions {
    var options = MergeOptions()
    options.requantizes = true
    return options
  }

  @Test(arguments: [[], [1]]) func scaledLayersAreRequantized(shape: [Int]) throws {
    let base = [
      Self.codes(), TestTensor("m.proj.scale_weight", .f32, shape), TestTensor("m.proj.scale_input", .f32, []),
    ]
    let plan = try plan(base + [Self.marker])
    let quantization = try #require(plan.quantization)
    #expect(quantization.method == "comfyui" && quantization.requantized == 1 && quantization.isToldByFiles)
    #expect(plan.shards[0].tensors.map(\.name.string) == base.map(\.name) + ["scaled_fp8"])
    #expect(plan.shards[0].tensors.map(\.outputDType) == [.f8E4M3, .f32, .f32, .f8E4M3])
    let isComputed = plan.shards[0].tensors.map { $0.update != nil }
    #expect(isComputed == [true, true, false, false])
    #expect(plan.measuresTensors)
  }

  /// The marker of one part of a model says nothing of another.
  @Test func scalesWithoutAMarkerAreRefused() {
    let scaled = [Self.codes(), TestTensor("m.proj.scale_weight", .f32, [])]
    let other = TestTensor("text_encoders.t5.scaled_fp8", .f8E4M3, [0])
    #expect(refusal(scaled + [other])?.errorClass == "quantized")
    #expect(refusal(scaled + [other])?.message.contains("scaled_fp8") == true)
    #expect(refusal(scaled)?.message.contains("scaled_fp8") == true)
    #expect(refusal(scaled, MergeOptions(outputDType: .bf16))?.message.contains("scaled_fp8") == true)
  }

  @Test func wrongScalesAreRefused() {
    let rows = [Self.codes(), TestTensor("m.proj.scale_weight", .f32, [6, 1]), Self.marker]
    #expect(refusal(rows)?.errorClass == "quantized")
    #expect(refusal(rows)?.message == "its m.proj.scale_weight is F32 [6, 1]; expected F32 or BF16 or F16 [] or [1]")
    let described = [Self.codes(), Self.text("{\"format\": \"float8_e4m3fn\"}")]
    #expect(refusal(described)?.message == "the base has no m.proj.weight_scale; expected with the codes")
    let beside =
      described + [
        TestTensor("m.proj.weight_scale", .f32, []), TestTensor("m.proj.pre_quant_scale", .f32, [10]),
      ]
    #expect(refusal(beside)?.message.contains("unknown tensor beside") == true)
    let wrong = [Self.codes(.f8E5M2)] + [described[1], TestTensor("m.proj.weight_scale", .f32, [])]
    #expect(refusal(wrong)?.message == "its weight is F8_E5M2; expected F8_E4M3 of float8_e4m3fn")
  }

  /// Formats that mean more than codes times a scale; the layers beside them are merged, and these are copied.
  @Test(arguments: [
    ("{\"format\": \"nvfp4\"}", "nvfp4"), ("{\"format\": \"mxfp8\"}", "mxfp8"),
    ("{\"format\": \"awq_w4a16\"}", "awq_w4a16"), ("{\"format\": \"svdquant\"}", "svdquant"),
    ("{\"format\": \"new\"}", "new"), ("{}", "without a format"),
    ("{\"format\": \"int8_tensorwise\", \"convrot\": true}", "convrot"),
    ("{\"format\": \"float8_e4m3fn\", \"group\": 8}", "group of float8_e4m3fn"), ("[1]", "not JSON"),
  ])
  func otherFormatsAreRejected(json: String, what: String) throws {
    let dtype: DType = json.contains("nvfp4") ? .u8 : json.contains("int8") ? .i8 : .f8E4M3
    let base = [
      Self.codes(dtype, dtype == .u8 ? [6, 5] : [6, 10]), TestTensor("m.proj.weight_scale", .f8E4M3, [6, 1]),
      Self.text(json), TestTensor("m.other.weight", .bf16, [6, 10]),
    ]
    let error = refusal(base)
    #expect(error?.errorClass == "unsupported" && error?.category == .refusedInput)
    #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    // A dtype is for all layers.
    #expect(refusal(base, MergeOptions(outputDType: .bf16))?.message == error?.message)
    guard json != "[1]" else { return }
    let other = try plan(base, module: "m.other")
    #expect(other.shards[0].tensors.filter { $0.update != nil }.map(\.name.string) == ["m.other.weight"])
    #expect(other.shards[0].tensors.count == 4)
  }

  @Test func contradictionsAreRefused() {
    let base = [
      Self.codes(), TestTensor("m.proj.weight_scale", .f32, []), Self.text("{\"format\": \"float8_e4m3fn\"}"),
    ]
    func metadata(_ text: String) -> String {
      "{\"_quantization_metadata\": \"\(text.replacing("\"", with: "\\\""))\"}"
    }
    let other = metadata("{\"layers\": {\"m.proj\": {\"format\": \"float8_e5m2\"}}}")
    #expect(refusal(base, metadata: other)?.message.contains("descriptions that differ") == true)
    #expect(refusal(base, metadata: metadata("{"))?.message.contains("_quantization_metadata that is no JSON") == true)
    let same = metadata("{\"layers\": {\"m.proj\": {\"format\": \"float8_e4m3fn\"}, \"gone\": {\"format\": \"x\"}}}")
    #expect(refusal(base, metadata: same) == nil)
  }

  /// Under a marker all linear layers are read as FP8: one that can't be written so is rejected.
  @Test func theOlderFormIsNotMixed() {
    let base = [Self.codes(.f8E5M2), TestTensor("m.proj.scale_weight", .f32, []), Self.marker]
    for options in [MergeOptions(), Self.requantizing] {
      let error = refusal(base, options)
      #expect(error?.errorClass == "unsupported" && error?.message.contains("F8_E5M2") == true)
      #expect(error?.hint == "--dtype bf16 decodes the whole file")
    }
    var peft = MergeOptions()
    peft.arithmetic = .peft
    let scaled = [Self.codes(), TestTensor("m.proj.scale_weight", .f32, []), Self.marker]
    #expect(refusal(scaled, peft)?.message.contains("arithmetic") == true)
    #expect(refusal(base, MergeOptions(outputDType: .f16)) == nil)
  }

  @Test func withoutScalesAChoiceIsNeeded() throws {
    let base = [Self.codes(), TestTensor("m.proj.bias", .f8E4M3, [6]), TestTensor("m.norm.scale", .f8E4M3, [8])]
    let error = refusal(base)
    #expect((error as? PlanError)?.problem == .unscaledFP8(.f8E4M3))
    #expect(error?.tensor == Self.weight)
    let kept = try plan(base, Self.requantizing)
    #expect(kept.shards[0].tensors.map { $0.update != nil } == [true, false, false])
    #expect(kept.shards[0].tensors.map(\.outputDType) == [.f8E4M3, .f8E4M3, .f8E4M3])
    let decoded = try plan(base, MergeOptions(outputDType: .f16))
    #expect(decoded.shards[0].tensors.map(\.outputDType) == [.f16, .f16, .f16])
    #expect(decoded.quantization?.decoded == 3)
    let e5 = refusal([Self.codes(.f8E5M2)], Self.requantizing)
    #expect(e5?.message.contains("F8_E5M2") == true && e5?.hint == "--dtype bf16 decodes the whole file")
    // Scales that nothing describes.
    let scaled = [Self.codes(), TestTensor("m.proj.weight_scale", .f32, [])]
    for options in [MergeOptions(), MergeOptions(outputDType: .bf16), Self.requantizing] {
      #expect(refusal(scaled, options)?.message.contains("m.proj.weight_scale beside it") == true)
    }
  }

  /// One line for each weight, none for its parts.
  @Test func theWeightsAreListed() throws {
    let scratch = try Scratch()
    let path = scratch.file("base.safetensors")
    try writeFile(
      path,
      [
        Self.codes(), TestTensor("m.proj.scale_weight", .f32, []), TestTensor("m.proj.scale_input", .f32, []),
        TestTensor("m.conv.weight", .f8E4M3, [4, 2, 3, 3]), TestTensor("m.conv.scale_weight", .f32, [1]), Self.marker,
      ])
    let weights = StoredWeights(try Checkpoint(path: path))
    #expect(weights.weights.map(\.name.string) == [Self.weight, "m.conv.weight"])
    #expect(weights.weights.map(\.label) == ["FP8 per tensor", "FP8 per tensor"])
    #expect(weights.weights.map(\.shape) == [[6, 10], [4, 2, 3, 3]])
    #expect(weights.weights.map(\.parts.count) == [2, 1])
    #expect(weights.refusal == nil)
  }
}
