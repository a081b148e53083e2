import Adapters
import Checkpoints
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// What each tensor of the output is computed from, and what it is written as.
@Suite struct ContentTests {
  private static let weight = "m.q_proj.weight"

  /// The planned tensors, by name.
  private func tensors(
    _ base: [TestTensor], config: String? = "{}", options: MergeOptions = MergeOptions()
  ) throws -> [String: MergePlan.Tensor] {
    // Metadata that a merge doesn't add to, so that the header stays as long as it is.
    let scratch = try Scratch()
    let folder = try scratch.folder("base")
    try writeFile(folder + "/model.safetensors", base, metadata: "{\"format\":\"pt\"}")
    if let config { try scratch.write(config, to: "base/config.json") }
    let plan = try makePlan(
      base: folder, loraLayer("m.q_proj", rows: 6, columns: 10), in: scratch, options: options)
    return Dictionary(uniqueKeysWithValues: plan.shards.flatMap(\.tensors).map { ($0.name.string, $0) })
  }

  private static let plain = [
    TestTensor(weight, .bf16, [6, 10]), TestTensor("m.k_proj.weight", .bf16, [6, 10]),
    TestTensor("m.norm.weight", .f32, [10]), TestTensor("m.empty.weight", .bf16, [0, 10]),
  ]

  private static let fp8 = "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [4, 4]}}"

  private static let coded = ["m.q_proj", "m.k_proj"].flatMap { module in
    [
      TestTensor("\(module).weight", .f8E4M3, [6, 10]),
      TestTensor("\(module).weight_scale_inv", .f32, [2, 3]),
    ]
  }

  /// Where a tensor is in the base, if the output has the layout of the base.
  private func place(_ tensor: MergePlan.Tensor) -> MergePlan.Source {
    MergePlan.Source(input: 0, dtype: tensor.outputDType, range: tensor.outputRange)
  }

  @Test func numbersAreUpdatedOrCopied() throws {
    let tensors = try tensors(Self.plain)
    let merged = try #require(tensors[Self.weight]?.computed)
    #expect(merged.weight == .numbers(place(try #require(tensors[Self.weight]))))
    #expect(merged.encoding == .numbers)
    #expect(merged.update.terms.count == 1)
    for name in ["m.k_proj.weight", "m.norm.weight", "m.empty.weight"] {
      let tensor = try #require(tensors[name])
      #expect(tensor.content == .copied(place(tensor)))
    }
  }

  @Test func anotherDTypeIsRoundedTo() throws {
    let tensors = try tensors(Self.plain, options: MergeOptions(outputDType: .f32))
    #expect(tensors[Self.weight]?.computed?.weight.dtype == .bf16)
    let other = try #require(tensors["m.k_proj.weight"]?.computed)
    #expect(other.weight.dtype == .bf16 && other.outputDType == .f32)
    #expect(other.update == TensorUpdate(roundingOnly: [6, 10]))
    // F32 already, and nothing to round.
    for (name, dtype) in [("m.norm.weight", DType.f32), ("m.empty.weight", .bf16)] {
      guard case .copied(let source)? = tensors[name]?.content else {
        Issue.record("\(name)")
        continue
      }
      #expect(source.dtype == dtype)
    }
  }

  @Test func qloraWeightsAreReadAsInTraining() throws {
    var options = MergeOptions()
    let training = try #require(QLoRAQuantization(block: 32))
    options.qlora = training
    let tensors = try tensors(Self.plain, options: options)
    for name in [Self.weight, "m.k_proj.weight"] {
      let tensor = try #require(tensors[name])
      let computed = try #require(tensor.computed)
      #expect(computed.weight == .numbersThroughQLoRA(place(tensor), training))
      #expect(computed.encoding == .numbers)
      #expect(computed.update.changesElements == (name == Self.weight))
    }
    let norm = try #require(tensors["m.norm.weight"])
    #expect(norm.content == .copied(place(norm)))
  }

  @Test func codesAreDequantizedWhereAnAdapterChangesThem() throws {
    let tensors = try tensors(Self.coded, config: Self.fp8)
    #expect(tensors.keys.sorted() == ["m.k_proj.weight", "m.k_proj.weight_scale_inv", Self.weight])
    let merged = try #require(tensors[Self.weight]?.computed)
    guard case .codes(let weight, let source) = merged.weight else {
      Issue.record("\(merged.weight)")
      return
    }
    #expect(weight.format == .blocks(.init(blockRows: 4, blockColumns: 4, rows: 6, columns: 10)))
    #expect(source == weight.codes && source.dtype == .f8E4M3 && source.range.count == 60)
    #expect(weight.scales.range.count == 24)
    #expect(merged.weight.dtype == .bf16 && merged.outputDType == .bf16 && merged.encoding == .numbers)
    guard case .copied(let kept)? = tensors["m.k_proj.weight"]?.content else {
      Issue.record("not copied")
      return
    }
    #expect(kept.dtype == .f8E4M3 && kept.range.count == 60)
  }

  @Test func requantizedWeightsAreTwoTensorsOfOneUpdate() throws {
    var options = MergeOptions()
    options.requantizes = true
    let tensors = try tensors(Self.coded, config: Self.fp8, options: options)
    #expect(tensors.count == 4)
    let parts: [(name: String, part: Requantization.Part)] = [
      (Self.weight, .codes), (Self.weight + "_scale_inv", .scales),
    ]
    for (name, part) in parts {
      let tensor = try #require(tensors[name])
      let computed = try #require(tensor.computed)
      guard case .requantized(let requantization) = computed.encoding else {
        Issue.record("\(computed.encoding)")
        continue
      }
      #expect(requantization.part == part && requantization.scaleDType == .f32)
      #expect(computed.update == tensors[Self.weight]?.update)
      // The products of codes and scales are not rounded before the merge.
      #expect(computed.weight.dtype == .f32)
      #expect(computed.weight.source == place(tensor))
    }
    for name in ["m.k_proj.weight", "m.k_proj.weight_scale_inv"] {
      let tensor = try #require(tensors[name])
      #expect(tensor.content == .copied(place(tensor)))
    }
  }
}
