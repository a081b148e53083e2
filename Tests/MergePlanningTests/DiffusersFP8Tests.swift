import Adapters
import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// FP8 in folders of diffusers, which converts every tensor from its own dtype and ignores scales.
@Suite struct DiffusersFP8Tests {
  private static let file = "diffusion_pytorch_model.safetensors"

  private static func codes(_ name: String) -> TestTensor {
    TestTensor(name, .f8E4M3, [6, 10], bytes: (0..<60).map { UInt8($0 * 2) })
  }

  private static let tensors = [
    codes("blocks.0.q.weight"), codes("blocks.0.k.weight"), TestTensor("norm.weight", .f16, [400]),
    TestTensor("out.weight", .bf16, [6, 10]),
  ]

  /// A pipeline, or one part of it alone.
  private func base(_ scratch: Scratch, isPart: Bool, _ more: [TestTensor] = [], metadata: String? = nil) throws
    -> String
  {
    let name = isPart ? "base" : "base/transformer"
    try scratch.folder(name)
    if !isPart {
      try scratch.write(
        #"{"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}"#,
        to: "base/model_index.json")
    }
    try scratch.write(#"{"_class_name": "FluxTransformer2DModel"}"#, to: name + "/config.json")
    try writeFile(scratch.file(name + "/" + Self.file), Self.tensors + more, metadata: metadata)
    return scratch.file("base")
  }

  private func plan(
    _ base: String, _ scratch: Scratch, module: String = "blocks.0.q", _ options: MergeOptions = MergeOptions()
  ) throws -> MergePlan {
    let path = scratch.file("adapter.safetensors")
    try writeFile(
      path,
      [
        TestTensor("\(module).lora_down.weight", .f32, [2, 10]), TestTensor("\(module).lora_up.weight", .f32, [6, 2]),
      ])
    return try MergePlan(
      base: try Checkpoint(path: base), adapters: [AdapterUse(try Adapter(path: path))], options: options)
  }

  /// In the 16 bits that the part has most of; everything else keeps its bytes.
  @Test(arguments: [true, false]) func changedWeightsBecomeNumbers(isPart: Bool) throws {
    let scratch = try Scratch()
    let base = try base(scratch, isPart: isPart)
    let plan = try plan(base, scratch)
    let merged = plan.shards.flatMap(\.tensors)
    #expect(merged.map(\.outputDType) == [.f16, .f8E4M3, .f16, .bf16])
    #expect(merged.map { $0.update != nil } == [true, false, false, false])
    #expect(plan.quantization?.decoded == 1 && plan.quantization?.kept == 1)
    #expect(try self.plan(base, scratch, MergeOptions(outputDType: .bf16)).shards[0].tensors[0].outputDType == .bf16)
    var options = MergeOptions()
    options.requantizes = true
    let error = refusal { _ = try self.plan(base, scratch, options) }
    #expect(
      error?.message.contains("--requantize is not supported for fp8 without scales") == true, "\(error?.message ?? "")"
    )
  }

  /// Whichever they are: no reader of the folder multiplies by them.
  @Test(arguments: [true, false], ["scale_weight", "weight_scale"])
  func scalesAreNamed(isPart: Bool, leaf: String) throws {
    let scratch = try Scratch()
    let text = #"{"format": "float8_e4m3fn"}"#
    let base = try base(
      scratch, isPart: isPart,
      [
        TestTensor("blocks.0.q.\(leaf)", .f32, []),
        leaf == "scale_weight"
          ? TestTensor("scaled_fp8", .f8E4M3, [0])
          : TestTensor("blocks.0.q.comfy_quant", .u8, [text.utf8.count], bytes: Array(text.utf8)),
      ])
    let error = refusal { _ = try plan(base, scratch) }
    #expect(
      error?.category == .refusedInput && error?.tensor?.contains("blocks.0.q.") == true, "\(error?.message ?? "")")
    #expect(error?.hint == "merge into the model's original 16-bit weights")
    // Beside an adapter of other layers they are copied.
    let other = try plan(base, scratch, module: "out")
    #expect(other.shards[0].tensors.filter { $0.update != nil }.map(\.outputDType) == [.bf16])
    #expect(other.shards[0].tensors.count == 6)
  }
}
