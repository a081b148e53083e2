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
  /// more: HiRA, GLoRA.
  public let multipliesWeight: Bool
  /// What is added to that product, term by term, each rounded as the delta is, and so each sum: GLoRA. Empty where the
  /// delta does not multiply the weight.
  public let shift: [Term<Operand>]

  public init(
    _ terms: [Term<Operand>], scaling: Float? = nil, divisor: Float? = nil, roundedTo: DType? = nil,
    multipliesWeight: Bool = false, shift: [Term<Operand>] = []
  ) {
    self.terms = terms
    self.scaling = scaling
    self.divisor = divisor
    self.roundedTo = roundedTo
    self.multipliesWeight = multipliesWeight
    self.shift = shift
  }

  /// Whether it is nothing but the sum of its terms.
  package var isPlain: Bool { scaling == nil && divisor == nil && roundedTo == nil && !multipliesWeight }

  /// Its terms, and those of ``shift``.
  package var allTerms: [Term<Operand>] { terms + shift }

  /// Every matrix that it reads.
  public var operands: [Operand] { allTerms.flatMap(\.operands) }

  /// The same delta of other terms.
  package func with(_ terms: [Term<Operand>]) -> Addition { with(terms, shift: shift) }

  /// The same delta of other terms, and with another shift.
  package func with(_ terms: [Term<Operand>], shift: [Term<Operand>]) -> Addition {
    Addition(
      terms, scaling: scaling, divisor: divisor, roundedTo: roundedTo, multipliesWeight: multipliesWeight, shift: shift)
  }

  /// The same delta with every term changed, and those left out of which nothing is left.
  package func changingTerms<Failure: Error>(
    _ change: (Term<Operand>) throws(Failure) -> Term<Operand>?
  ) throws(Failure) -> Addition {
    func changed(_ terms: [Term<Operand>]) throws(Failure) -> [Term<Operand>] {
      var result: [Term<Operand>] = []
      for term in terms { if let term = try change(term) { result.append(term) } }
      return result
    }
    return with(try changed(terms), shift: try changed(shift))
  }

  /// The same delta, rounded to a dtype before it is added.
  package func rounded(to dtype: DType) -> Addition {
    Addition(
      terms, scaling: scaling, divisor: divisor, roundedTo: dtype, multipliesWeight: multipliesWeight, shift: shift)
  }

  /// The same delta of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Addition<Other> {
    func mapped(_ terms: [Term<Operand>]) throws(Failure) -> [Term<Other>] {
      var result: [Term<Other>] = []
      for term in terms { result.append(try term.map(transform)) }
      return result
    }
    return Addition<Other>(
      try mapped(terms), scaling: scaling, divisor: divisor, roundedTo: roundedTo, multipliesWeight: multipliesWeight,
      shift: try mapped(shift))
  }
}
