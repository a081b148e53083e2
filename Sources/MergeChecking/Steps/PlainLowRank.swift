import Inspection

/// Rows plus their products with a matrix of low rank: `x + s (x A) B`, for each position of a kernel alone.
struct PlainLowRank: PlainStep {
  /// A, columns x rank, and B, rank x columns.
  let left: [Float]
  let right: [Float]
  let rank: Int
  let scaling: Float
  let positions: Int

  var multiplies: Bool { true }
  /// The product with B, the rounding of that with A, the scaling and the sum.
  var sumLength: Int { rank + 3 }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    for row in 0..<rows.count {
      for position in 0..<positions { apply(at: row * state.columns + position, &state) }
    }
  }

  /// - Parameter first: The element of the row's first column at a position.
  private func apply(at first: Int, _ state: inout PlainRows) {
    let width = state.columns / positions
    var parts = [Float](repeating: 0, count: rank)
    var (exact, spreads) = ([Double](repeating: 0, count: rank), [Double](repeating: 0, count: rank))
    for k in 0..<rank {
      // In eight lanes, and the columns behind the last eight on their own.
      var lanes = [Double](repeating: 0, count: 8)
      var rest = 0.0
      for column in 0..<width {
        let (index, factor) = (first + column * positions, Double(left[column * rank + k]))
        if column < width - width % 8 {
          lanes[column % 8] += Double(state.values[index]) * factor
        } else {
          rest += Double(state.values[index]) * factor
        }
        exact[k] += state.exact[index] * factor
        spreads[k] += state.scales[index] * abs(factor)
      }
      parts[k] = Float(lanes.reduce(0, +) + rest)
    }
    for column in 0..<width {
      let index = first + column * positions
      var (sum, wide, scale) = (Float(0), 0.0, 0.0)
      for k in 0..<rank {
        let factor = right[k * width + column]
        sum.addProduct(parts[k], factor)
        wide += exact[k] * Double(factor)
        scale += spreads[k] * Double(abs(factor))
      }
      state.values[index] += scaling * sum
      state.exact[index] += Double(scaling) * wide
      state.scales[index] += Double(abs(scaling)) * scale
    }
  }
}
