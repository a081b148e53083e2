import Inspection

/// Rows in bands, each with a block M of so many rows: with x a part of a row and m its row of the block, `x + (x M + m)`.
struct PlainBands: PlainStep {
  /// The rows of all blocks.
  let values: [Float]
  let size: Int

  var multiplies: Bool { true }
  /// The product, what is added to it, and the sum with the row.
  var sumLength: Int { size + 2 }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    for row in rows {
      let (block, added) = (row / size * size * size, row * size)
      for part in 0..<state.columns / size {
        apply(at: (row - rows.lowerBound) * state.columns + part * size, block, added, &state)
      }
    }
  }

  private func apply(at first: Int, _ block: Int, _ added: Int, _ state: inout PlainRows) {
    var (narrow, wide, scales): ([Float], [Double], [Double]) = ([], [], [])
    for column in 0..<size {
      var (sum, exact) = (Float(0), 0.0)
      let own = values[added + column]
      var scale = state.scales[first + column] + Double(abs(own))
      for k in 0..<size {
        let factor = values[block + k * size + column]
        sum.addProduct(state.values[first + k], factor)
        exact += state.exact[first + k] * Double(factor)
        scale += state.scales[first + k] * Double(abs(factor))
      }
      narrow.append(state.values[first + column] + (sum + own))
      wide.append(state.exact[first + column] + (exact + Double(own)))
      scales.append(scale)
    }
    for column in 0..<size {
      state.values[first + column] = narrow[column]
      state.exact[first + column] = wide[column]
      state.scales[first + column] = scales[column]
    }
  }
}
