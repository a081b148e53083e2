import AdapterWriting
import Adapters
import Checkpoints
import Factorization
import Foundation
import LowRank
import Platform
import Safetensors
import Staging
import TestSupport
import Testing

/// Adapters of a lower rank, against the same adapter before.
@Suite struct ResizeTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @discardableResult
  private func resize(
    _ path: String, _ rule: RankRule, as name: String = "smaller", dtype: DType? = nil
  ) throws -> String {
    let adapter = try Adapter(path: path)
    let plan = try ResizePlan(adapter, rule: rule, dtype: dtype)
    let output = scratch.file(name + (adapter.isFile ? ".safetensors" : ""))
    let destination = try AdapterDestination(output, isFolder: !adapter.isFile, inputs: [path])
    let identity = try MergeIdentity(command: "resize", version: "1", options: [], adapters: [adapter])
    try AdapterWriter(plan.units, workers: 2).run(to: destination, as: identity) { try plan.document($0) }
    return output
  }

  /// The path of a module is also the end of others' paths.
  @Test func modulesWhosePathsEndAlikeKeepTheirRanks() throws {
    let tensors = [("model.a.proj", 4), ("model.b.proj", 4), ("proj", 2)].flatMap { module, rank in
      [
        TestTensor("\(module).lora_A.weight", .f32, [rank, 8]),
        TestTensor("\(module).lora_B.weight", .f32, [8, rank]),
      ]
    }
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 4, alpha: "4", tensors,
      fields: #""rank_pattern": {"model.a.proj": 4, "model.b.proj": 4, "proj": 2}, "target_modules": ["proj"]"#)
    let smaller = try Adapter(path: try resize(adapter, RankRule(.count(10_000))))
    #expect(smaller.updates.map(\.rank) == [4, 4, 2])
    #expect(smaller.updates.map(\.scaling) == [1, 1, 1])
  }

  /// With its own rank an adapter stays what it was.
  @Test(arguments: [
    "linear-f32", "patterns-f32", "rslora-f32", "conv-f32", "embedding-f32", "dora-linear-f32", "lm-head-f32",
  ])
  func ownRankKeepsTheMerge(name: String) throws {
    let item = try FixtureCase.named(name)
    let smaller = try resize(item.adapters[0], RankRule(.count(10_000)))
    try Pair.merge(item.base, item.adapters[0], to: scratch.file("before"))
    try Pair.merge(item.base, smaller, to: scratch.file("after"))
    let (before, after) = (try Pair.values(scratch.file("before")), try Pair.values(scratch.file("after")))
    for (name, values) in before {
      let largest = values.reduce(0) { max($0, $1.magnitude) }
      for (index, value) in values.enumerated() {
        #expect(abs(try #require(after[name])[index] - value) <= 2e-6 * largest, "\(name)")
      }
    }
    let tensors = try Adapter(path: smaller).header.tensors.count
    #expect(try tensors == Adapter(path: item.adapters[0]).header.tensors.count)
  }

  @Test func lowerRankIsThatOfTheExtractedDelta() throws {
    let pair = try Pair("linear-f32")
    let smaller = try resize(FixtureCase.named("linear-f32").adapters[0], RankRule(.count(2)))
    let adapter = try Adapter(path: smaller)
    #expect(Set(adapter.updates.compactMap(\.rank)) == [2])
    let extracted = try pair.extract(RankRule(.count(2)))
    for (path, name) in [(smaller, "one"), (extracted, "other")] {
      try Pair.merge(pair.base, path, to: scratch.file(name))
    }
    let (one, other) = (try Pair.values(scratch.file("one")), try Pair.values(scratch.file("other")))
    for (name, values) in one {
      let largest = values.reduce(0) { max($0, $1.magnitude) }
      for (index, value) in values.enumerated() {
        #expect(abs(try #require(other[name])[index] - value) <= 1e-5 * largest, "\(name)")
      }
    }
  }

  /// A head that is tied to the embedding is checked against it when the adapter is merged.
  @Test(arguments: [DType?.none, .bf16])
  func tiedFactorsStayEqual(dtype: DType?) throws {
    let item = try FixtureCase.named("tied-ensured-f32")
    for rule in [RankRule(.count(1)), RankRule(.energy(0.9)), RankRule(.count(10_000))] {
      let path = try resize(item.adapters[0], rule, dtype: dtype)
      // It refuses factors that are not equal.
      try Pair.merge(item.base, path, to: scratch.file("merged"))
      #expect(try Pair.values(scratch.file("merged")) != Pair.values(item.base))
      try FileManager.default.removeItem(atPath: scratch.file("merged"))
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func energyWritesARankPattern() throws {
    let path = try resize(FixtureCase.named("linear-f32").adapters[0], RankRule(.energy(0.7)))
    let ranks = try Adapter(path: path).updates.map { ($0.rank ?? 0, $0.scaling ?? 0) }
    #expect(Set(ranks.map(\.0)).count > 1)
    #expect(ranks.allSatisfy { $0.1 == 1 })
  }

  @Test(arguments: ["experts-f32", "init-pissa-f32", "lora-bias-f32"])
  func refusesUpdatesThatAreNotAProduct(name: String) throws {
    let path = try FixtureCase.named(name).adapters[0]
    let error = try #require(refusal { try resize(path, RankRule(.count(1))) })
    #expect(error.errorClass == "unsupported" && error.hint?.contains("--to lora") == true)
    #expect(try scratch.entries() == [])
  }

  @Test func factorsOfMLXAreToBeConvertedFirst() throws {
    let error = try #require(refusal { try resize(fixturesPath() + "/mlx/lora/adapter", RankRule(.count(1))) })
    #expect(error.errorClass == "unsupported" && error.hint?.contains("--to peft") == true)
    #expect(try scratch.entries() == [])
  }

  @Test(arguments: ["ln_tuning-rms-f32", "trainable_tokens-list-f32"])
  func refusesAdaptersWithoutFactors(name: String) throws {
    let path = try FixtureCase.named(name).adapters[0]
    let error = try #require(refusal { try resize(path, RankRule(.count(1))) })
    #expect(error.message == "the adapter has no product of two factors to resize")
    #expect(error.file == path + "/adapter_model.safetensors")
    #expect(try scratch.entries() == [])
  }

  @Test(arguments: ["A", "B"])
  func namesTheFactorThatIsNotFinite(factor: String) throws {
    let damaged: [UInt8] = [0, 0, 0x80, 0x7F] + [UInt8](repeating: 0, count: 28)
    let tensors = [("A", [2, 4]), ("B", [4, 2])].map { name, shape in
      name == factor
        ? TestTensor("proj.lora_\(name).weight", .f32, shape, bytes: damaged)
        : TestTensor("proj.lora_\(name).weight", .f32, shape)
    }
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 2, alpha: "2", tensors, fields: #""target_modules": ["proj"]"#)
    let error = try #require(refusal { try resize(adapter, RankRule(.count(1))) })
    #expect(error.errorClass == "nonfinite" && error.tensor == "base_model.model.proj.lora_\(factor).weight")
    #expect(try scratch.entries() == ["adapter"])
  }
}
