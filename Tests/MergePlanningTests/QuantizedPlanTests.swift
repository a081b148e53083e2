import Adapters
import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Quantized bases that are not what their config says are refused, whatever an adapter changes.
@Suite struct QuantizedPlanTests {
  private static let weight = "m.proj.weight"

  private static let fp8 = "{\"quant_method\": \"fp8\", \"weight_block_size\": [4, 4]}"

  private static func codes(_ dtype: DType = .f8E4M3, _ shape: [Int] = [6, 10]) -> TestTensor {
    TestTensor(weight, dtype, shape)
  }

  private static func scales(_ shape: [Int] = [2, 3], _ dtype: DType = .f32) -> TestTensor {
    TestTensor(weight + "_scale_inv", dtype, shape)
  }

  private func plan(
    _ base: [TestTensor], _ quantization: String, more: [TestTensor] = [], index: [String: String] = [:],
    fields: String = "", config: String? = nil
  ) throws -> MergePlan {
    let scratch = try Scratch()
    let path = try scratch.folder("base")
    if more.isEmpty {
      try writeFile(path + "/model.safetensors", base)
    } else {
      try writeFile(path + "/model-1.safetensors", base)
      try writeFile(path + "/model-2.safetensors", more)
      try writeIndex(
        path,
        [("model-1.safetensors", base), ("model-2.safetensors", more)].map { shard in
          (
            shard.0,
            (base + more).filter {
              (index[$0.name] ?? (base.map(\.name).contains($0.name) ? "model-1.safetensors" : "model-2.safetensors"))
                == shard.0
            }
          )
        })
    }
    try scratch.write(config ?? "{\"quantization_config\": \(quantization)}", to: "base/config.json")
    return try makePlan(
      base: path, loraLayer("m.proj", rows: 6, columns: 10), in: scratch, alpha: "2", fields: fields)
  }

  private func refusal(
    _ base: [TestTensor], _ quantization: String = fp8, more: [TestTensor] = [], index: [String: String] = [:],
    fields: String = ""
  ) -> (any ReportableError)? {
    TestSupport.refusal { _ = try plan(base, quantization, more: more, index: index, fields: fields) }
  }

  @Test func aRaggedGridIsTaken() throws {
    let plan = try plan([Self.codes(), Self.scales()], Self.fp8)
    #expect(
      plan.quantization
        == MergePlan.Quantization(method: "fp8", decoded: 1, kept: 0, configChange: "quantization_config is removed"))
    #expect(plan.shards[0].tensors.map(\.name.string) == [Self.weight])
    #expect(plan.shards[0].tensors[0].outputDType == .bf16)
  }

  /// Models of text and images have it with the text model's sizes.
  @Test(arguments: ["text_config", "decoder", "generator"])
  func theTextModelsSectionMaySayIt(section: String) throws {
    func config(_ more: String) -> String {
      "{\"a\": 1, \"\(section)\": {\"dtype\": \"float16\", \"quantization_config\": {\(more)}}}"
    }
    let fp8 = "\"quant_method\": \"fp8\", \"weight_block_size\": [4, 4]"
    func edited(_ base: [TestTensor], _ config: String) throws -> (plan: MergePlan, text: String?) {
      let plan = try plan(base, "", config: config)
      return (plan, plan.textFiles.first { $0.name == "config.json" }.map { String(decoding: $0.text, as: UTF8.self) })
    }
    let whole = try edited([Self.codes(), Self.scales()], config(fp8))
    #expect(whole.plan.quantization?.method == "fp8")
    #expect(whole.plan.shards[0].tensors.map(\.name.string) == [Self.weight])
    #expect(whole.text == "{\"a\": 1, \"\(section)\": {\"dtype\": \"float16\"}}")
    let other = "m.other.weight"
    let two = [
      Self.codes(), Self.scales(), TestTensor(other, .f8E4M3, [4, 4]), TestTensor(other + "_scale_inv", .f32, [1, 1]),
    ]
    let part = try edited(two, config(fp8))
    #expect(part.plan.quantization?.kept == 1)
    #expect(
      part.plan.quantization?.configChange
        == "\(section).quantization_config.modules_to_not_convert lists 2 modules")
    #expect(part.text == config(fp8 + ", \"modules_to_not_convert\": [\"lm_head\",\"m.proj\"]"))
    // What stands at the top counts; where nothing quantized is left, none may stay.
    let both = "{\"quantization_config\": {\(fp8)}, " + config("\"quant_method\": \"aqlm\"").dropFirst()
    #expect(
      try edited([Self.codes(), Self.scales()], both).text == "{\"a\": 1, \"\(section)\": {\"dtype\": \"float16\"}}")
  }

  @Test func scalesMayBeInAnotherShard() throws {
    let plan = try plan([Self.codes()], Self.fp8, more: [Self.scales(), TestTensor("x", .f32, [1])])
    #expect(plan.shards.map { $0.tensors.map(\.name.string) } == [[Self.weight], ["x"]])
    guard case .computed(.codes(let weight, _), _, .numbers) = plan.shards[0].tensors[0].content else {
      Issue.record("\(plan.shards[0].tensors[0].content)")
      return
    }
    #expect(weight.scales.input == 1)
  }

  @Test func missingScalesAreRefused() {
    let error = refusal([Self.codes()])
    #expect(error?.errorClass == "quantized")
    #expect(error?.tensor == Self.weight)
    #expect(error?.message == "the base has no \(Self.weight)_scale_inv; expected with the codes")
  }

  /// The index says another file than theirs.
  @Test func scalesInTheWrongShardAreRefused() {
    let error = refusal(
      [Self.codes()], more: [Self.scales(), TestTensor("x", .f32, [1])],
      index: [Self.weight + "_scale_inv": "model-1.safetensors"])
    #expect(error?.category == .refusedInput)
    #expect(error != nil)
  }

  @Test(arguments: [[1, 3], [2, 2], [3, 2], [6, 1], [6], [1], [], [2, 3, 1]])
  func aGridThatDoesNotTileIsRefused(shape: [Int]) {
    let error = refusal([Self.codes(), Self.scales(shape)])
    #expect(error?.errorClass == "quantized")
    #expect(error?.message.contains("is F32 \(shape)") == true)
    #expect(error?.message.contains("[2, 3]") == true)
  }

  @Test func scalesOfAnotherTypeAreRefused() {
    #expect(refusal([Self.codes(), Self.scales([2, 3], .i32)])?.errorClass == "quantized")
  }

  @Test func zeroPointsOfFloatsAreRefused() {
    let zeros = TestTensor(Self.weight + "_zero_point", .i8, [2, 3])
    #expect(refusal([Self.codes(), Self.scales(), zeros])?.errorClass == "unsupported")
  }

  @Test(arguments: ["hqq", "quanto", "eetq", "aqlm", "higgs", "fp_quant", "vptq", "spqr", "unknown-method"])
  func otherMethodsAreRefused(method: String) {
    let error = refusal([TestTensor("m.proj.qweight", .i32, [2, 6])], "{\"quant_method\": \"\(method)\"}")
    #expect(error?.errorClass == "unsupported")
    #expect(error?.message.contains("\"\(method)\"") == true)
  }

  @Test(arguments: ["mxfp6-pack-quantized", "mixed-precision", "marlin-24", "dense", "sparse-bitmask"])
  func otherFormatsOfCompressedTensorsAreRefused(format: String) {
    let error = refusal(
      [TestTensor("m.proj.weight_packed", .i32, [6, 2])],
      "{\"quant_method\": \"compressed-tensors\", \"format\": \"\(format)\"}")
    #expect(error?.errorClass == "unsupported")
    #expect(error?.message.contains(format) == true)
  }

  @Test func nibblesWithoutTheirStateAreRefused() {
    let base = [TestTensor(Self.weight, .u8, [30, 1]), TestTensor(Self.weight + ".absmax", .f32, [1])]
    let error = refusal(base, "{\"quant_method\": \"bitsandbytes\"}")
    #expect(error?.errorClass == "quantized")
    #expect(error?.message.contains("quant_state.bitsandbytes__nf4") == true)
  }

  @Test func nibblesOfAnotherSizeAreRefused() {
    func state(_ text: String) -> TestTensor {
      TestTensor(
        Self.weight + ".quant_state.bitsandbytes__nf4", .u8, [text.utf8.count], bytes: Array(text.utf8))
    }
    func problem(_ text: String, codes: Int = 30, scales: Int = 1) -> String? {
      let base = [
        TestTensor(Self.weight, .u8, [codes, 1]), TestTensor(Self.weight + ".absmax", .f32, [scales]),
        TestTensor(Self.weight + ".quant_map", .f32, [16]), state(text),
      ]
      return refusal(base, "{\"quant_method\": \"bitsandbytes\"}")?.errorClass
    }
    let good = "{\"quant_type\": \"nf4\", \"blocksize\": 64, \"dtype\": \"bfloat16\", \"shape\": [6, 10]}"
    #expect(problem(good) == nil)
    #expect(problem(good, codes: 29) == "quantized")
    #expect(problem(good, scales: 2) == "quantized")
    #expect(problem(good.replacing("64", with: "63")) == "unsupported")
    #expect(problem(good.replacing("[6, 10]", with: "[6, -10]")) == "unsupported")
    #expect(problem(good.replacing("[6, 10]", with: "[4294967296, 4294967296]")) == "unsupported")
    #expect(problem(good.replacing("\"nf4\"", with: "\"fp4\"")) == "unsupported")
    #expect(problem("{") == "unsupported")
  }

  @Test func int8WithoutScalesIsRefused() {
    #expect(refusal([Self.codes(.i8)], "{\"quant_method\": \"bitsandbytes\"}")?.errorClass == "quantized")
  }

  @Test func layersOfAQuantizedBaseAreNotReplicated() {
    let error = refusal([Self.codes(), Self.scales()], fields: "\"layer_replication\": [[0, 1]]")
    #expect(error?.errorClass == "unsupported")
  }

  /// A file alone has no config.json to say what its codes are.
  @Test func codesWithoutConfigAreRefused() throws {
    let scratch = try Scratch()
    let file = scratch.file("model.safetensors")
    try writeFile(file, [Self.codes(), Self.scales()])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 2, alpha: "2",
      [TestTensor("m.proj.lora_A.weight", .f32, [2, 10]), TestTensor("m.proj.lora_B.weight", .f32, [6, 2])])
    let error = try #require(throws: PlanError.self) {
      try MergePlan(base: Checkpoint(path: file), adapters: [AdapterUse(Adapter(folder: adapter))])
    }
    #expect(error.problem == .undescribedCodes("\(Self.weight)_scale_inv beside it"))
  }

  /// The experts of a layer are loaded together: one that is merged dequantizes all.
  @Test func expertsAreDecodedTogether() throws {
    #expect(QuantizedBase.module(of: "m.layers.0.mlp.experts.17.up_proj.weight") == "m.layers.0.mlp.experts")
    #expect(QuantizedBase.module(of: "m.layers.0.mlp.experts.gate_up_proj") == "m.layers.0.mlp.experts")
    #expect(
      QuantizedBase.module(of: "m.layers.0.mlp.shared_expert.up_proj.weight") == "m.layers.0.mlp.shared_expert.up_proj")
  }
}
