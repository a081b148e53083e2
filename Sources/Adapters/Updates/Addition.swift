import Safetensors

/// A delta: terms that are added up in their order, and their sum to the tensor.
public struct Addition<Operand: Equatable & Sendable>: Equatable, Sendable {
  public let terms: [Term<Operand>]
  /// Multiplies the sum of the terms, whose own scaling is then 1; nil: nothing does.
  ///
  /// With PEFT's roundings a product of a large rank is a sum of blocks that is scaled as a whole.
  public let scaling: Float?
  /// Divides the scaled sum, after it was rounded to ``roundedTo``; nil: nothing does. AdaLoRA and C3A with PEFT's roundings.
  public let divisor: Float?
  /// The dtype that the delta is rounded to before it is added, as PEFT does; nil: it is not.
  public let roundedTo: DType?
  /// Whether what is added is the delta times the tensor as it was before every step, element by element, and rounded once
  /// more: HiRA.
  public let multipliesWeight: Bool

  public init(
    _ terms: [Term<Operand>], scaling: Float? = nil, divisor: Float? = nil, roundedTo: DType? = nil,
    multipliesWeight: Bool = false
  ) {
    self.terms = terms
    self.scaling = scaling
    self.divisor = divisor
    self.roundedTo = roundedTo
    self.multipliesWeight = multipliesWeight
  }

  /// Whether it is nothing but the sum of its terms.
  package var isPlain: Bool { scaling == nil && divisor == nil && roundedTo == nil && !multipliesWeight }

  /// Every matrix that it reads.
  public var operands: [Operand] { terms.flatMap(\.operands) }

  /// The same delta of other terms.
  package func with(_ terms: [Term<Operand>]) -> Addition {
    Addition(
      terms, scaling: scaling, divisor: divisor, roundedTo: roundedTo, multipliesWeight: multipliesWeight)
  }

  /// The same delta, rounded to a dtype before it is added.
  package func rounded(to dtype: DType) -> Addition {
    Addition(terms, scaling: scaling, divisor: divisor, roundedTo: dtype, multipliesWeight: multipliesWeight)
  }

  /// The same delta of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Addition<Other> {
    var mapped: [Term<Other>] = []
    for term in terms { mapped.append(try term.map(transform)) }
    return Addition<Other>(
      mapped, scaling: scaling, divisor: divisor, roundedTo: roundedTo, multipliesWeight: multipliesWeight)
  }
}
