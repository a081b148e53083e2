/// Steps of some rows of a tensor, as a weight mixes their result with what they start from: `Y = X + weight (f(X) - X)`, X being
/// the rows as the steps before left them and f the steps, which see X as the whole weight, or as a part of a matrix that other
/// tensors have the rest of.
///
/// Updates that are no sum of a delta, such as DoRA and OFT, are strengthened or weakened so, and of a part of a fused tensor
/// alone.
public struct PartialUpdate<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// The tensor's.
  public let rows: Range<Int>
  /// Of a matrix of so many rows, or of ``matrix``, and as many columns as the tensor has. None of them subtracts, rounds or
  /// replaces.
  public let steps: [UpdateStep<Operand>]
  /// In fp32, as the mixing is; 1: the result of the steps is taken as it is.
  public let weight: Float
  /// What the steps see, where that is more than these rows: no step before has changed any of its rows. Nil: they see these rows.
  public let matrix: JoinedMatrix<Operand>?

  public init(
    rows: Range<Int>, of matrix: JoinedMatrix<Operand>? = nil, steps: [UpdateStep<Operand>], weight: Float = 1
  ) {
    self.rows = rows
    self.matrix = matrix
    self.steps = steps
    self.weight = weight
  }

  /// Every matrix that it reads.
  public var operands: [Operand] { steps.flatMap(\.operands) + (matrix?.tensors ?? []) }

  /// The same update of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> PartialUpdate<Other> {
    var mapped: [UpdateStep<Other>] = []
    for step in steps { mapped.append(try step.map(transform)) }
    var joined: JoinedMatrix<Other>?
    if let matrix { joined = try matrix.map(transform) }
    return PartialUpdate<Other>(rows: rows, of: joined, steps: mapped, weight: weight)
  }
}
