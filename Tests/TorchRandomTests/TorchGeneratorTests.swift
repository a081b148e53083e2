import Testing

@testable import TorchRandom

/// The numbers of torch 2.13 on x86-64, as it gave them.
@Suite struct TorchGeneratorTests {
  /// The 10000th number of the seed 5489, which C++ requires of `std::mt19937`.
  @Test func theGeneratorIsMT19937() {
    var generator = TorchGenerator(seed: 5489)
    generator.skip(9999)
    #expect(generator.next() == 4_123_659_995)
  }

  @Test func skippingIsDrawing() {
    for count in [0, 1, 623, 624, 625, 5000] {
      var (one, other) = (TorchGenerator(seed: 1), TorchGenerator(seed: 1))
      for _ in 0..<count { _ = one.next() }
      other.skip(count)
      #expect(one.next() == other.next())
    }
  }

  @Test func onlyTheLowerHalfOfASeedCounts() {
    var generator = TorchGenerator(seed: 123_456_789_012_345)
    #expect(generator.uniform(1, from: 0, to: 1)[0] == Float(0x18d002) * 0x1p-24)
  }

  /// `torch.empty(n).uniform_(-0.3, 0.7)` with the seed 9: the last two of n.
  @Test(
    arguments: [
      (3, 0x3b04_8f00, 0x3e38_36c4), (15, 0xbdbe_bd28, 0x3e5b_08b4), (16, 0x3e5b_08b4, 0x3e3d_7090),
      (17, 0x3e3d_7090, 0x3e60_88ac), (40, 0x3f05_7bb4, 0x3e3f_0bac),
    ] as [(Int, UInt32, UInt32)])
  func uniformNumbersHaveTorchsBits(count: Int, first: UInt32, second: UInt32) {
    var generator = TorchGenerator(seed: 9)
    let found = generator.uniform(count, from: -0.3, to: 0.7).suffix(2).map(\.bitPattern)
    #expect(found == [first, second])
  }

  /// `torch.empty(30000, dtype=torch.bfloat16).uniform_(-0.25, 0.25)` with the seed 5.
  @Test func numbersOfBF16AreRoundedAndStayBelowTheirBound() {
    var generator = TorchGenerator(seed: 5)
    let found = generator.uniformBF16(30_000, from: -0.25, to: 0.25)
    #expect(found.prefix(5).map { $0.bitPattern >> 16 } == [0x3e29, 0xbe3f, 0x3e51, 0x3e24, 0x3e57])
    #expect(found.reduce(0) { $0 + Double($1) } == -31.020207464694977)
    #expect(found.count { $0 == -0.25 } == 53 && !found.contains(0.25))
  }

  /// The first of `torch.randperm(n)`, as many as there are here.
  @Test(
    arguments: [
      (1, 3, [0]), (2, 3, [0, 1]), (7, 777, [5, 6, 3, 0, 1, 4, 2]),
      (20, 1, [5, 13, 2, 11, 19, 18, 1, 9, 4, 7, 0, 14, 16, 10, 15, 3, 6, 17, 12, 8]),
      (1000, 777, [735, 819, 201, 799, 435, 497]), (100_003, 0, [65334, 97318, 84219, 93763, 74855, 22082]),
      (5_000_000, -1, [4_326_371, 4_347_074, 3_656_044, 1_751_091, 3_883_532, 535_065]),
      (214_748_363, 777, [11_440_646, 199_500_216, 10_121_607, 3_119_241, 51_696_020]),
    ] as [(Int, Int64, [Int])])
  func permutationsAreTorchs(count: Int, seed: Int64, first: [Int]) {
    var generator = TorchGenerator(seed: seed)
    #expect(generator.permutation(of: count, first: first.count) == first)
  }

  /// Above these sizes torch draws 64 bits for each number and keeps all of them: 214748364 numbers with the seed 777 begin with
  /// 150358698, 199533091, 83306822, which takes a minute without optimization.
  @Test func theFirstOfALargePermutationAreThoseOfAllOfIt() {
    for (count, first) in [(1, 1), (2, 1), (50, 7), (300, 300)] {
      var (generator, plain) = (TorchGenerator(seed: 4), TorchGenerator(seed: 4))
      var all: [Int] = []
      for number in 0..<count {
        let place = Int(plain.next64() % UInt64(number + 1))
        all.append(number)
        all.swapAt(place, number)
      }
      #expect(generator.inserted(count, first) == Array(all.prefix(first)))
    }
  }

  @Test func roundingToBF16IsToNearestEven() {
    let cases: [(UInt32, UInt32)] = [
      (0x3f80_8000, 0x3f80_0000), (0x3f81_8000, 0x3f82_0000), (0x3f80_8001, 0x3f81_0000), (0xbf80_7fff, 0xbf80_0000),
    ]
    for (bits, rounded) in cases { #expect(Float(bitPattern: bits).roundedToBF16.bitPattern == rounded) }
  }
}
