/// `M = V^T diag(values) V` of a symmetric matrix that has no negative eigenvalue, such as a Gram matrix.
struct SymmetricSpectrum {
  /// The eigenvalues, the largest first; what rounding made negative is 0.
  let values: [Double]
  /// The orthonormal eigenvectors, each a row of as many elements as there are values.
  let vectors: [Double]

  var order: Int { values.count }

  /// The spectrum of a matrix in fp64.
  ///
  /// An error of a value is a small multiple of 2^-53 times the largest one: of a Gram matrix, whose eigenvalues are squares of
  /// singular values, the singular values are right to about 2^-26 of the largest.
  ///
  /// - Parameter matrix: `order * order` elements, row by row.
  /// - Throws: ``LowRankError/Problem/notFinite`` or ``LowRankError/Problem/notConverged(order:)``.
  init(_ matrix: [Double], order: Int) throws(LowRankError) {
    guard matrix.allSatisfy(\.isFinite) else { throw LowRankError(.notFinite) }
    let largest = matrix.reduce(0) { max($0, $1.magnitude) }
    guard largest > 0 else {
      values = [Double](repeating: 0, count: order)
      vectors = (0..<order * order).map { $0 % (order + 1) == 0 ? 1 : 0 }
      return
    }
    // A power of two, so that squares neither overflow nor vanish and no digit is lost.
    let scale = Double(sign: .plus, exponent: -largest.exponent, significand: 1)
    guard let found = SpectralSums.eigen(matrix.map { $0 * scale }, order: order) else {
      throw LowRankError(.notConverged(order: order))
    }
    let places = found.values.indices.sorted { (found.values[$0], $1) > (found.values[$1], $0) }
    values = places.map { max(0, found.values[$0] / scale) }
    var sorted: [Double] = []
    sorted.reserveCapacity(order * order)
    for place in places { sorted += found.vectors[place * order..<(place + 1) * order] }
    vectors = sorted
  }

  /// The first `count` eigenvectors, each multiplied by a number.
  func scaledVectors(_ count: Int, by factor: (Int) -> Double) -> [Double] {
    var result = [Double](vectors[..<(count * order)])
    for row in 0..<count {
      let factor = factor(row)
      for column in 0..<order { result[row * order + column] *= factor }
    }
    return result
  }
}
