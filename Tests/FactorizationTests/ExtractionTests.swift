import Adapters
import Checkpoints
import Factorization
import LowRank
import Platform
import Safetensors
import Synchronization
import TestSupport
import Testing

/// Models that are merged with the adapters of PEFT's fixtures give adapters that do the same.
@Suite struct ExtractionTests {
  /// Every kind of matrix and of whole tensor.
  static let features = [
    "linear", "embedding", "gpt2", "gpt2-wte", "conv", "lm-head", "bias-all", "bias-lora-only", "modules-to-save",
    "modules-to-save-norm", "dora-linear", "tied-ensured", "tied-saved-ensured",
    "resized-vocab-tied", "resized-vocab", "experts", "experts-down", "experts-gate-up", "experts-transposed",
    "experts-transposed-down",
  ]

  @Test(arguments: features)
  func fullRankMergesToTheTunedModel(feature: String) throws {
    let pair = try Pair("\(feature)-f32")
    let adapter = try pair.extract(RankRule(.count(10_000)))
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    let (one, other) = (try Pair.values(again), try Pair.values(pair.tuned))
    #expect(Set(one.keys) == Set(other.keys))
    for (name, values) in other {
      let largest = values.reduce(0) { max($0, $1.magnitude) }
      for (index, value) in values.enumerated() {
        let found = try #require(one[name])[index]
        #expect(abs(found - value) <= 1e-6 * largest, "\(name), element \(index)")
      }
    }
  }

  @Test(arguments: features)
  func fullRankInBF16IsOneUnitOffAtMost(feature: String) throws {
    let pair = try Pair("\(feature)-bf16")
    let adapter = try pair.extract(RankRule(.count(10_000)))
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    let (one, other) = (try Pair.values(again), try Pair.values(pair.tuned))
    var (off, count) = (0, 0)
    for (name, values) in other {
      for (index, value) in values.enumerated() {
        let found = try #require(one[name])[index]
        // 8 bits of precision.
        let unit = Float(sign: .plus, exponent: value == 0 ? -100 : value.exponent - 7, significand: 1)
        if abs(found - value) > unit { off += 1 }
        count += 1
      }
    }
    #expect(off * 1000 <= count, "\(off) of \(count)")
  }

  /// Not of adapters that also replace the weight, whose change has any rank.
  @Test(arguments: ["linear-f32", "embedding-f32", "gpt2-f32", "rslora-f32"])
  func rankOfTheAdapterGivesItsDelta(name: String) throws {
    let pair = try Pair(name)
    let rank = try #require(try Adapter(path: FixtureCase.named(name).adapters[0]).updates.compactMap(\.rank).max())
    let adapter = try pair.extract(RankRule(.count(rank)))
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    #expect(try pair.deltaError(of: again) < 1e-5)
  }

  @Test func energyChoosesARankForEachModule() throws {
    let pair = try Pair("linear-f32")
    let adapter = try Adapter(path: pair.extract(RankRule(.energy(0.7))))
    let ranks = Set(adapter.updates.compactMap(\.rank))
    #expect(ranks.count > 1 && (ranks.max() ?? 9) < 4)
    for update in adapter.updates { #expect(update.scaling == 1) }
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter.path, to: again)
    let error = try pair.deltaError(of: again)
    #expect(error * error <= 0.3 && error > 0.1)
  }

  @Test func bytesDoNotDependOnTheWorkers() throws {
    let pair = try Pair("linear-bf16")
    let one = try tree(pair.extract(RankRule(.count(3)), as: "one", workers: 1))
    let other = try tree(pair.extract(RankRule(.count(3)), as: "other", workers: 4))
    #expect(one == other)
  }

  @Test func interruptedRunIsResumedWithTheSameBytes() throws {
    let pair = try Pair("linear-f32")
    let expected = try tree(pair.extract(RankRule(.count(4)), as: "whole"))
    for limit in [1, 3, 7, 12] {
      let checks = Counter()
      let interruption = Interruption { checks.next() > limit }
      #expect(throws: (any Error).self) {
        try pair.extract(RankRule(.count(4)), workers: 1, interruption: interruption)
      }
      #expect(try !pair.scratch.entries().contains("adapter"))
    }
    #expect(try tree(pair.extract(RankRule(.count(4)))) == expected)
  }

  // MARK: - Refusals

  private func problem(_ pair: Pair, _ change: (inout ExtractionOptions) -> Void = { _ in }) -> String? {
    let error = refusal { try pair.extract(RankRule(.count(2)), change: change) }
    return error.map { "\($0.errorClass): \($0.message)" }
  }

  @Test func refusesEqualModels() throws {
    let pair = try Pair("linear-f32")
    let same = Pair(scratch: pair.scratch, base: pair.base, tuned: pair.base)
    #expect(problem(same) == "no-change: no tensor differs from the base's, so that there is nothing to extract")
    #expect(try pair.scratch.entries() == ["tuned"])
  }

  @Test func refusesATensorThatTheTunedModelLacks() throws {
    let pair = try Pair("linear-f32")
    let lacking = Pair(scratch: pair.scratch, base: pair.base, tuned: pair.scratch.file("lacking"))
    _ = try pair.scratch.folder("lacking")
    let tensors = try readTensors(pair.tuned + "/model.safetensors").filter { $0.name != "model.norm.weight" }
    try writeFile(lacking.tuned + "/model.safetensors", tensors)
    let text = try #require(problem(lacking))
    #expect(text == "unsupported: the tuned model does not have this tensor of the base")
    let adapter = try lacking.extract(RankRule(.count(4))) { $0.leavesOutOthers = true }
    #expect(try Adapter(path: adapter).updates.count == 14)
  }

  @Test func refusesATargetThatMatchesNothing() throws {
    let text = problem(try Pair("linear-f32")) { $0.selects = { _ in false } }
    #expect(text == "no-change: no matrix is selected: --target matches none, or --exclude takes all")
  }

  @Test func selectsModulesByName() throws {
    let pair = try Pair("linear-f32")
    let adapter = try Adapter(path: pair.extract(RankRule(.count(4))) { $0.selects = { $0.hasSuffix("q_proj") } })
    #expect(adapter.updates.map(\.module) == (0..<2).map { "model.layers.\($0).self_attn.q_proj" })
  }
}

/// Counts calls.
private final class Counter: Sendable {
  private let count = Mutex(0)

  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}
