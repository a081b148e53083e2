import LowRank
import TestSupport
import Testing

/// Truncation of a product from its factors, against the decomposition of the product itself.
@Suite struct FactorTruncationTests {
  private func vectors(_ count: Int, _ length: Int, _ random: inout SeededGenerator) -> VectorSet {
    VectorSet(
      count: count, length: length,
      elements: (0..<count * length).map { _ in Float(Int32(truncatingIfNeeded: random.next()) >> 8) * 0x1p-23 })
  }

  private func product(_ left: VectorSet, _ right: VectorSet, _ scale: Double = 1) -> [Double] {
    var result = [Double](repeating: 0, count: left.length * right.length)
    for k in 0..<left.count {
      for row in 0..<left.length {
        let factor = scale * Double(left.elements[k * left.length + row])
        for column in 0..<right.length {
          result[row * right.length + column] += factor * Double(right.elements[k * right.length + column])
        }
      }
    }
    return result
  }

  private func distance(_ one: [Double], _ other: [Double]) -> Double {
    let squares = zip(one, other).reduce((0.0, 0.0)) { ($0.0 + ($1.0 - $1.1) * ($1.0 - $1.1), $0.1 + $1.0 * $1.0) }
    return (squares.0 / squares.1).squareRoot()
  }

  @Test(arguments: [(30, 50, 8), (50, 30, 8), (8, 60, 12), (40, 5, 9), (70, 64, 1)])
  func fullRankKeepsTheProduct(rows: Int, columns: Int, rank: Int) throws {
    var random = SeededGenerator()
    let (left, right) = (vectors(rank, rows, &random), vectors(rank, columns, &random))
    let found = try FactorTruncation.factors(left: left, right: right, scale: 0.5, rule: RankRule(.count(rank)))
    #expect(found.rank == min(rank, rows, columns))
    #expect(distance(product(left, right, 0.5), product(found.left, found.right)) < 3e-7)
    #expect(abs(found.share - 1) < 1e-12)
  }

  @Test func lowerRankIsThatOfTheMatrix() throws {
    var random = SeededGenerator()
    let (left, right) = (vectors(10, 45, &random), vectors(10, 33, &random))
    let whole = product(left, right, 2)
    let matrix = HeldRows(whole.map { Float($0) }, rows: 45, columns: 33)
    for rank in [1, 3, 7] {
      let found = try FactorTruncation.factors(left: left, right: right, scale: 2, rule: RankRule(.count(rank)))
      let expected = try SingularSearch(rule: RankRule(.count(rank))).factors(of: matrix, name: "m")
      #expect(abs(found.share - expected.share) < 1e-6)
      #expect(distance(product(expected.left, expected.right), product(found.left, found.right)) < 2e-6)
      // Both factors are equally large.
      for k in 0..<rank {
        let norms = [found.left, found.right].map { set in
          set.elements[k * set.length..<(k + 1) * set.length].reduce(0.0) { $0 + Double($1) * Double($1) }
        }
        #expect(abs(norms[0] / norms[1] - 1) < 1e-5)
      }
    }
  }

  /// Columns of B a billion times smaller than the others, with rows of A as much larger, count as much as these.
  @Test func unequalFactorsLoseNothing() throws {
    var random = SeededGenerator()
    var (left, right) = (vectors(6, 40, &random), vectors(6, 40, &random))
    func scaled(_ set: VectorSet, _ factor: (Int) -> Float) -> VectorSet {
      VectorSet(
        count: set.count, length: set.length,
        elements: set.elements.enumerated().map { $1 * factor($0 / set.length) })
    }
    let before = product(left, right)
    left = scaled(left) { $0 % 2 == 0 ? 1 : 0x1p-30 }
    right = scaled(right) { $0 % 2 == 0 ? 1 : 0x1p30 }
    let found = try FactorTruncation.factors(left: left, right: right, scale: 1, rule: RankRule(.count(6)))
    #expect(distance(before, product(found.left, found.right)) < 1e-6)
  }

  @Test func rankBelowTheFactorsIsFound() throws {
    // Twelve columns that span three directions.
    var random = SeededGenerator()
    let (basis, right) = (vectors(3, 40, &random), vectors(12, 30, &random))
    let left = VectorSet(count: 12, length: 40, elements: (0..<4).flatMap { _ in basis.elements })
    let found = try FactorTruncation.factors(left: left, right: right, scale: 1, rule: RankRule(.energy(0.999_999)))
    #expect(found.rank == 3)
    #expect(distance(product(left, right), product(found.left, found.right)) < 1e-6)
  }

  @Test func zerosGiveZeros() throws {
    var random = SeededGenerator()
    let right = vectors(4, 30, &random)
    let found = try FactorTruncation.factors(
      left: VectorSet(zeros: 4, length: 20), right: right, scale: 1, rule: RankRule(.energy(0.9)))
    #expect(found.rank == 1)
    #expect(found.left.elements.allSatisfy { $0 == 0 } && found.right.elements.allSatisfy { $0 == 0 })
    #expect(found.share == 1)
  }

  @Test func refusesWhatIsNotFinite() {
    let error = #expect(throws: LowRankError.self) {
      try FactorTruncation.factors(
        left: VectorSet(count: 1, length: 2, elements: [1, .nan]), right: VectorSet(zeros: 1, length: 2), scale: 1,
        rule: RankRule(.count(1)))
    }
    #expect(error?.problem == .notFinite)
  }
}
