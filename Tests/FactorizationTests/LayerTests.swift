import Adapters
import Checkpoints
import Factorization
import LowRank
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

/// Models that do not have the same modules as their base.
@Suite struct LayerTests {
  private func replicated() throws -> (pair: Pair, reverse: Pair) {
    let pair = try Pair("replicated-f32")
    return (pair, Pair(scratch: pair.scratch, base: pair.tuned, tuned: pair.base))
  }

  private func message(_ pair: Pair, leavesOutOthers: Bool = false) -> String? {
    refusal { try pair.extract(RankRule(.count(2))) { $0.leavesOutOthers = leavesOutOthers } }
      .map { "\($0.tensor ?? "-"): \($0.message)" }
  }

  @Test(arguments: [false, true])
  func refusesAnotherNumberOfLayers(leavesOutOthers: Bool) throws {
    let (pair, reverse) = try replicated()
    let text = "model.layers.2.input_layernorm.weight: model.layers has"
    #expect(
      message(pair, leavesOutOthers: leavesOutOthers)
        == "\(text) 3 elements in the tuned model, and 2 in the base; an adapter cannot hold the change")
    #expect(
      message(reverse, leavesOutOthers: leavesOutOthers)
        == "\(text) 2 elements in the tuned model, and 3 in the base; an adapter cannot hold the change")
    #expect(try pair.scratch.entries() == ["tuned"])
  }

  /// A layer beyond `num_hidden_layers` is none of the model in memory, and trainers do not save it.
  @Test func layersThatAreNotLoadedAreTensorsThatTheTunedModelLacks() throws {
    let linear = try Pair("linear-f32")
    let pair = Pair(scratch: linear.scratch, base: try linear.scratch.folder("base"), tuned: linear.tuned)
    try write(contents(linear.base + "/config.json"), to: pair.base + "/config.json")
    let extra = TestTensor("model.layers.2.mlp.up_proj.weight", .f32, [2, 2])
    try writeFile(pair.base + "/model.safetensors", readTensors(linear.base + "/model.safetensors") + [extra])
    #expect(message(pair) == "\(extra.name): the tuned model does not have this tensor of the base")
    let adapter = try pair.extract(RankRule(.count(4))) { $0.leavesOutOthers = true }
    #expect(try Adapter(path: adapter).updates.count == 14)
  }

  /// The head is saved whole, and a merge with --add-tensors adds it.
  @Test(arguments: ["llama-sequence", "bert-sequence", "bert-token"])
  func newHeadsMergeAgain(feature: String) throws {
    let pair = try Pair("\(feature)-f32", addsTensors: true)
    let adapter = try pair.extract(RankRule(.count(10_000)))
    let again = pair.scratch.file("again")
    #expect(refusal { try Pair.merge(pair.base, adapter, to: again) }?.errorClass == "no-target")
    try Pair.merge(pair.base, adapter, to: again, addsTensors: true)
    let (one, other) = (try Pair.values(again), try Pair.values(pair.tuned))
    #expect(Set(one.keys) == Set(other.keys))
    #expect(try pair.deltaError(of: again) < 1e-6)
  }

  /// A head that the tuned model has apart from the embedding, and the base does not.
  @Test func untiedHeadsAreNamedAndMergeAgain() throws {
    let pair = try Pair("tied-head-f32", tied: .split)
    let plan = try ExtractionPlan(
      base: Checkpoint(path: pair.base), tuned: Checkpoint(path: pair.tuned),
      ExtractionOptions(rule: RankRule(.count(2))))
    #expect(plan.untiedModules == ["lm_head"] && plan.newModules == [])
    let adapter = try pair.extract(RankRule(.count(10_000)))
    let again = pair.scratch.file("again")
    #expect(refusal { try Pair.merge(pair.base, adapter, to: again) }?.errorClass == "tied")
    try Pair.merge(pair.base, adapter, to: again, tied: .split)
    let (one, other) = (try Pair.values(again), try Pair.values(pair.tuned))
    #expect(Set(one.keys) == Set(other.keys))
    #expect(try pair.deltaError(of: again) < 1e-6)
  }

  @Test func newHeadsAreNamed() throws {
    let pair = try Pair("llama-sequence-f32", addsTensors: true)
    let plan = try ExtractionPlan(
      base: Checkpoint(path: pair.base), tuned: Checkpoint(path: pair.tuned),
      ExtractionOptions(rule: RankRule(.count(2))))
    #expect(plan.newModules == ["score"])
  }
}
