/// A matrix made of vectors, each a weighted sum of some vectors of a bank: VB-LoRA.
///
/// The weights of a vector are the softmax of its largest logits, or, but for the last, in the file; with that they add up to 1.
public struct Mixture<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// A row for each vector: a logit for each vector of the bank, or the weights but the last.
  public let logits: Operand
  /// The vectors of the bank that the weights are of, a row for each vector; nil: the logits tell.
  public let places: Operand?
  /// A vector in each row.
  public let bank: Operand
  /// How many vectors are summed.
  public let count: Int
  public let rows: Int
  public let columns: Int
  /// Whether the vectors are parts of columns and not of rows: with L the length of a vector, element (m, n) is element m % L of
  /// vector (m / L) * columns + n, and otherwise element n % L of vector m * (columns / L) + n / L.
  public let areColumns: Bool
  /// Whether the matrix is the transposed one.
  public let isTransposed: Bool

  public init(
    logits: Operand, places: Operand?, bank: Operand, count: Int, rows: Int, columns: Int, areColumns: Bool,
    isTransposed: Bool = false
  ) {
    self.logits = logits
    self.places = places
    self.bank = bank
    self.count = count
    self.rows = rows
    self.columns = columns
    self.areColumns = areColumns
    self.isTransposed = isTransposed
  }

  /// Every matrix that it reads.
  public var operands: [Operand] { [logits] + [places].compactMap { $0 } + [bank] }

  /// The same matrix with rows and columns exchanged.
  package var transposed: Mixture {
    Mixture(
      logits: logits, places: places, bank: bank, count: count, rows: rows, columns: columns, areColumns: areColumns,
      isTransposed: !isTransposed)
  }

  /// The place of an element of the matrix: which vector, and which of its elements.
  ///
  /// - Parameter length: Of the vectors.
  package func place(row: Int, column: Int, length: Int) -> (vector: Int, element: Int) {
    let (m, n) = isTransposed ? (column, row) : (row, column)
    return areColumns
      ? (m / length * columns + n, m % length) : (m * (columns / length) + n / length, n % length)
  }

  /// The same matrix of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Mixture<Other> {
    var places: Other?
    if let own = self.places { places = try transform(own) }
    return Mixture<Other>(
      logits: try transform(logits), places: places, bank: try transform(bank), count: count, rows: rows,
      columns: columns, areColumns: areColumns, isTransposed: isTransposed)
  }
}
