import Adapters

/// A block of a rotation less the identity, in double, row after row.
struct CayleyBlock {
  let elements: [Double]

  /// - Parameter entries: The elements above the diagonal of the skew-symmetric matrix, row after row.
  init(_ entries: ArraySlice<Float>, size: Int, _ cayley: Cayley) {
    var skew = [Double](repeating: 0, count: size * size)
    var next = entries.startIndex
    for row in 0..<size {
      for column in row + 1..<max(size, row + 1) {
        skew[row * size + column] = Double(entries[next])
        skew[column * size + row] = -Double(entries[next])
        next += 1
      }
    }
    self.init(skew: skew, size: size, cayley)
  }

  /// - Parameter skew: The skew-symmetric matrix, row after row.
  init(skew: [Double], size: Int, _ cayley: Cayley) {
    var skew = skew
    if let limit = cayley.limit {
      let norm = skew.reduce(0) { $0 + $1 * $1 }.squareRoot()
      if norm > limit { skew = skew.map { $0 * (limit / norm) } }
    }
    let block = cayley.terms.map { Self.series(skew, size, $0) } ?? Self.inverse(skew, size)
    guard cayley.isTransposed else {
      elements = block
      return
    }
    elements = (0..<size * size).map { block[$0 % size * size + $0 / size] }
  }

  private static func product(_ one: [Double], _ other: [Double], _ size: Int) -> [Double] {
    var result = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for inner in 0..<size {
        let factor = one[row * size + inner]
        for column in 0..<size { result[row * size + column] += factor * other[inner * size + column] }
      }
    }
    return result
  }

  /// `2 Q + 2 Q^2 + ... + Q^n`.
  private static func series(_ skew: [Double], _ size: Int, _ terms: Int) -> [Double] {
    var sum = [Double](repeating: 0, count: size * size)
    guard terms > 1 else { return sum }
    let last = terms == 2 ? 1 : max(3, terms - 1)
    var power = skew
    for exponent in 1...last {
      let factor = exponent == last && terms > 2 ? 1.0 : 2
      for index in sum.indices { sum[index] += factor * power[index] }
      if exponent < last { power = product(power, skew, size) }
    }
    return sum
  }

  /// `(I - Q) (I + Q)^-1 - I`: the X of `X (I + Q) = -2 Q`, by elimination in the columns.
  private static func inverse(_ skew: [Double], _ size: Int) -> [Double] {
    var (left, right) = (skew, skew.map { -2 * $0 })
    for index in 0..<size { left[index * size + index] += 1 }
    for pivot in 0..<size {
      // I + Q is as well conditioned as Q is small; the largest element of the row keeps it so in any case.
      let best = (pivot..<size).max { abs(left[pivot * size + $0]) < abs(left[pivot * size + $1]) } ?? pivot
      for row in 0..<size where best != pivot {
        left.swapAt(row * size + pivot, row * size + best)
        right.swapAt(row * size + pivot, row * size + best)
      }
      let scale = left[pivot * size + pivot]
      for row in 0..<size {
        left[row * size + pivot] /= scale
        right[row * size + pivot] /= scale
      }
      for column in 0..<size where column != pivot {
        let factor = left[pivot * size + column]
        for row in 0..<size where factor != 0 {
          left[row * size + column] -= factor * left[row * size + pivot]
          right[row * size + column] -= factor * right[row * size + pivot]
        }
      }
    }
    return right
  }
}
