/// Vectors of length 1 that are orthogonal to each other.
enum OrthonormalVectors {
  /// Vectors that span what the given ones span, without directions that rounding made.
  ///
  /// Two steps of `V^(-1/2) U` with the eigenvalues V and eigenvectors U of the Gram matrix, which is computed in fp64 (Stathopoulos
  /// and Wu, SIAM J. Sci. Comput. 23, 2002). The second step repairs what the first one lost to rounding.
  ///
  /// - Parameters:
  ///   - vectors: Of which the span is taken.
  ///   - lengths: What each vector's length is compared with; a vector of less than a millionth of it is rounding.
  /// - Returns: At most as many as were given.
  static func spanning(_ vectors: VectorSet, lengths: [Double]) throws(LowRankError) -> VectorSet {
    let first = try step(vectors, lengths: lengths, floor: 0x1p-40)
    guard first.count > 0 else { return first }
    return try step(first, lengths: [Double](repeating: 1, count: first.count), floor: 0x1p-20)
  }

  /// The lengths of vectors.
  static func lengths(_ vectors: VectorSet) -> [Double] {
    (0..<vectors.count).map { index in
      SpectralSums.squares([Float](vectors.elements[index * vectors.length..<(index + 1) * vectors.length]))
        .squareRoot()
    }
  }

  /// - Parameter floor: The smallest eigenvalue of a direction that is kept, of vectors of length 1.
  private static func step(_ vectors: VectorSet, lengths: [Double], floor: Double) throws(LowRankError) -> VectorSet {
    let count = vectors.count
    let scales = lengths.map { $0 > 0 ? 1 / $0 : 0 }
    var gram = SpectralSums.gram(vectors)
    for row in 0..<count {
      for column in 0..<count { gram[row * count + column] *= scales[row] * scales[column] }
    }
    let spectrum = try SymmetricSpectrum(gram, order: count)
    let kept = spectrum.values.count { $0 > floor }
    var factors = spectrum.scaledVectors(kept) { 1 / spectrum.values[$0].squareRoot() }
    for row in 0..<kept {
      for column in 0..<count { factors[row * count + column] *= scales[column] }
    }
    return kept == 0 ? VectorSet(zeros: 0, length: vectors.length) : SpectralSums.combine(factors, vectors)
  }

  /// The vectors without what they have in the directions of orthonormal ones, and how long they were before.
  static func removing(_ basis: VectorSet, from vectors: VectorSet) -> VectorSet {
    // Twice, because the first time leaves as much as rounding adds.
    once(basis, once(basis, vectors))
  }

  private static func once(_ basis: VectorSet, _ vectors: VectorSet) -> VectorSet {
    let all = basis.appending(vectors)
    let products = SpectralSums.products(vectors, basis)
    // Row p: 1 for the vector itself, and less its products with the basis.
    var factors = [Double](repeating: 0, count: vectors.count * all.count)
    for row in 0..<vectors.count {
      for column in 0..<basis.count { factors[row * all.count + column] = -products[row * basis.count + column] }
      factors[row * all.count + basis.count + row] = 1
    }
    return SpectralSums.combine(factors, all)
  }
}
