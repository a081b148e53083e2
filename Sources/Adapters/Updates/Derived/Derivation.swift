/// A product of two matrices, of which one follows from the tensor that is changed: from W, as it was before every step.
///
/// The product is that of the layer, ``rows`` x ``columns``, as the module computes `y = W x`; ``isTransposed`` says that the
/// tensor is the transposed matrix.
public struct Derivation<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// How the two matrices follow.
  public enum Form: Equatable, Sendable {
    /// DEFT.
    case substitution(Substitution<Operand>)
    /// PEANuT.
    case network(Network<Operand>)
    /// `U diag(S) V` of so many of the smallest singular values of W and their vectors, each matrix rounded to W's dtype: what
    /// OSF takes out.
    case smallestSingularValues(count: Int)
  }

  public let form: Form
  public let rows: Int
  public let columns: Int
  public let isTransposed: Bool

  public init(_ form: Form, rows: Int, columns: Int, isTransposed: Bool = false) {
    self.form = form
    self.rows = rows
    self.columns = columns
    self.isTransposed = isTransposed
  }

  /// Every matrix that it reads beside W.
  public var operands: [Operand] {
    switch form {
    case .substitution(let substitution): substitution.operands
    case .network(let network): network.operands
    case .smallestSingularValues: []
    }
  }

  /// The matrix without which the product is zero; nil: none is known to be.
  package var factor: Operand? {
    switch form {
    case .substitution(let substitution): substitution.isOrthogonal ? nil : substitution.directions
    case .network(let network): network.output
    case .smallestSingularValues: nil
    }
  }

  /// Columns of the left matrix.
  package var rank: Int {
    switch form {
    case .substitution(let substitution): substitution.rank
    case .network(let network): network.rank
    case .smallestSingularValues(let count): count
    }
  }

  /// Whether it takes a decomposition of W.
  package var decomposesWeight: Bool { if case .smallestSingularValues = form { true } else { false } }

  /// The same for a tensor that is the transposed matrix.
  package var transposed: Derivation {
    Derivation(form, rows: rows, columns: columns, isTransposed: !isTransposed)
  }

  /// The same of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Derivation<Other> {
    let mapped: Derivation<Other>.Form
    switch form {
    case .substitution(let substitution): mapped = .substitution(try substitution.map(transform))
    case .network(let network): mapped = .network(try network.map(transform))
    case .smallestSingularValues(let count): mapped = .smallestSingularValues(count: count)
    }
    return Derivation<Other>(mapped, rows: rows, columns: columns, isTransposed: isTransposed)
  }
}
