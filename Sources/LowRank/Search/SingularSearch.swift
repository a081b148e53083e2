import Platform
import TileKernels

/// The largest singular values of a matrix with their vectors, as factors of low rank.
///
/// A matrix whose shorter side is short is decomposed by its Gram matrix in fp64. Of a larger one the search space is a block
/// Krylov space: orthonormal vectors Q that span `D G, (D D^T) D G, ...` with a matrix G of normally distributed numbers. Within it
/// the eigenvalues of `(D^T Q)^T (D^T Q)` are squares of singular values, never larger than those of D. Blocks are added until the
/// share that is kept grows by less than a hundred-thousandth, or nothing is left to find; when the space is half as large as the
/// shorter side, the Gram matrix takes its place.
///
/// Sources: Halko, Martinsson and Tropp, SIAM Review 53, 2011; Musco and Musco, NeurIPS 2015, algorithm 2.
public struct SingularSearch: Sendable {
  /// The shorter side up to which all singular values are computed.
  public static let directLimit = 256
  /// Vectors that a block has beyond the rank.
  static let oversampling = 16
  /// The growth of the kept share that ends a search.
  static let convergence = 1e-5
  /// The share outside of the search space that fp32 cannot tell from 0.
  static let negligible = 1e-12

  /// How many values are kept.
  public var rule: RankRule
  /// The matrix G of the first block depends on it.
  public let seed: UInt64
  /// Elements of a matrix that are held in memory; a larger one is read again for each product.
  public let elementLimit: Int
  private let kernels: KernelSet

  /// Makes a search.
  ///
  /// - Parameters:
  ///   - rule: How many singular values are kept.
  ///   - seed: Any number; the same one gives the same bits.
  ///   - elementLimit: Elements that may be held, 4 bytes each.
  ///   - kernels: Compute the products; their choice does not change the result.
  public init(rule: RankRule, seed: UInt64 = 0, elementLimit: Int = 1 << 25, kernels: KernelSet = .best) {
    self.rule = rule
    self.seed = seed
    self.elementLimit = elementLimit
    self.kernels = kernels
  }

  /// The factors of a matrix that has rows and columns.
  ///
  /// Of a rule that counts, the rank is the count or the shorter side, whichever is smaller; factors for singular values of 0 are 0.
  ///
  /// - Parameter name: Of the matrix: it is part of the seed, so that the result does not depend on other matrices.
  /// - Throws: ``LowRankError``; what reading the matrix throws.
  public func factors(of matrix: some MatrixRows, name: String) throws -> LowRankFactors {
    let product = try MatrixOperator(matrix, elementLimit: elementLimit, kernels: kernels)
    let shorter = min(matrix.rows, matrix.columns)
    var found: LowRankFactors?
    let block = Self.blockSize(rule.firstCount, shorter)
    if shorter > Self.directLimit, block * 3 <= shorter, product.total > 0 {
      found = try krylov(product, block: block, seed: NameHash.of(name, seed: seed))
    }
    let factors = try found ?? direct(product)
    guard case .count(let count) = rule.criterion else { return factors }
    return factors.padded(to: min(count, rule.limit ?? count, shorter))
  }

  /// Vectors of a block: whole panels of the kernels.
  private static func blockSize(_ rank: Int, _ shorter: Int) -> Int {
    (min(rank, shorter) + oversampling + PackedRight.panelColumns - 1) / PackedRight.panelColumns
      * PackedRight.panelColumns
  }

  /// By the Gram matrix of the shorter side.
  private func direct(_ product: MatrixOperator) throws -> LowRankFactors {
    let isTall = product.columns < product.rows
    let order = min(product.rows, product.columns)
    let spectrum = try SymmetricSpectrum(product.gramOfShorterSide(), order: order)
    let total = spectrum.values.reduce(0, +)
    let rank = min(order, rule.rank(squares: spectrum.values, total: total, isAll: true) ?? order)
    let vectors = VectorSet(
      count: rank, length: order, elements: spectrum.vectors[..<(rank * order)].map { Float($0) })
    let images = isTall ? try product.times(vectors) : try product.transposedTimes(vectors)
    let factors = LowRankFactors(
      vectors: vectors, images: images, squares: spectrum.values, total: total, lastGain: 0, hasAllValues: true)
    return isTall ? factors.transposed : factors
  }

  /// By a block Krylov space; nil: it would be larger than half of the shorter side.
  private func krylov(_ product: MatrixOperator, block: Int, seed: UInt64) throws -> LowRankFactors? {
    let isTall = product.columns < product.rows
    let shorter = min(product.rows, product.columns)
    // Vectors of the shorter side are the ones that are made orthonormal.
    func toShorter(_ vectors: VectorSet) throws -> VectorSet {
      isTall ? try product.transposedTimes(vectors) : try product.times(vectors)
    }
    func toLonger(_ vectors: VectorSet) throws -> VectorSet {
      isTall ? try product.times(vectors) : try product.transposedTimes(vectors)
    }
    let longer = max(product.rows, product.columns)
    let lengths = [Double](repeating: product.total.squareRoot(), count: block)
    // Orthonormal vectors for what products with these add to the space. What is short beside the matrix is rounding.
    func added(_ vectors: VectorSet, to space: VectorSet) throws -> VectorSet {
      let candidate = try OrthonormalVectors.removing(space, from: toShorter(vectors))
      return try OrthonormalVectors.spanning(candidate, lengths: Array(lengths[..<candidate.count]))
    }
    var numbers = GaussianNumbers(seed: seed)
    func sketch() throws -> VectorSet {
      let vectors = numbers.vectors(block, length: longer)
      return try OrthonormalVectors.spanning(vectors, lengths: OrthonormalVectors.lengths(vectors))
    }
    var space = VectorSet(zeros: 0, length: shorter)
    var images = VectorSet(zeros: 0, length: longer)
    var next = try added(sketch(), to: space)
    var before: [Double] = []
    while true {
      let image = try toLonger(next)
      (space, images) = (space.appending(next), images.appending(image))
      let spectrum = try SymmetricSpectrum(SpectralSums.gram(images), order: images.count)
      var isAll = product.total - spectrum.values.reduce(0, +) <= Self.negligible * product.total
      if !isAll {
        let turned = try OrthonormalVectors.spanning(image, lengths: OrthonormalVectors.lengths(image))
        next = try added(turned, to: space)
        // A value that more vectors share than a block has: other numbers find more of them.
        if next.count == 0 { next = try added(sketch(), to: space) }
        isAll = next.count == 0
      }
      if let rank = rule.rank(squares: spectrum.values, total: product.total, isAll: isAll) {
        let rank = min(rank, spectrum.order)
        let kept = spectrum.values.prefix(rank).reduce(0, +)
        let gain = (kept - before.prefix(rank).reduce(0, +)) / product.total
        if isAll || (before.count >= rank && gain <= Self.convergence) {
          let factors = LowRankFactors(
            vectors: SpectralSums.combine(spectrum.scaledVectors(rank) { _ in 1 }, space),
            images: SpectralSums.combine(spectrum.scaledVectors(rank) { _ in 1 }, images), squares: spectrum.values,
            total: product.total, lastGain: isAll ? 0 : max(0, gain), hasAllValues: isAll)
          return isTall ? factors.transposed : factors
        }
      }
      if (space.count + next.count) * 2 > shorter { return nil }
      before = spectrum.values
    }
  }
}
