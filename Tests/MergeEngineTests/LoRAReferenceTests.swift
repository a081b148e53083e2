import MergePlanning
import Safetensors
import TestSupport
import Testing

/// The default arithmetic, for every kind of LoRA, against the exact result.
@Suite struct LoRAReferenceTests {
  /// What `docs/internals/arithmetic.md` says of all fixtures together.
  ///
  /// - 16 bits: one rounding in fp32 before the last one makes a tie of what is not, about once in 2^16 or 2^13 elements.
  /// - F32: the roundings of the sum are as large as the last one, so that a part of the elements is a neighbor of the
  ///   rounded value, or further off where base and deltas cancel: see ``Distance``.
  @Test func everyElementIsWithinTheBoundAndNearlyEveryOneRoundedCorrectly() throws {
    var distances: [DType: Distance] = [
      .f32: Distance(only: .f32), .bf16: Distance(only: .bf16), .f16: Distance(only: .f16),
    ]
    func measure(_ name: String, _ merge: (String) throws -> TestMerge, _ expected: DoubleMerge) throws {
      let scratch = try Scratch()
      try merge(scratch.file("merged")).run()
      for dtype in distances.keys { try distances[dtype]?.add(scratch.file("merged"), expected) }
      #expect(distances.values.allSatisfy { $0.beyond == [] }, "\(name): \(distances.values.map(\.beyond))")
      for dtype in distances.keys { distances[dtype]?.beyond = [] }
    }
    for testCase in FixtureCase.merging + FixtureCase.all.filter(\.isMergedInAnotherOrder) {
      try measure(
        testCase.name, { try testCase.merge(to: $0) },
        DoubleMerge(
          base: testCase.base, adapters: testCase.adapters.map { ($0, 1) }, options: testCase.options,
          layers: testCase.layers))
    }
    for (dtype, elements, share, ulps) in [
      (DType.f32, 174_119, 0.87, Double.infinity), (.bf16, 226_683, 0.9999, 0.5002), (.f16, 156_507, 0.9999, 0.5008),
    ] {
      let found = try #require(distances[dtype])
      #expect(found.count == elements, "\(dtype)")
      #expect(1 - Double(found.otherwise) / Double(found.count) >= share, "\(dtype): \(found)")
      #expect(found.worst <= ulps, "\(dtype): \(found)")
    }
  }
}
