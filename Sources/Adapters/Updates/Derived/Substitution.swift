/// `Q (s R - F^T W)`: what the columns of F see of W is taken out, and R put in its place.
///
/// `F^T W` is summed in fp32 over a few rows of W at a time (``WeightProducts``), and these sums in double; Q, and what it is multiplied by, are
/// computed in double and rounded to fp32.
///
/// Source: PEFT 0.21.2 `DeftLinear._project`, `_merge_factor`, `_delta_from_factor`.
public struct Substitution<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// P, (out, r).
  public let directions: Operand
  /// Whether `Q = F` is the Q of `P = Q R`, with the signs of LAPACK's reflections; otherwise `Q = P`, and F is P with 0 for
  /// what is negative.
  public let isOrthogonal: Bool
  /// R, (r, in); nil: nothing is put in.
  public let injection: Operand?
  /// s.
  public let scaling: Double
  /// r.
  public let rank: Int

  /// - Parameters:
  ///   - directions: P.
  ///   - isOrthogonal: Whether Q and F are the Q of P.
  ///   - injection: R; nil: none.
  ///   - scaling: s.
  ///   - rank: Columns of `directions`.
  public init(directions: Operand, isOrthogonal: Bool, injection: Operand?, scaling: Double, rank: Int) {
    self.directions = directions
    self.isOrthogonal = isOrthogonal
    self.injection = injection
    self.scaling = scaling
    self.rank = rank
  }

  /// Every matrix that it reads beside W.
  public var operands: [Operand] { [directions] + [injection].compactMap { $0 } }

  /// The same of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Substitution<Other> {
    let directions = try transform(directions)
    var injection: Other?
    if let own = self.injection { injection = try transform(own) }
    return Substitution<Other>(
      directions: directions, isOrthogonal: isOrthogonal, injection: injection, scaling: scaling, rank: rank)
  }
}
