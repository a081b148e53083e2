import Safetensors

/// RandLoRA: `B A'`, or the transposed matrix where the weight has more columns than rows.
///
/// With d the smaller of the weight's sizes, r the rank and n = ceil(d / r): A' is (r n, d), element (i n + j, m) being
/// `lambda[i, j] * A[i, m] * gamma[j, m]`; B is (the larger size, r n), element (o, j r + i) being `B[o, j, i]`. The two orders of
/// i and j differ: it is so in PEFT.
///
/// Sources: Albert et al., RandLoRA, arXiv:2502.00987; PEFT 0.21.2 `RandLoraModel`, `Linear.get_scaled_bases`.
public struct RandomBases<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// The shared matrices.
  public enum Source: Equatable, Sendable {
    /// (r, d of all) and (the largest size of all, n of all * r).
    case file(a: Operand, b: Operand)
    /// They are the first numbers of torch's generator.
    case drawn(seed: Int64, Kind)
  }

  /// How they are drawn.
  public enum Kind: Equatable, Sendable {
    case uniform
    /// `sparse`.
    case sparse
    /// `very_sparse`.
    case verySparse
  }

  /// (r n, d), every row of one number.
  public let lambda: Operand
  /// (n, d).
  public let gamma: Operand
  public let source: Source
  public let rank: Int
  /// n and d.
  public let count: Int
  public let width: Int
  /// Nil: the weight is the only one that is known yet.
  public var weights: AdaptedWeights?

  init(
    lambda: Operand, gamma: Operand, source: Source, rank: Int, count: Int, width: Int, weights: AdaptedWeights? = nil
  ) {
    self.lambda = lambda
    self.gamma = gamma
    self.source = source
    self.rank = rank
    self.count = count
    self.width = width
    self.weights = weights
  }

  var operands: [Operand] {
    switch source {
    case .file(let a, let b): [lambda, gamma, a, b]
    case .drawn: [lambda, gamma]
    }
  }

  func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> RandomBases<Other> {
    let mapped: RandomBases<Other>.Source
    switch source {
    case .file(let a, let b): mapped = .file(a: try transform(a), b: try transform(b))
    case .drawn(let seed, .uniform): mapped = .drawn(seed: seed, .uniform)
    case .drawn(let seed, .sparse): mapped = .drawn(seed: seed, .sparse)
    case .drawn(let seed, .verySparse): mapped = .drawn(seed: seed, .verySparse)
    }
    return RandomBases<Other>(
      lambda: try transform(lambda), gamma: try transform(gamma), source: mapped, rank: rank, count: count,
      width: width,
      weights: weights)
  }

  /// A, (r, d), and B, (the weight's larger size, r n), where they are drawn.
  package func draws(seed: Int64, _ kind: Kind, rows: Int, columns: Int) -> (a: Draw, b: Draw) {
    let extent = weights ?? AdaptedWeights(rows: rows, columns: columns, dtype: .f32)
    let (narrow, wide) = (min(extent.rows, extent.columns), max(extent.rows, extent.columns))
    let size = max(rows, columns)
    let bases = (narrow + rank - 1) / rank
    let (countA, countB) = (rank * narrow, wide * bases * rank)
    // A is `kaiming_uniform_` of (r, 1, narrow), B so many of (wide, 1, r), one after another.
    func numbers(_ fan: Int) -> Draw.Numbers {
      switch kind {
      case .uniform:
        let gain = (2.0 / (1 + 5.0.squareRoot() * 5.0.squareRoot())).squareRoot()
        return .normalizedBF16(bound: Float(3.0.squareRoot() * (gain / Double(fan).squareRoot())))
      case .sparse: return .signs(sparsity: 3)
      case .verySparse: return .signs(sparsity: Double(narrow).squareRoot())
      }
    }
    let a = Draw(
      seed: seed, skipped: 0, count: countA, numbers(narrow), dtype: extent.dtype, rows: rank, columns: width,
      rowStride: narrow,
      blockColumns: narrow, blockStride: 0)
    // The sparse ones are drawn as one tensor (wide, bases, r).
    let b =
      kind == .uniform
      ? Draw(
        seed: seed, skipped: countA, count: countB, numbers(rank), dtype: extent.dtype, rows: size,
        columns: rank * count, rowStride: rank,
        blockColumns: rank, blockStride: wide * rank)
      : Draw(
        seed: seed, skipped: countA, count: countB, numbers(rank), dtype: extent.dtype, rows: size,
        columns: rank * count,
        rowStride: bases * rank, blockColumns: bases * rank, blockStride: 0)
    return (a, b)
  }
}
