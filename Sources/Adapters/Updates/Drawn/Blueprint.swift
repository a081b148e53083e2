import Safetensors

/// A formula that only the weight's size, or that of the largest weights of the adapter, makes whole. The plan replaces it by
/// an ordinary one: neither the engine nor the check sees one.
public enum Blueprint<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// VeRA and PVeRA without projections in the file.
  case projections(DrawnProjections<Operand>)
  /// RandLoRA.
  case bases(RandomBases<Operand>)

  /// Every matrix that it reads.
  var operands: [Operand] {
    switch self {
    case .projections(let projections): [projections.rowScales, projections.innerScales]
    case .bases(let bases): bases.operands
    }
  }

  /// The same blueprint of other operands.
  func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Blueprint<Other> {
    switch self {
    case .projections(let projections): return .projections(try projections.map(transform))
    case .bases(let bases): return .bases(try bases.map(transform))
    }
  }

  /// The same blueprint for an adapter of these weights.
  func sized(_ weights: AdaptedWeights) -> Blueprint {
    switch self {
    case .projections(var projections):
      projections.weights = weights
      return .projections(projections)
    case .bases(var bases):
      bases.weights = weights
      return .bases(bases)
    }
  }
}

/// What all weights that an adapter changes have in common.
public struct AdaptedWeights: Equatable, Sendable {
  /// The most rows and the most columns, not always of one weight.
  public let rows: Int
  public let columns: Int
  /// The dtype: PEFT rounds what it draws to it.
  public let dtype: DType

  public init(rows: Int, columns: Int, dtype: DType) {
    self.rows = rows
    self.columns = columns
    self.dtype = dtype
  }
}

/// `(b * B) (d * A)`, A and B being the first numbers of torch's generator: B has the rows of the largest weights, A their columns.
public struct DrawnProjections<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// b: a number for each row of the weight, as a matrix that repeats it for each column of B.
  public let rowScales: Operand
  /// d: one row of a number for each row of A.
  public let innerScales: Operand
  public let seed: Int64
  /// Columns of B.
  public let rank: Int
  /// Rows of A that are drawn; the first ``rank`` of them are used.
  public let drawnRows: Int
  /// Nil: the weight is the only one that is known yet.
  public var weights: AdaptedWeights?

  init(rowScales: Operand, innerScales: Operand, seed: Int64, rank: Int, drawnRows: Int, weights: AdaptedWeights? = nil)
  {
    self.rowScales = rowScales
    self.innerScales = innerScales
    self.seed = seed
    self.rank = rank
    self.drawnRows = drawnRows
    self.weights = weights
  }

  func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> DrawnProjections<Other> {
    DrawnProjections<Other>(
      rowScales: try transform(rowScales), innerScales: try transform(innerScales), seed: seed, rank: rank,
      drawnRows: drawnRows, weights: weights)
  }

  /// A, with as many columns as the weight, and B, with as many rows.
  ///
  /// Both are `kaiming_uniform_`: a bound of `sqrt(6 / columns)`, in double as PEFT computes it.
  package func draws(rows: Int, columns: Int) -> (a: Draw, b: Draw) {
    let largest = weights ?? AdaptedWeights(rows: rows, columns: columns, dtype: .f32)
    func numbers(_ fan: Int) -> Draw.Numbers {
      .uniform(bound: Float(3.0.squareRoot() * (2.0.squareRoot() / Double(fan).squareRoot())))
    }
    let a = Draw(
      seed: seed, skipped: 0, numbers(largest.columns), dtype: largest.dtype, of: (drawnRows, largest.columns),
      rows: rank, columns: columns)
    let b = Draw(
      seed: seed, skipped: drawnRows * largest.columns, numbers(rank), dtype: largest.dtype,
      of: (largest.rows, rank), rows: rows, columns: rank)
    return (a, b)
  }
}
