import Safetensors

/// A delta: terms that are added up in their order, and their sum to the tensor.
public struct Addition<Operand: Equatable & Sendable>: Equatable, Sendable {
  public let terms: [Term<Operand>]
  /// Multiplies the sum of the terms, whose own scaling is then 1; nil: nothing does.
  ///
  /// With PEFT's roundings a product of a large rank is a sum of blocks that is scaled as a whole.
  public let scaling: Float?
  /// The dtype that the delta is rounded to before it is added, as PEFT does; nil: it is not.
  public let roundedTo: DType?

  public init(_ terms: [Term<Operand>], scaling: Float? = nil, roundedTo: DType? = nil) {
    self.terms = terms
    self.scaling = scaling
    self.roundedTo = roundedTo
  }

  /// Whether it is nothing but the sum of its terms.
  package var isPlain: Bool { scaling == nil && roundedTo == nil }

  /// Every matrix that it reads.
  public var operands: [Operand] { terms.flatMap(\.operands) }

  /// The same delta of other terms.
  package func with(_ terms: [Term<Operand>]) -> Addition {
    Addition(terms, scaling: scaling, roundedTo: roundedTo)
  }

  /// The same delta of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Addition<Other> {
    var mapped: [Term<Other>] = []
    for term in terms { mapped.append(try term.map(transform)) }
    return Addition<Other>(mapped, scaling: scaling, roundedTo: roundedTo)
  }
}
