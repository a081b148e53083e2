import Adapters

/// Sums of vectors of a bank, each element in double and rounded.
enum PlainMixture {
  /// - Parameters:
  ///   - mixture: What the numbers are of.
  ///   - extent: Rows and columns of the matrix.
  static func table<Operand: Equatable & Sendable>(
    _ mixture: Mixture<Operand>, extent: (rows: Int, columns: Int), logits: [Float], places: [Float]?, bank: [Float],
    length: Int
  ) -> PlainTable {
    let vectorCount = bank.count / length
    var wide: [Double] = []
    for row in 0..<extent.rows {
      for column in 0..<extent.columns {
        let (vector, element) = mixture.place(row: row, column: column, length: length)
        var sum = 0.0
        for (place, weight) in parts(vector, mixture.count, logits, places, vectorCount)
        where (0..<vectorCount).contains(place) {
          sum += weight * Double(bank[place * length + element])
        }
        wide.append(sum)
      }
    }
    return PlainTable(rounding: wide, spreads: wide.map { abs($0) }, columns: extent.columns)
  }

  private static func parts(
    _ vector: Int, _ count: Int, _ logits: [Float], _ places: [Float]?, _ vectorCount: Int
  ) -> [(Int, Double)] {
    if let places {
      let weights = logits[vector * (count - 1)..<(vector + 1) * (count - 1)].map(Double.init)
      let all = weights + [1 - weights.reduce(0, +)]
      return (0..<count).map { (Int(exactly: places[vector * count + $0]) ?? -1, all[$0]) }
    }
    var left = Array(logits[vector * vectorCount..<(vector + 1) * vectorCount].enumerated())
    left.sort { $0.element > $1.element || ($0.element == $1.element && $0.offset < $1.offset) }
    let powers = left.prefix(count).map { exponential(Double($0.element) - Double(left[0].element)) }
    let sum = powers.reduce(0, +)
    return zip(left, powers).map { ($0.offset, $1 / sum) }
  }

  /// e to a power that is not above 0, by squaring that of a small part.
  private static func exponential(_ x: Double) -> Double {
    guard x > -745 else { return x.isNaN ? x : 0 }
    let small = x / 1024
    var result = 1 + small * (1 + small / 2 * (1 + small / 3 * (1 + small / 4 * (1 + small / 5 * (1 + small / 6)))))
    for _ in 0..<10 { result *= result }
    return result
  }
}
