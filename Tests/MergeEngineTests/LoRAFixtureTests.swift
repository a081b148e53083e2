import Checkpoints
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

/// Every kind of LoRA that PEFT saves, against what PEFT makes of it and against what is right where PEFT is wrong.
@Suite struct LoRAFixtureTests {
  /// Where `--arithmetic peft` does not have PEFT's bits, and how far it is from them, in ulps of the output.
  ///
  /// - `dora-twice`, `dora-after-plain`: PEFT takes the adapter before out of the weight and adds it again, and both
  ///   roundings to the base's dtype stay. The 62 and 18 ulps are of elements in which weight and deltas cancel.
  /// - `conv-narrow`: torch sums the product of fewer than 16 input channels without fused operations.
  /// - `gpt2-wte`: so does MKL for fewer than 12 columns; here it is 8 positions.
  static let notPEFTs: [String: UInt32] = [
    "dora-twice-f32": 62, "dora-twice-bf16": 3, "dora-twice-f16": 3, "dora-after-plain-f32": 2,
    "dora-after-plain-bf16": 2, "dora-after-plain-f16": 18, "conv-narrow-f32": 8, "gpt2-wte-f32": 2,
  ]

  @Test func areAllThere() {
    #expect(FixtureCase.all.count { $0.tuner == "lora" } == 300)
    #expect(FixtureCase.merging.count == 249)
    #expect(FixtureCase.all.count { $0.isMergedByPEFT } == 234)
    #expect(FixtureCase.all.count { $0.isMergedInAnotherOrder } == 2)
    #expect(FixtureCase.all.count { $0.isRefused } == 8)
    for name in Self.notPEFTs.keys { #expect(FixtureCase.all.contains { $0.name == name && $0.isMergedByPEFT }) }
  }

  private func compare(_ testCase: FixtureCase, _ output: String, _ expectedPath: String, ulps: UInt32 = 0) throws {
    let found = try loadTensors(output)
    let expected = try testCase.expected(expectedPath)
    // What PEFT's model does not have is in the result as the base has it.
    let base = try loadTensors(testCase.base)
    let more = found.keys.filter { expected[$0] == nil }
    #expect(Set(more.map(\.string)) == Set(testCase.dropped))
    for name in more { #expect(isSame(try #require(found[name]).data, try #require(base[name]).data), "\(name)") }
    var worst: UInt32 = 0
    for (name, tensor) in expected {
      let result = try #require(found[name], "\(name) is missing")
      #expect(result.info.dtype == tensor.info.dtype, "\(name)")
      #expect(result.info.shape == tensor.info.shape, "\(name)")
      guard !isSame(result.data, tensor.data) else { continue }
      let (one, other) = [result.data, tensor.data].map { Elements.bits(Array($0), tensor.info.dtype) }.pair
      #expect(ulps > 0, "\(name): \(Elements.difference(one, other) ?? "")")
      guard one.count == other.count else { continue }
      for (left, right) in zip(one, other) {
        worst = max(worst, Elements.distance(left, right, tensor.info.dtype))
      }
    }
    // The bound is one that is reached.
    #expect(worst == ulps, "\(worst) ulps")
  }

  @Test(arguments: FixtureCase.all.filter(\.isMergedByPEFT))
  func hasTheBytesOfPEFT(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try testCase.merge(to: output) { $0.arithmetic = .peft }.run()
    let merged = try #require(testCase.merged)
    try compare(testCase, output, merged, ulps: Self.notPEFTs[testCase.name] ?? 0)
    // The expected bytes are not those of the base.
    let base = try loadTensors(testCase.base)
    #expect(
      try loadTensors(merged).contains { name, tensor in base[name].map { !isSame($0.data, tensor.data) } ?? true })
  }

  /// Where PEFT's bits are those of the default arithmetic, too.
  @Test(arguments: FixtureCase.all.filter { $0.isMergedByPEFT && $0.match == "exact" && $0.combine == nil })
  func hasTheBytesOfPEFTByDefault(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try testCase.merge(to: output).run()
    try compare(testCase, output, try #require(testCase.merged))
  }

  /// Tied embeddings, written apart or kept equal, and repeated layers, of which PEFT makes something else.
  @Test(arguments: FixtureCase.all.filter { $0.correct != nil })
  func isRightWherePEFTIsNot(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try testCase.merge(to: output).run()
    guard let layers = testCase.layers else {
      return try compare(testCase, output, try #require(testCase.correct))
    }
    let found = try loadTensors(output)
    let expected = try loadTensors(try #require(testCase.correct))
    for (name, tensor) in expected {
      #expect(isSame(try #require(found[name]).data, tensor.data), "\(name)")
    }
    // Every layer has every tensor of the layer that it is made of; the rest is there once.
    let base = try loadTensors(testCase.base)
    var names: Set<TensorName> = []
    for (name, tensor) in base {
      let parts = name.string.split(separator: ".")
      guard parts.count > 2, parts[1] == "layers" else {
        names.insert(name)
        continue
      }
      for (layer, source) in layers.enumerated() where parts[2] == String(source) {
        let copy = TensorName("model.layers.\(layer)." + parts.dropFirst(3).joined(separator: "."))
        names.insert(copy)
        if expected[copy] == nil { #expect(isSame(try #require(found[copy]).data, tensor.data), "\(copy)") }
      }
    }
    #expect(Set(found.keys) == names)
  }

  /// `--tied shared` with PEFT's arithmetic is what PEFT does, although it is not what the adapter computed.
  @Test(arguments: ["tied-embedding-f32", "tied-embedding-bf16", "tied-head-f32", "tied-head-bf16"])
  func sharedIsWhatPEFTDoes(name: String) throws {
    let scratch = try Scratch()
    let testCase = try FixtureCase.named(name)
    let output = scratch.file("merged")
    let merge = try testCase.merge(to: output) {
      $0.arithmetic = .peft
      $0.tied = .shared
    }
    #expect(merge.plan.warnings.contains { $0.contains("both change") })
    #expect(merge.plan.textFiles.isEmpty)
    try merge.run()
    try compare(testCase, output, try #require(testCase.merged))
  }

  @Test(arguments: FixtureCase.all.filter(\.isRefused))
  func isRefusedWhereItIsNotSupported(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let error = refusal { _ = try testCase.merge(to: scratch.file("merged")) }
    #expect(error?.category == .refusedInput)
    #expect(error?.errorClass == "unsupported")
    #expect(try scratch.entries() == [])
  }

  /// What a user has to decide is refused until it is decided; nothing in the unmarked experts shows that it is open.
  @Test(arguments: FixtureCase.merging.filter { $0.options != MergeOptions() && !$0.isAmbiguous })
  func isRefusedWithoutADecision(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    // Two whole tensors that are equal may stay one: only their values tell.
    let isSaved = testCase.name == "tied-saved-both-bf16"
    let error = refusal {
      try TestMerge(
        base: testCase.base, adapters: testCase.adapters.map { ($0, 1) }, output: scratch.file("merged"),
        options: MergeOptions()
      ).run()
    }
    #expect(error?.category == .refusedInput)
    if !isSaved { #expect(error?.hint?.contains("--") == true) }
    #expect(try scratch.entries() == [])
  }
}

extension Array {
  fileprivate var pair: (Element, Element) { (self[0], self[1]) }
}
