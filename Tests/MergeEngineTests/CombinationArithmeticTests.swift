import TestSupport
import Testing
import TileKernels

@testable import MergeEngine
@testable import Merging

/// The element-wise part of combining adapters.
@Suite struct CombinationArithmeticTests {
  private func combine(
    _ method: CombinationMethod, _ factors: [[Float]], _ weights: [Float], streams: [RandomStream] = []
  ) throws -> [Float] {
    try CombinationArithmetic(method: method).combine(factors, weights: weights, streams: streams, kernels: .best)
  }

  @Test func linearIsTheWeightedSum() throws {
    #expect(try combine(.linear, [[1, 2, -3], [10, -20, 0]], [2, -0.5]) == [-3, 14, -6])
    // 1e8 + 1 - 1e8 in this order, in fp32.
    #expect(try combine(.linear, [[1e8], [1], [-1e8]], [1, 1, 1]) == [0])
  }

  @Test func magnitudePruneKeepsTheLargest() throws {
    #expect(try combine(.magnitudePrune(density: 0.5), [[1, -4, 3, 2]], [2]) == [0, -8, 6, 0])
    // floor(0.49 * 4) = 1, floor(0.2 * 4) = 0.
    #expect(try combine(.magnitudePrune(density: 0.49), [[1, -4, 3, 2]], [1]) == [0, -4, 0, 0])
    #expect(try combine(.magnitudePrune(density: 0.2), [[1, -4, 3, 2]], [1]) == [0, 0, 0, 0])
    #expect(try combine(.magnitudePrune(density: 1), [[1, -4, 3, 2]], [1]) == [1, -4, 3, 2])
  }

  @Test func tiesElectsASignAndDividesByTheNumber() throws {
    let factors: [[Float]] = [[1, -1, 3, 0, -2], [2, -2, -1, 0, 2], [-9, 4, -1, 5, 0]]
    // Sums -6, 1, 1, 5, 0: the elements with the sign of the sum, 0 counting as positive.
    #expect(try combine(.ties(density: 1, sign: .total), factors, [1, 1, 1]) == [-9, 4, 3, 5, 2])
    // Sums of signs 1, -1, -1, 1, 0.
    #expect(try combine(.ties(density: 1, sign: .frequency), factors, [1, 1, 1]) == [1.5, -1.5, -1, 5, 2])
    // Weights come after the election.
    #expect(try combine(.ties(density: 1, sign: .frequency), factors, [-1, 3, 1]) == [2.5, -2.5, -2, 5, 6])
    // Nothing is left of an element: 0 / max(0, 1).
    #expect(try combine(.ties(density: 1, sign: .total), [[0], [0]], [1, 1]) == [0])
  }

  @Test func dareKeepsWhatTheStreamSays() throws {
    let streams = [RandomStream(seed: 7, tensor: 1), RandomStream(seed: 7, tensor: 2)]
    let factors = [[Float]](repeating: [Float](repeating: 3, count: 10_000), count: 2)
    let found = try combine(.dareLinear(density: 0.3, seed: 7), factors, [1, 4], streams: streams)
    let words = try streams.map { try KernelSet.best.stochastic.words(of: $0, from: 0, count: 10_000) }
    let part = Float(3) / Float(0.3)
    let expected = (0..<10_000).map { index in
      let isKept = words.map { Double($0[index]) < 0.3 * 0x1p32 }
      return (isKept[0] ? part : 0) + (isKept[1] ? part * 4 : 0)
    }
    #expect(found == expected)
    // Kept by both, one and none, within 5 standard deviations.
    let counts = Dictionary(grouping: found, by: \.self).mapValues(\.count)
    #expect(counts.count == 4)
    #expect(abs((counts[5 * part] ?? 0) - 900) < 145 && abs((counts[0] ?? 0) - 4900) < 250)
    // A majority of what is left.
    let ties = try combine(.dareTies(density: 0.3, sign: .total, seed: 7), factors, [1, 1], streams: streams)
    #expect(Set(ties) == [0, part])
  }

  /// Which of equal elements are taken: what torch 2.13 takes on Linux.
  @Test(
    arguments: [
      (1000, 16, 300, 0x1423_E466_735B_057F), (1000, 16, 10, 0x9DE7_D6CC_5BF5_290A),
      (1000, 1, 500, 0x19CC_D925_202C_C221), (5000, 7, 1, 0xAF63_CE4C_8601_D4C2),
      (777, 3, 776, 0xFBC0_C3D6_B713_E060), (64, 2, 1, 0xAF63_BC4C_8601_B62C),
      (100_000, 256, 40_000, 0x8D83_6FBC_163D_88DE), (100_000, 5, 1500, 0x1726_8144_F67B_5A2D),
      (3, 1, 2, 0x0832_8707_B4EB_6E3A), (5, 1, 2, 0x0839_5007_B4F1_2F73),
    ] as [(Int, UInt64, Int, UInt64)])
  func equalMagnitudesAreChosenAsByTorch(count: Int, values: UInt64, kept: Int, hash: UInt64) {
    let numbers = (0..<UInt64(count)).map { index -> Float in
      let value = Float(((index * 2_654_435_761 + 12_345) & 0xFFFF_FFFF) >> 16 % values)
      return index % 3 == 0 ? -value : value
    }
    let places = TorchTopK.indices(of: numbers, count: kept).sorted()
    #expect(places.count == kept)
    let found = places.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    #expect(found == hash)
  }

  /// The heap that takes over where quickselect would be slow, and a NaN.
  @Test func theLargestAreFoundInEveryOrder() {
    var random = SeededGenerator()
    for count in [1, 2, 3, 4, 5, 17, 100, 1000] {
      let numbers = (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
      let sorted = numbers.indices.sorted { abs(numbers[$0]) > abs(numbers[$1]) }
      for kept in Set([0, 1, count / 100, count / 3, count - 1, count]) {
        #expect(Set(TorchTopK.indices(of: numbers, count: kept)) == Set(sorted.prefix(kept)))
      }
    }
    // Up, down and up again: a bad case for the median of three.
    let peaks = (0..<4096).map { Float($0 % 2 == 0 ? $0 : 4096 - $0) }
    let least = TorchTopK.indices(of: peaks, count: 2000).map { peaks[$0] }.min()
    #expect(least == peaks.sorted(by: >)[1999])
    #expect(TorchTopK.indices(of: [1, .infinity, .nan, 5], count: 1) == [2])
  }
}
