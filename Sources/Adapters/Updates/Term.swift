/// One part of a delta: a formula, and where its matrix lies in the tensor.
public struct Term<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// The rows and columns of the tensor that it is added to.
  public let rows: Range<Int>
  public let columns: Range<Int>
  /// Its matrix has as many rows and columns.
  public let formula: Formula<Operand>
  /// Multiplies the formula's matrix. Computed in double, rounded once.
  public let scaling: Float

  public init(rows: Range<Int>, columns: Range<Int>, _ formula: Formula<Operand>, scaling: Float) {
    self.rows = rows
    self.columns = columns
    self.formula = formula
    self.scaling = scaling
  }

  /// The matrices that it reads.
  public var operands: [Operand] { formula.operands }

  /// The same formula with another scaling.
  package func scaled(by scaling: Float) -> Term { Term(rows: rows, columns: columns, formula, scaling: scaling) }

  /// The same delta further to the right.
  package func shifted(columns count: Int) -> Term {
    Term(rows: rows, columns: columns.lowerBound + count..<columns.upperBound + count, formula, scaling: scaling)
  }

  /// The same delta further down.
  package func shifted(rows count: Int) -> Term {
    Term(rows: rows.lowerBound + count..<rows.upperBound + count, columns: columns, formula, scaling: scaling)
  }

  /// The same delta of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Term<Other> {
    Term<Other>(rows: rows, columns: columns, try formula.map(transform), scaling: scaling)
  }
}
