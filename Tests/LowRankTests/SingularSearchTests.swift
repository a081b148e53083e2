import LowRank
import Testing

/// The search against numpy's SVD in double, and the factors against the matrix.
@Suite struct SingularSearchTests {
  /// The share of the squares of a matrix that the product of factors has, summed in double: 1 - ||D - L^T R||^2 / ||D||^2.
  private func share(_ factors: LowRankFactors, of matrix: [Float], columns: Int) -> Double {
    var (rest, total) = (0.0, 0.0)
    for row in 0..<matrix.count / columns {
      for column in 0..<columns {
        var sum = 0.0
        for k in 0..<factors.rank {
          sum += Double(factors.left.elements[k * factors.left.length + row])
            * Double(factors.right.elements[k * factors.right.length + column])
        }
        let value = Double(matrix[row * columns + column])
        rest += (value - sum) * (value - sum)
        total += value * value
      }
    }
    return total > 0 ? 1 - rest / total : 1
  }

  @Test func energyIsThatOfNumpysDecomposition() throws {
    let cases = try SpectrumCase.all()
    #expect(cases.count == 200)
    for item in cases {
      let matrix = item.matrix
      let source = HeldRows(matrix, rows: item.rows, columns: item.columns)
      for (rank, share) in zip(item.ranks, item.shares) where rank % 3 != 0 || rank == item.shorter {
        if item.shorter > SingularSearch.directLimit, rank > 16 { continue }
        let found = try SingularSearch(rule: RankRule(.count(rank))).factors(of: source, name: "m")
        #expect(found.rank == rank, "\(item)")
        #expect(abs(found.share - share) < 1e-4, "\(item), rank \(rank): \(found.share), numpy \(share)")
      }
    }
  }

  @Test func factorsHoldTheShareThatIsReported() throws {
    for item in try SpectrumCase.all() where item.rows * item.columns <= 6000 || item.shorter > 256 {
      let matrix = item.matrix
      let source = HeldRows(matrix, rows: item.rows, columns: item.columns)
      let rank = min(5, item.shorter)
      let found = try SingularSearch(rule: RankRule(.count(rank))).factors(of: source, name: "m")
      #expect(abs(share(found, of: matrix, columns: item.columns) - found.share) < 2e-6, "\(item)")
      #expect(found.left.length == item.rows && found.right.length == item.columns)
    }
  }

  @Test func smallestRankHasTheEnergy() throws {
    for item in try SpectrumCase.all() {
      let source = HeldRows(item.matrix, rows: item.rows, columns: item.columns)
      let found = try SingularSearch(rule: RankRule(.energy(0.9503))).factors(of: source, name: "m")
      #expect(found.rank == item.smallest, "\(item)")
      #expect(found.share >= 0.9503, "\(item)")
    }
  }

  @Test func fullRankMakesTheMatrix() throws {
    for item in try SpectrumCase.all() where item.shorter <= 40 {
      let matrix = item.matrix
      let source = HeldRows(matrix, rows: item.rows, columns: item.columns)
      let found = try SingularSearch(rule: RankRule(.count(1000))).factors(of: source, name: "m")
      #expect(found.rank == item.shorter)
      #expect(1 - share(found, of: matrix, columns: item.columns) < 1e-12, "\(item)")
    }
  }

  @Test func limitEndsTheRank() throws {
    let item = try #require(try SpectrumCase.all().first { $0.description == "random 64 x 64" })
    let source = HeldRows(item.matrix, rows: item.rows, columns: item.columns)
    let found = try SingularSearch(rule: RankRule(.energy(0.99), limit: 7)).factors(of: source, name: "m")
    #expect(found.rank == 7)
    #expect(found.share < 0.99)
  }

  @Test func ratioCountsTheValuesAboveIt() throws {
    // Values 2 and 1: of 16, 6 are 2.
    let item = try #require(try SpectrumCase.all().first { $0.description == "repeated 16 x 16" })
    let source = HeldRows(item.matrix, rows: item.rows, columns: item.columns)
    func rank(_ ratio: Double) throws -> Int {
      try SingularSearch(rule: RankRule(.ratio(ratio))).factors(of: source, name: "m").rank
    }
    #expect(try rank(1.5) == 6)
    #expect(try rank(2.5) == 16)
  }

  @Test func sameBitsFromRowsThatAreReadAgain() throws {
    let item = try #require(try SpectrumCase.all().first { $0.description == "spiked 300 x 272" })
    let source = HeldRows(item.matrix, rows: item.rows, columns: item.columns)
    let rule = RankRule(.count(4))
    let held = try SingularSearch(rule: rule).factors(of: source, name: "m")
    let read = try SingularSearch(rule: rule, elementLimit: 0).factors(of: source, name: "m")
    #expect(held == read)
    #expect(try SingularSearch(rule: rule, seed: 1).factors(of: source, name: "m") != held)
  }

  @Test func largestElementOfEachLeftVectorIsPositive() throws {
    let item = try #require(try SpectrumCase.all().first { $0.description == "random 20 x 33" })
    let source = HeldRows(item.matrix, rows: item.rows, columns: item.columns)
    let found = try SingularSearch(rule: RankRule(.count(20))).factors(of: source, name: "m")
    for k in 0..<20 {
      let vector = found.left.elements[k * 20..<(k + 1) * 20]
      let largest = try #require(vector.max { abs($0) < abs($1) })
      #expect(largest > 0)
    }
  }

  @Test(arguments: [Float.nan, .infinity])
  func refusesWhatIsNotFinite(value: Float) {
    let source = HeldRows([1, value, 2, 3], rows: 2, columns: 2)
    let error = #expect(throws: LowRankError.self) {
      try SingularSearch(rule: RankRule(.count(1))).factors(of: source, name: "m")
    }
    #expect(error?.problem == .notFinite)
  }
}
