import Adapters

extension TensorUpdate {
  /// How many rows are computed together, from the first on, or a multiple of it.
  ///
  /// Units of a part that begins within a unit of the tensor are cut by every tile but one of all rows.
  package var rowUnit: Int {
    steps.contains { $0.isShifted } ? max(1, rows) : Self.rowUnit(of: steps)
  }

  /// At least so many rows that no unit is cut.
  package func wholeUnits(_ rows: Int) -> Int { (rows + rowUnit - 1) / rowUnit * rowUnit }

  /// The rows that belong together where all of these steps are done.
  fileprivate static func rowUnit(of steps: [Step]) -> Int { steps.map(\.rowUnit).reduce(1, leastCommonMultiple) }

  /// The least number that both divide.
  package static func leastCommonMultiple(_ one: Int, _ other: Int) -> Int {
    var (divisor, rest) = (one, other)
    while rest > 0 { (divisor, rest) = (rest, divisor % rest) }
    return one / max(1, divisor) * other
  }
}

extension UpdateStep where Operand == FactorView {
  /// How many rows belong together, from the first on: none of them can be computed without the others.
  fileprivate var rowUnit: Int {
    switch self {
    case .mix(let mixing): mixing.axis == .rows ? mixing.groupSize : 1
    case .mixBlocks(let mixing): mixing.groupSize
    case .part(let part): part.rowUnit
    case .subtract, .add, .rescale, .scale, .rotate, .round, .replaceRows: 1
    }
  }

  /// Whether it is of a part whose first row is not the first of a unit of rows.
  fileprivate var isShifted: Bool {
    // What lies in other tensors is read where it is needed.
    guard case .part(let part) = self, part.matrix == nil else { return false }
    return part.rows.lowerBound % rowUnit != 0 || part.steps.contains { $0.isShifted }
  }
}

extension JoinedMatrix where Operand == FactorView {
  /// The rows of all its tensors.
  package var rowCount: Int { tensors.reduce(0) { $0 + $1.rows } }
}

extension PartialUpdate where Operand == FactorView {
  /// How many rows belong together, of those that the steps see.
  package var rowUnit: Int { TensorUpdate.rowUnit(of: steps) }

  /// How many rows the steps see: the part's, or those of the matrix that it is in.
  package var seenRowCount: Int { matrix?.rowCount ?? rows.count }

  /// The rows, of those that the steps see, that some of the part's are computed with.
  ///
  /// - Parameter own: Rows of the tensor, in the part. Where the steps see the part alone they are whole units.
  /// - Returns: The rows, and how many of them come before the part's own.
  package func seenRows(for own: Range<Int>) -> (rows: Range<Int>, skipped: Int) {
    let distance = (matrix?.firstRow ?? 0) - rows.lowerBound
    let start = own.lowerBound + distance
    guard matrix != nil else { return (start..<start + own.count, 0) }
    let (unit, end) = (rowUnit, start + own.count)
    let first = start / unit * unit
    return (first..<min((end + unit - 1) / unit * unit, seenRowCount), start - first)
  }
}
