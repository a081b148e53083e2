import Inspection

/// A convolution's weight from a core and two factors, element by element.
struct PlainTucker: PlainFormula {
  /// rows x ranks.0.
  private let left: [Float]
  /// ranks.0 x columns, in fp32 as the merge promises, in fp64, and the magnitudes of what each is summed up of.
  private let narrow: [Float]
  private let wide: [Double]
  private let spreads: [Double]

  let rank: Int

  /// - Parameters:
  ///   - core: Element (i, j, k) is at `(i * ranks.1 + j) * positions + k`.
  ///   - right: ranks.1 x columns.
  init(left: [Float], core: [Float], right: [Float], ranks: (Int, Int), columns: Int) {
    self.left = left
    rank = ranks.0
    let positions = core.count / (ranks.0 * ranks.1)
    var wide: [Double] = []
    var spreads: [Double] = []
    for i in 0..<ranks.0 {
      for column in 0..<columns {
        for position in 0..<positions {
          var (sum, spread) = (0.0, 0.0)
          for j in 0..<ranks.1 {
            let product = Double(core[(i * ranks.1 + j) * positions + position]) * Double(right[j * columns + column])
            sum += product
            spread += abs(product)
          }
          wide.append(sum)
          spreads.append(spread)
        }
      }
    }
    narrow = wide.map { Float($0) }
    self.wide = wide
    self.spreads = spreads
  }

  func add(
    row: Int, columns: Int, scale: Float, to delta: inout [Float], _ exact: inout [Double], at place: Int,
    _ scratch: inout PlainScratch
  ) {
    // The product with the rounded factor is what the merge promises; the exact sum is of the factor before its rounding.
    let before = Array(exact[place..<place + columns])
    PlainArithmetic.addProduct(
      left: left, row: row, right: narrow, rank: rank, columns: columns, scale: scale, to: &delta, &exact, at: place,
      &scratch.narrow, &scratch.wide)
    for column in 0..<columns {
      var sum = 0.0
      for k in 0..<rank { sum += Double(left[row * rank + k]) * wide[k * columns + column] }
      exact[place + column] = before[column] + Double(scale) * sum
    }
  }

  func addSpread(
    row: Int, columns: Int, scale: Float, to sums: inout [Double], at place: Int, _ scratch: inout PlainScratch
  ) {
    for column in 0..<columns {
      for k in 0..<rank {
        // The rounding of the factor to fp32 is one more of the sum.
        sums[place + column] += Double(abs(scale * left[row * rank + k])) * spreads[k * columns + column]
      }
    }
  }
}
