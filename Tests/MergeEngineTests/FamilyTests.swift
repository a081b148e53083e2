import Checkpoints
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// Models whose files have other names or another layout than the model in memory that their adapters were made on.
@Suite struct FamilyTests {
  @Test(arguments: [
    "mixtral", "granitemoe", "llava", "nomic_bert", "qwen3_vl_moe", "inkling_mm_model", "ernie4_5_vl_moe", "kimi_k25",
  ])
  func hasTheBytesOfPEFT(name: String) throws {
    let scratch = try Scratch()
    let folder = fixturesPath() + "/families/\(name)"
    let base = try Checkpoint(path: folder + "/base")
    let output = scratch.file("merged")
    let merge = try TestMerge(base: base.path, adapter: folder + "/adapter", output: output)
    try merge.run()
    // Where only rows and columns are exchanged the shapes tell.
    #expect(merge.plan.rules.isEmpty == (name == "qwen3_vl_moe"))
    // The result has the base's files and its names in their order, each tensor as PEFT has it or as it was.
    let merged = try Checkpoint(path: output)
    #expect(merged.files.map(\.name) == base.files.map(\.name))
    #expect(merged.files.map { $0.header.tensors.map(\.name) } == base.files.map { $0.header.tensors.map(\.name) })
    let expected = try loadTensors(folder + "/merged")
    #expect(expected.count > 3)
    let (found, before) = (try loadTensors(output), try loadTensors(base.path))
    for (tensor, result) in found {
      let wanted = try #require(expected[tensor] ?? before[tensor])
      #expect(isSame(result.data, wanted.data), "\(tensor)")
    }
  }
}
