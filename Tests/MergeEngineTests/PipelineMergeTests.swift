import Adapters
import Checkpoints
import Foundation
import JSONText
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// Merges into a pipeline of diffusers: the same folders and files, with the changed weights.
@Suite struct PipelineMergeTests {
  /// `W + B A` of the two tensors that the adapter changes.
  private static func expected(_ name: String, _ weight: TestTensor, a: Int, b: Int) -> TestTensor {
    func values(_ tensor: TestTensor) -> [Float] {
      stride(from: 0, to: tensor.bytes.count, by: 4).map { start in
        Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(tensor.bytes[start + $1]) << UInt32(8 * $1) })
      }
    }
    let (rows, columns) = (values(TestPipeline.tensor("", [4], b)), values(TestPipeline.tensor("", [4], a)))
    let sums = zip(values(weight), rows.flatMap { row in columns.map { row * $0 } }).map { $0 + $1 }
    let bytes = sums.flatMap { sum in (0..<4).map { UInt8(truncatingIfNeeded: sum.bitPattern >> (8 * UInt32($0))) } }
    return TestTensor(name, .f32, [4, 4], bytes: bytes)
  }

  @Test func everyFileIsThere() throws {
    let scratch = try Scratch()
    let base = try TestPipeline(scratch)
    // Other forms of the weights, in a part and in the pipeline's folder, are not copied; unknown files are.
    try base.write("other", to: "unet/diffusion_pytorch_model.bin")
    try base.write("other", to: "unet/openvino_model.xml")
    try base.write("other", to: "sd_xl_base_1.0.safetensors")
    try base.write("kept", to: "unet/extra.txt")
    let output = scratch.file("merged")
    let merge = try TestMerge(base: base.path, adapter: base.adapter(), output: output)
    #expect(
      merge.sideFiles.leftOut.map(\.name) == [
        "README.md", "sd_xl_base_1.0.safetensors", "unet/diffusion_pytorch_model.bin", "unet/openvino_model.xml",
      ])
    try merge.run()
    var expected = try tree(base.path)
    for name in merge.sideFiles.leftOut.map(\.name) { expected[name] = nil }
    // The changed tensors, and the indexes as they are written; every other file has the bytes of the base's.
    let changed = try Scratch()
    let encoder = TestPipeline.textEncoder(2)
    try writeFile(
      changed.file("a"), [encoder[0], Self.expected("text_model.q_proj.weight", encoder[1], a: 1, b: 2)],
      metadata: #"{"format":"pt"}"#)
    expected["text_encoder_2/model.safetensors"] = try contents(changed.file("a"))
    let query = TestPipeline.tensor("mid.to_q.weight", [4, 4], 4)
    try writeFile(
      changed.file("b"),
      [TestPipeline.tensor("conv_in.weight", [4, 2, 3, 3], 3), Self.expected("mid.to_q.weight", query, a: 3, b: 4)],
      metadata: #"{"format":"pt"}"#)
    expected[TestPipeline.weights[2]] = try contents(changed.file("b"))
    let shards = TestPipeline.weights[2...3].map { String($0.dropFirst("unet/".count)) }
    let index = """
      {
        "metadata": {
          "total_size": 384
        },
        "weight_map": {
          "conv_in.weight": "\(shards[0])",
          "conv_out.weight": "\(shards[1])",
          "mid.to_q.weight": "\(shards[0])"
        }
      }

      """
    expected["unet/" + TestPipeline.indexName] = Array(index.utf8)
    let found = try tree(output)
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    // The result is a pipeline in the same way.
    let merged = try Checkpoint(path: output)
    #expect(merged.tensorNames == (try Checkpoint(path: base.path).tensorNames))
  }

  /// Pipelines as diffusers saves them: only the files with changed tensors differ, and the index has the same bytes.
  @Test(arguments: ["pipeline", "pipeline-fp16"]) func savedPipelinesKeepTheirFiles(name: String) throws {
    let scratch = try Scratch()
    let base = fixturesPath() + "/image/" + name
    let model = try Checkpoint(path: base)
    #expect(model.parts.map(\.name) == ["text_encoder", "unet", "vae"])
    #expect(model.warnings == [])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestPipeline.tensor("unet/time_embedding.linear_1.lora_A.weight", [1, 4], 1),
        TestPipeline.tensor("unet/time_embedding.linear_1.lora_B.weight", [16, 1], 2),
      ])
    try TestMerge(base: base, adapter: adapter, output: scratch.file("merged")).run()
    let target: TensorName = "unet/time_embedding.linear_1.weight"
    let place = try #require(model.location(of: target))
    let (before, after) = (try tree(base), try tree(scratch.file("merged")))
    #expect(before.keys.sorted() == after.keys.sorted())
    #expect(before.filter { $0.value != after[$0.key] }.map(\.key) == [model.files[place.file].name])
    let merged = try Checkpoint(path: scratch.file("merged"))
    #expect(merged.location(of: target) == place)
    #expect(merged.parts.map(\.layout) == model.parts.map(\.layout))
  }

  /// A dtype for all weights is said in the config.json of the parts that say one.
  @Test func aDTypeIsWrittenToTheConfigOfTheParts() throws {
    let scratch = try Scratch()
    let base = try TestPipeline(scratch)
    let output = scratch.file("merged")
    try TestMerge(base: base.path, adapter: base.adapter(), output: output, dtype: .bf16).run()
    let merged = try Checkpoint(path: output)
    #expect(merged.files.allSatisfy { $0.header.tensors.allSatisfy { $0.dtype == .bf16 } })
    #expect(merged.parts.map { $0.config?["torch_dtype"] } == [.string("bfloat16"), .string("bfloat16"), nil, nil])
    #expect(merged.parts[2].index?.metadata == [JSONMember(key: "total_size", value: .integer(192))])
  }

  @Test(arguments: [ShardingPolicy.single, .atMost(1 << 20)]) func otherFileSizesAreRefused(sizes: ShardingPolicy)
    throws
  {
    let base = try TestPipeline(Scratch())
    var options = MergeOptions()
    options.fileSizes = sizes
    #expect(throws: PlanError(path: base.path, tensor: nil, .dividedPipeline)) {
      try TestMerge(
        base: base.path, adapters: [(base.adapter(), 1)], output: base.scratch.file("merged"), options: options)
    }
  }

  /// A quantized part is copied; one that an adapter changes is refused.
  @Test func quantizedPartsAreNotChanged() throws {
    let base = try TestPipeline(Scratch())
    let quantized = #"{"_class_name": "A", "quantization_config": {"quant_method": "bitsandbytes"}}"#
    try base.write(quantized, to: "vae/config.json")
    try TestMerge(base: base.path, adapter: base.adapter(), output: base.scratch.file("merged")).run()
    try base.write(quantized, to: "unet/config.json")
    let error = PlanError(path: base.path, tensor: "unet/mid.to_q.weight", .quantizedBase(method: "bitsandbytes"))
    #expect(throws: error) {
      try TestMerge(base: base.path, adapter: base.adapter(), output: base.scratch.file("other"))
    }
  }

  /// The variant that is merged keeps its file names, and the other is named among the files that are not copied.
  @Test func theOtherVariantIsLeftOut() throws {
    let scratch = try Scratch()
    let base = try TestPipeline(scratch)
    try base.write(
      [TestPipeline.tensor("decoder.weight", [3, 2], 9)], to: "vae/diffusion_pytorch_model.fp16.safetensors")
    let model = try Checkpoint(path: base.path, workers: 1, variant: "fp16")
    let plan = try MergePlan(base: model, adapters: [AdapterUse(Adapter(folder: base.adapter()))])
    #expect(plan.shards.map(\.name).last == "vae/diffusion_pytorch_model.fp16.safetensors")
    let files = try SideFiles(plan, base: model, adapters: [])
    #expect(files.leftOut.map(\.name) == ["README.md", "vae/diffusion_pytorch_model.safetensors"])
  }
}
