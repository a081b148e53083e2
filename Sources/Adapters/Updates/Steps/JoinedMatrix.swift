/// A matrix that a model keeps in several tensors: the rows of one stand under those of another, as q, k and v of a fused
/// projection do.
public struct JoinedMatrix<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// In the order of their rows, as they are before every change; all have as many columns.
  public let tensors: [Operand]
  /// The row of the matrix that is the first of those that are changed.
  public let firstRow: Int

  public init(tensors: [Operand], firstRow: Int) {
    self.tensors = tensors
    self.firstRow = firstRow
  }

  /// The same matrix of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> JoinedMatrix<Other> {
    var mapped: [Other] = []
    for tensor in tensors { mapped.append(try transform(tensor)) }
    return JoinedMatrix<Other>(tensors: mapped, firstRow: firstRow)
  }
}
