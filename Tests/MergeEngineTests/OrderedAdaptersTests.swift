import MergePlanning
import Safetensors
import TestSupport
import Testing

/// Several adapters of which one multiplies: they are applied in the order in which they are given.
@Suite struct OrderedAdaptersTests {
  private static func path(_ tuner: String, _ feature: String) -> String {
    fixturesPath() + "/\(tuner)/\(feature)/f32/adapter"
  }

  private static let base = fixturesPath() + "/bases/tiny-llama-f32"
  private static let pairs = [
    [path("oft", "linear"), path("loha", "linear")], [path("hra", "linear"), path("vera", "linear")],
    [path("ia3", "saved"), path("miss", "linear")], [path("oft", "linear"), path("hra", "linear")],
  ]

  private func merge(_ base: String, _ adapters: [String], to output: String) throws -> [String: [UInt8]] {
    try TestMerge(base: base, adapters: adapters.map { ($0, 1) }, output: output, options: MergeOptions()).run()
    return try loadTensors(output).reduce(into: [:]) { $0[$1.key.string] = Array($1.value.data) }
  }

  /// In fp32 nothing is rounded between two merges that is not rounded within one.
  @Test(arguments: pairs, [false, true]) func areMergesOneAfterAnother(pair: [String], isReversed: Bool) throws {
    let scratch = try Scratch()
    let adapters = isReversed ? pair.reversed() : pair
    let together = try merge(Self.base, adapters, to: scratch.file("together"))
    _ = try merge(Self.base, [adapters[0]], to: scratch.file("first"))
    let second = try merge(scratch.file("first"), [adapters[1]], to: scratch.file("second"))
    for (name, bytes) in together {
      let found = try #require(second[name])
      let distance = zip(Elements.bits(bytes, .f32), Elements.bits(found, .f32)).map { Elements.distance($0, $1, .f32) }
        .max()
      #expect((distance ?? 0) <= 2, "\(name)")
    }
    let other = try merge(Self.base, adapters.reversed(), to: scratch.file("other"))
    #expect(other != together, "the order counts")
  }

  @Test func thePlanCountsTheirTensors() throws {
    let scratch = try Scratch()
    func count(_ adapters: [String]) throws -> Int {
      try TestMerge(
        base: Self.base, adapters: adapters.map { ($0, 1) }, output: scratch.file("merged"), options: MergeOptions()
      ).plan
        .orderedTensorCount
    }
    #expect(try count(Self.pairs[0]) == 7)
    #expect(try count([Self.pairs[0][0]]) == 0, "one adapter")
    #expect(try count([Self.path("loha", "linear"), Self.path("vera", "linear")]) == 0, "sums")
    #expect(try count([Self.path("ia3", "saved"), Self.path("hira", "embedding")]) == 1, "one tensor that both change")
  }
}
