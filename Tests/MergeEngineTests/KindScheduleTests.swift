import MergePlanning
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import MergeEngine

/// Kinds of updates on tensors of several tiles: the same bytes for any number of workers and any instruction set, near
/// the exact result.
@Suite struct KindScheduleTests {
  enum Kind: String, CaseIterable, Sendable {
    case doraRows, doraColumns, doraEmbedding, doraConvolution, experts, expertsTransposed, embedding, attention, rows
  }

  private static let seeded = SeededGenerator()

  /// A base of one tensor of more than a tile, and an adapter of rank 2 for it.
  private func make(
    _ kind: Kind, _ dtype: DType, _ scratch: Scratch, _ random: inout SeededGenerator
  ) throws -> (base: String, adapter: String) {
    let (long, short) = (2050, 65)
    func tensor(_ name: String, _ shape: [Int], _ dtype: DType = .f32, offset: Float = 0) -> TestTensor {
      let numbers = random.numbers(shape.reduce(1, *))
      return TestTensor(name, dtype, shape, numbers: offset == 0 ? numbers : numbers.map { $0 + offset })
    }
    let weight: TestTensor
    var tensors: [TestTensor]
    var fields = "\"use_dora\": \(kind.rawValue.hasPrefix("dora"))"
    func factors(_ module: String, _ rows: Int, _ columns: Int, magnitude: Int?) -> [TestTensor] {
      [tensor("\(module).lora_A.weight", [2, columns]), tensor("\(module).lora_B.weight", [rows, 2])]
        + (magnitude.map { [tensor("\(module).lora_magnitude_vector", [$0], offset: 3)] } ?? [])
    }
    switch kind {
    case .doraRows:
      weight = tensor("model.up_proj.weight", [long, short], dtype)
      tensors = factors("model.up_proj", long, short, magnitude: long)
    case .doraColumns:
      weight = tensor("h.0.c_fc.weight", [long, short], dtype)
      tensors = factors("h.0.c_fc", short, long, magnitude: short)
      fields += ", \"fan_in_fan_out\": true"
    case .doraEmbedding, .embedding, .rows:
      weight = tensor("model.embed_tokens.weight", [long, short], dtype)
      let module = "model.embed_tokens"
      tensors = [
        tensor("\(module).lora_embedding_A", [2, long]), tensor("\(module).lora_embedding_B", [short, 2]),
      ]
      if kind == .doraEmbedding { tensors.append(tensor("\(module).lora_magnitude_vector", [short], offset: 3)) }
      if kind == .rows {
        // First and last row of tiles and of the tensor, not in their order.
        let first = TileSize.standard.rows(columns: short)
        tensors = [tensor("\(module).token_adapter.trainable_tokens_delta", [5, short])]
        fields += ", \"trainable_token_indices\": [\(long - 1), \(first), 0, \(first - 1), 7]"
      }
    case .doraConvolution:
      weight = tensor("conv.weight", [long, 13, 5], dtype)
      tensors = [
        tensor("conv.lora_A.weight", [2, 13, 5]), tensor("conv.lora_B.weight", [long, 2, 1]),
        tensor("conv.lora_magnitude_vector", [1, long, 1], offset: 3),
      ]
    case .experts:
      weight = tensor("mlp.experts.down_proj", [3, 700, short], dtype)
      tensors = [tensor("mlp.experts.lora_A.weight", [6, short]), tensor("mlp.experts.lora_B.weight", [700, 6])]
      fields += ", \"target_parameters\": [\"experts.down_proj\"]"
    case .expertsTransposed:
      weight = tensor("mlp.experts.down_proj", [3, 700, short], dtype)
      tensors = [tensor("mlp.experts.lora_A.weight", [6, 700]), tensor("mlp.experts.lora_B.weight", [short, 6])]
      fields += ", \"target_parameters\": [\"experts.down_proj\"]"
    case .attention:
      weight = tensor("attn.out_proj.weight", [370, 370], dtype)
      tensors =
        factors("attn.base_layer.out_proj", 370, 370, magnitude: nil) + factors("attn", 1110, 370, magnitude: nil)
    }
    var all = [TestTensor("pad", .u8, [3], bytes: [1, 2, 3]), weight]
    if kind == .attention { all.append(tensor("attn.in_proj_weight", [1110, 370], dtype)) }
    let base = scratch.file("base.safetensors")
    try writeFile(base, all, dataStart: 3)
    return (base, try writeAdapter(scratch.file("adapter"), rank: 2, alpha: "0.5", tensors, fields: fields))
  }

  @Test(arguments: Kind.allCases, [MergeOptions.Arithmetic.exact, .peft])
  func doNotDependOnWorkersOrInstructionSet(kind: Kind, arithmetic: MergeOptions.Arithmetic) throws {
    var random = Self.seeded
    let scratch = try Scratch()
    let dtype: DType = arithmetic == .exact ? .bf16 : .f16
    let (base, adapter) = try make(kind, dtype, scratch, &random)
    var options = MergeOptions()
    options.arithmetic = arithmetic
    var first: [UInt8]?
    for kernels in KernelSet.available {
      for workers in [1, 2, 7] {
        let output = scratch.file("\(kernels.name)-\(workers).safetensors")
        let merge = try TestMerge(base: base, adapters: [(adapter, 1)], output: output, options: options)
        if first == nil {
          let tiles = TileSchedule(merge.plan).segments.filter { if case .tiles = $0.kind { true } else { false } }
          #expect(tiles.contains { $0.jobCount > 1 })
        }
        try merge.run(workers: workers, kernels: kernels)
        let bytes = try contents(output)
        if let first {
          #expect(isSame(bytes[...], first[...]), "\(kernels.name), \(workers) workers, \(random)")
        } else {
          first = bytes
        }
      }
    }
    for size in TileSize.all.dropFirst() {
      let output = scratch.file("\(size.elementCount).safetensors")
      let merge = try TestMerge(base: base, adapters: [(adapter, 1)], output: output, options: options)
      var engine = MergeEngine.Options(workers: 2)
      engine.tileSize = size
      // With the statistics, where DoRA takes the way of several stages.
      engine.collectsStatistics = true
      try MergeEngine(merge.plan, options: engine).run(to: merge.place, sideFiles: merge.sideFiles)
      #expect(isSame(try contents(output)[...], try #require(first)[...]), "\(size), \(random)")
    }
    guard arithmetic == .exact else { return }
    var distance = Distance()
    let expected = try DoubleMerge(base: base, adapters: [(adapter, 1)])
    let found = try loadTensors(scratch.file("\(KernelSet.available[0].name)-1.safetensors"))
    for (name, tensor) in expected.tensors {
      #expect(tensor.isComputed)
      distance.add(try #require(found[name]), name, tensor)
    }
    #expect(distance.count > 130_000)
    #expect(distance.beyond == [], "\(random)")
    #expect(distance.otherwise <= 1 + distance.count / 5000, "\(distance.otherwise), \(random)")
  }
}
