/// How several adapters become one before it is merged: PEFT 0.21.2's `add_weighted_adapter`.
///
/// Those but ``svd(_:rank:clamp:)`` work on the factors A and B of a module apart from each other, in fp32. With the weight w of an adapter, the
/// scaling s of its module and g = w s, A is weighted by `sign(g) sqrt(abs(g))` and B by `sqrt(abs(g))`; the combined
/// module has the scaling 1. Only ``concatenation`` is the sum of the adapters' updates: the others have products of one
/// adapter's B with another's A in them.
///
/// Source: PEFT 0.21.2 `LoraModel.add_weighted_adapter`, `peft.utils.merge_utils`.
public indirect enum CombinationMethod: Sendable, Equatable {
  /// Factors one behind the other, A weighted by w and then by s: the sum of the updates, with these two roundings.
  case concatenation
  /// `sum of weight_i * factor_i`.
  case linear
  /// Yadav et al., TIES-Merging, arXiv:2306.01708: of each factor the largest elements are kept, of the kept ones those of
  /// the majority's sign, and their weighted sum is divided by their number.
  case ties(density: Double, sign: MajoritySign)
  /// Yu et al., DARE, arXiv:2311.03099: elements are kept at random and divided by the density; then as ``linear``.
  case dareLinear(density: Double, seed: UInt64)
  /// Elements are kept at random and divided by the density; then as ``ties(density:sign:)``.
  case dareTies(density: Double, sign: MajoritySign, seed: UInt64)
  /// Of each factor the largest elements are kept; then as ``linear``.
  case magnitudePrune(density: Double)
  /// The inner method, which is ``linear`` or one of those that drop elements, on whole updates `s B A` in place of factors
  /// and with the weights w, and of what it makes the best approximation of a rank.
  ///
  /// - `rank`: nil: the largest that an adapter's configuration has.
  /// - `clamp`: a share of all elements of both factors; their magnitudes are clamped to that quantile. Nil: they are not.
  case svd(CombinationMethod, rank: Int?, clamp: Double?)

  /// What decides the sign that an element of the result has.
  public enum MajoritySign: String, Sendable, CaseIterable {
    /// The sign of the sum.
    case total
    /// The sign that more adapters have.
    case frequency
  }

  /// PEFT's name for it.
  public var name: String {
    switch self {
    case .concatenation: "cat"
    case .linear: "linear"
    case .ties: "ties"
    case .dareLinear: "dare_linear"
    case .dareTies: "dare_ties"
    case .magnitudePrune: "magnitude_prune"
    case .svd(.linear, _, _): "svd"
    case .svd(let inner, _, _): inner.name + "_svd"
    }
  }

  /// The share of elements that is kept; nil: the method drops none.
  public var density: Double? {
    switch self {
    case .concatenation, .linear: nil
    case .ties(let density, _), .dareLinear(let density, _), .dareTies(let density, _, _),
      .magnitudePrune(let density):
      density
    case .svd(let inner, _, _): inner.density
    }
  }

  /// Where random choices come from; nil: the method makes none.
  var seed: UInt64? {
    switch self {
    case .dareLinear(_, let seed), .dareTies(_, _, let seed): seed
    case .svd(let inner, _, _): inner.seed
    case .concatenation, .linear, .ties, .magnitudePrune: nil
    }
  }

  /// Whether it needs a `MatrixDecomposer`.
  public var needsDecompositions: Bool { if case .svd = self { true } else { false } }
}
