import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

/// Several adapters in one merge, with weights: all deltas are summed, then rounded once.
@Suite struct SeveralAdaptersTests {
  private static func path(_ name: String) -> String { FixtureCase.adapter(name) }
  private static func base(_ name: String) -> String { fixturesPath() + "/bases/\(name)" }

  private func merged(
    _ base: String, _ adapters: [(path: String, weight: Double)], _ options: MergeOptions = MergeOptions()
  ) throws -> (scratch: Scratch, path: String) {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try TestMerge(base: base, adapters: adapters, output: output, options: options).run()
    return (scratch, output)
  }

  static let bases = ["tiny-llama-f32", "tiny-llama-bf16", "tiny-llama-f16"]

  /// Rank 4 twice and rank 2, on the same modules; and a plain one before and after DoRA.
  static let weights: [[(path: String, weight: Double)]] = [
    [(path("several-a-f32"), 0.7), (path("several-c-f32"), -1.5)],
    [(path("several-a-f32"), 1), (path("several-b-f32"), 1), (path("several-c-f32"), 1)],
    [(path("several-a-f32"), 1e-3), (path("several-b-f32"), 0.5), (path("several-c-f32"), -0.25)],
    [(path("several-a-f32"), 0.3)],
    [(path("dora-linear-f32"), 0.5), (path("several-c-f32"), 2)],
    [(path("several-c-f32"), 2), (path("dora-linear-f32"), 0.5)],
    [(path("bdlora-f32"), -2), (path("several-c-f32"), 0.1)],
  ]

  @Test(arguments: bases, weights.indices) func areTheExactSumRoundedOnce(base: String, number: Int) throws {
    let adapters = Self.weights[number]
    let result = try merged(Self.base(base), adapters)
    var distance = Distance()
    try distance.add(result.path, DoubleMerge(base: Self.base(base), adapters: adapters))
    #expect(distance.beyond == [])
    #expect(distance.count >= 256)
    if !base.hasSuffix("f32") { #expect(distance.otherwise <= 1) }
  }

  /// A bias of lora_B takes the weight, too, and so does every other kind.
  @Test(arguments: [
    ("tiny-conv-bf16", "conv-lora-bias-bf16"), ("tiny-attention-bf16", "attention-bf16"),
    ("tiny-mixtral-bf16", "experts-bf16"), ("tiny-gpt2-bf16", "gpt2-bf16"),
  ])
  func weightsScaleEveryKind(base: String, name: String) throws {
    let adapters = [(path: Self.path(name), weight: -0.5), (path: Self.path(name), weight: 1.75)]
    let result = try merged(Self.base(base), adapters)
    var distance = Distance()
    try distance.add(result.path, DoubleMerge(base: Self.base(base), adapters: adapters))
    #expect(distance.beyond == [])
    #expect(distance.otherwise <= 1)
  }

  @Test(arguments: bases) func aWeightOfZeroChangesNothing(base: String) throws {
    let (a, b) = (Self.path("several-a-f32"), Self.path("several-b-f32"))
    let one = try merged(Self.base(base), [(a, 1)])
    let orders: [[(path: String, weight: Double)]] = [[(a, 1), (b, 0)], [(b, 0), (a, 1)]]
    for adapters in orders {
      let both = try merged(Self.base(base), adapters)
      let (found, expected) = (try loadTensors(both.path), try loadTensors(one.path))
      #expect(Set(found.keys) == Set(expected.keys))
      for (name, tensor) in expected {
        func numbers(_ data: ArraySlice<UInt8>) -> [Float] {
          Elements.numbers(Elements.bits(Array(data), tensor.info.dtype), tensor.info.dtype)
        }
        #expect(try numbers(#require(found[name]).data) == numbers(tensor.data), "\(name)")
      }
    }
  }

  /// fp32 sums in another order may differ; after the one rounding by an ulp at most, where nothing cancels.
  @Test(arguments: bases) func orderMattersByAnULPAtMost(base: String) throws {
    let adapters = ["several-a-f32", "several-b-f32", "several-c-f32"].map { (path: Self.path($0), weight: 0.9) }
    let exact = try DoubleMerge(base: Self.base(base), adapters: adapters)
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
      let result = try merged(Self.base(base), order.map { adapters[$0] })
      var distance = Distance()
      try distance.add(result.path, exact)
      #expect(distance.beyond == [], "\(order)")
    }
    let (one, other) = (
      try merged(Self.base(base), adapters), try merged(Self.base(base), adapters.reversed())
    )
    let (found, expected) = (try loadTensors(one.path), try loadTensors(other.path))
    for (name, tensor) in expected {
      let dtype = tensor.info.dtype
      let left = Elements.bits(Array(try #require(found[name]).data), dtype)
      let right = Elements.bits(Array(tensor.data), dtype)
      for (place, (l, r)) in zip(left, right).enumerated() where l != r {
        let spread = try #require(exact.tensors[name]).spread[place]
        let value = Double(Elements.widen(r, dtype))
        let isCancelled = Elements.ulp(value, dtype) < 4 * 0x1p-24 * spread
        #expect(isCancelled || Elements.distance(l, r, dtype) <= 1, "\(name)[\(place)]")
      }
    }
  }

  /// Each delta is scaled by weight * alpha / r, computed in double; replacing tensors and rows cannot be scaled.
  @Test(arguments: [
    ("modules-to-save-bf16", "tiny-llama-bf16"), ("bias-all-bf16", "tiny-qwen2-bf16"),
    ("bias-lora-only-bf16", "tiny-qwen2-bf16"), ("tokens-list-bf16", "tiny-llama-bf16"),
    ("embedding-other-base-bf16", "tiny-llama-bf16"), ("resized-vocab-bf16", "tiny-llama-bf16"),
  ])
  func aWeightOnWhatReplacesIsRefused(name: String, base: String) throws {
    let scratch = try Scratch()
    for weight in [0.5, 0, -1, 2] {
      let error = refusal {
        try TestMerge(
          base: Self.base(base), adapters: [(Self.path(name), weight)], output: scratch.file("merged"),
          options: MergeOptions()
        ).run()
      }
      #expect((error as? PlanError)?.problem == .weightedReplacement(weight: weight))
      #expect(error?.category == .refusedInput)
    }
    #expect(try scratch.entries() == [])
    _ = try merged(Self.base(base), [(Self.path(name), 1)])
  }

  @Test(arguments: [
    ("modules-to-save-bf16", "tiny-llama-bf16"), ("bias-all-bf16", "tiny-qwen2-bf16"),
    ("tokens-list-bf16", "tiny-llama-bf16"), ("embedding-other-base-bf16", "tiny-llama-bf16"),
  ])
  func twoThatReplaceTheSameAreRefused(name: String, base: String) throws {
    let scratch = try Scratch()
    let path = Self.path(name)
    let error = refusal {
      try TestMerge(
        base: Self.base(base), adapters: [(path, 1), (path, 1)], output: scratch.file("merged"), options: MergeOptions()
      ).run()
    }
    #expect(error?.errorClass == "hit-twice")
    #expect(error?.category == .refusedInput)
    #expect(try scratch.entries() == [])
  }

  /// One that replaces and one that adds, in either order: the delta is added to the replacement.
  @Test func deltasAreAddedToWhatReplaces() throws {
    let base = Self.base("tiny-llama-bf16")
    let adapters = [(path: Self.path("lm-head-bf16"), weight: 1.0), (path: Self.path("keys-bf16"), weight: 0.5)]
    for order in [adapters, adapters.reversed()] {
      let result = try merged(base, order)
      var distance = Distance()
      try distance.add(result.path, DoubleMerge(base: base, adapters: order))
      #expect(distance.beyond == [])
    }
  }

  @Test func repeatedLayersOfOneOfSeveralAreRefused() throws {
    let scratch = try Scratch()
    let path = Self.path("replicated-bf16")
    let pairs: [[(path: String, weight: Double)]] = [
      [(path, 1), (path, 1)], [(Self.path("keys-bf16"), 1), (path, 1)],
    ]
    for adapters in pairs {
      let error = refusal {
        _ = try TestMerge(
          base: Self.base("tiny-llama-layers-bf16"), adapters: adapters, output: scratch.file("merged"),
          options: MergeOptions())
      }
      #expect((error as? PlanError)?.problem == .replicationOfSeveral)
    }
  }
}
