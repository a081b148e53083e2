import Adapters
import Checkpoints
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Weights that are padded with zeros before a delta is added: `reshape_weight`.
@Suite struct PaddedWeightTests {
  private func int64(_ numbers: [Int]) -> [UInt8] {
    numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
  }

  private func adapter(_ scratch: Scratch, _ name: String, inputs: Int, padsTo shape: [Int]?) throws -> AdapterUse {
    let path = scratch.file(name + ".safetensors")
    var tensors = [
      TestTensor("a.lora_down.weight", .f32, [2, inputs]), TestTensor("a.lora_up.weight", .f32, [6, 2]),
    ]
    if let shape { tensors.append(TestTensor("a.reshape_weight", .i64, [shape.count], bytes: int64(shape))) }
    try writeFile(path, tensors)
    return AdapterUse(try Adapter(path: path))
  }

  private func base(_ scratch: Scratch, _ shape: [Int] = [6, 4]) throws -> Checkpoint {
    let path = scratch.file("base.safetensors")
    try writeFile(path, [TestTensor("a.weight", .bf16, shape), TestTensor("b.weight", .bf16, [2, 2])])
    return try Checkpoint(path: path)
  }

  @Test func theOutputHasTheNewShape() throws {
    let scratch = try Scratch()
    let plan = try MergePlan(
      base: base(scratch),
      adapters: [adapter(scratch, "x", inputs: 8, padsTo: [6, 8]), adapter(scratch, "y", inputs: 8, padsTo: nil)])
    let tensor = try #require(plan.shards[0].tensors.first { $0.name == "a.weight" })
    #expect(tensor.shape == [6, 8] && tensor.outputRange.count == 6 * 8 * 2)
    #expect(tensor.computed?.update.columns == 8)
    guard case .padded(let source, columns: 4)? = tensor.computed?.weight else {
      Issue.record("\(tensor.content)")
      return
    }
    #expect(source.range.count == 6 * 4 * 2 && plan.warnings.contains { $0.contains("from [6, 4] to [6, 8]") })
    // A weight that has the shape already is as it is.
    let wide = try MergePlan(
      base: base(scratch, [6, 8]), adapters: [adapter(scratch, "x", inputs: 8, padsTo: [6, 8])])
    #expect(wide.warnings.isEmpty)
    guard case .numbers? = wide.updatedTensors.first(where: { $0.name == "a.weight" })?.weight else {
      Issue.record("padded")
      return
    }
  }

  private func refusal(_ base: Checkpoint, _ adapters: [AdapterUse]) throws -> PlanError {
    try #require(throws: PlanError.self) { _ = try MergePlan(base: base, adapters: adapters) }
  }

  @Test func otherShapesAreRefused() throws {
    let scratch = try Scratch()
    let wide = try adapter(scratch, "x", inputs: 8, padsTo: [6, 8])
    for shape in [[6, 9], [5, 4], [6, 2, 2, 1]] {
      let error = try refusal(base(scratch, shape), [wide])
      #expect(error.errorClass == "unsupported" && error.message.contains("can grow"), "\(shape)")
    }
    let narrow = try adapter(scratch, "y", inputs: 4, padsTo: nil)
    let late = try refusal(base(scratch), [narrow, wide])
    #expect(late.message.contains("another adapter changes it before"))
    // What comes after has the new shape to fit.
    #expect(try refusal(base(scratch), [wide, narrow]).errorClass == "shape")
    let folder = try scratch.folder("folder")
    try writeFile(folder + "/model.safetensors", [TestTensor("a.weight", .bf16, [6, 4])])
    try scratch.write("{}", to: "folder/config.json")
    #expect(try refusal(Checkpoint(path: folder), [wide]).message.contains("config.json says the old size"))
    let wrong = #expect(throws: AdapterError.self) { try adapter(scratch, "z", inputs: 8, padsTo: [6, 7]) }
    #expect(wrong?.errorClass == "unsupported" && wrong?.tensor == "a.reshape_weight")
  }
}
