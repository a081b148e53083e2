import TileKernels

/// The element-wise part of ``CombinationMethod``, with PEFT's operations in PEFT's order: each rounds once, in fp32.
///
/// Sums start at 0 and run over the adapters in their order. So does torch's sum for up to four adapters; for more, torch
/// adds some elements at the end of a factor in another order, and from eighteen on all of them.
struct CombinationArithmetic {
  let method: CombinationMethod

  /// Combines the same factor of several adapters, or whole updates, all of one size.
  ///
  /// - Parameters:
  ///   - factors: Row-major, at least one.
  ///   - weights: One for each.
  ///   - streams: One for each, for the methods that choose at random.
  func combine(
    _ factors: [[Float]], weights: [Float], streams: [RandomStream], kernels: KernelSet
  ) throws(ShapeError) -> [Float] {
    switch method {
    case .svd(let inner, _, _):
      return try CombinationArithmetic(method: inner).combine(
        factors, weights: weights, streams: streams, kernels: kernels)
    case .concatenation, .linear: return Self.weightedSum(factors, weights)
    case .magnitudePrune(let density):
      return Self.weightedSum(factors.map { Self.largest($0, density: density) }, weights)
    case .ties(let density, let sign):
      return Self.disjointMean(factors.map { Self.largest($0, density: density) }, weights, sign)
    case .dareLinear(let density, _):
      return Self.weightedSum(try Self.chosen(factors, density, streams, kernels), weights)
    case .dareTies(let density, let sign, _):
      return Self.disjointMean(try Self.chosen(factors, density, streams, kernels), weights, sign)
    }
  }

  /// `sum of weights[i] * factors[i]`.
  static func weightedSum(_ factors: [[Float]], _ weights: [Float]) -> [Float] {
    var sums = [Float](repeating: 0, count: factors.first?.count ?? 0)
    for (factor, weight) in zip(factors, weights) {
      for index in sums.indices { sums[index] += factor[index] * weight }
    }
    return sums
  }

  /// The `floor(density * count)` elements of the largest magnitude; the others times 0, which keeps their sign and makes
  /// an infinite one NaN.
  static func largest(_ factor: [Float], density: Double) -> [Float] {
    if density >= 1 { return factor }
    var result = factor.map { $0 * 0 }
    for index in TorchTopK.indices(of: factor, count: Int(density * Double(factor.count))) {
      result[index] = factor[index] * 1
    }
    return result
  }

  /// Elements kept with the probability `density` and divided by it; the others are 0.
  ///
  /// Element i is kept if its word of the stream is less than `floor(density * 2^32)`.
  private static func chosen(
    _ factors: [[Float]], _ density: Double, _ streams: [RandomStream], _ kernels: KernelSet
  ) throws(ShapeError) -> [[Float]] {
    if density >= 1 { return factors }
    let threshold = UInt64(density * 0x1p32)
    let divisor = Float(density)
    var results: [[Float]] = []
    for (factor, stream) in zip(factors, streams) {
      let words = try kernels.stochastic.words(of: stream, from: 0, count: factor.count)
      var result = factor
      for index in result.indices {
        result[index] = result[index] * (UInt64(words[index]) < threshold ? 1 : 0) / divisor
      }
      results.append(result)
    }
    return results
  }

  /// For each element the weighted sum of those that have the majority's sign, divided by their number.
  ///
  /// The majority is of the elements before they are weighted; where nothing outweighs the other it is positive. An
  /// element of 0 has neither sign.
  static func disjointMean(
    _ factors: [[Float]], _ weights: [Float], _ method: CombinationMethod.MajoritySign
  ) -> [Float] {
    let count = factors.first?.count ?? 0
    var majority = [Float](repeating: 0, count: count)
    for factor in factors {
      for index in majority.indices { majority[index] += method == .total ? factor[index] : sign(factor[index]) }
    }
    for index in majority.indices { majority[index] = majority[index] >= 0 ? 1 : -1 }
    var (sums, kept) = (majority.map { _ in Float(0) }, majority.map { _ in Float(0) })
    for (factor, weight) in zip(factors, weights) {
      for index in sums.indices {
        let mask: Float = sign(factor[index]) == majority[index] ? 1 : 0
        sums[index] += factor[index] * weight * mask
        kept[index] += mask
      }
    }
    for index in sums.indices { sums[index] /= max(kept[index], 1) }
    return sums
  }

  private static func sign(_ value: Float) -> Float { value > 0 ? 1 : value < 0 ? -1 : value }
}
