import Adapters

extension TensorUpdate {
  /// How many rows are computed together, from the first on, or a multiple of it.
  ///
  /// Units of a part that begins within a unit of the tensor are cut by every tile but one of all rows.
  package var rowUnit: Int {
    steps.contains { $0.isShifted } ? max(1, rows) : steps.map(\.rowUnit).reduce(1, Self.leastCommonMultiple)
  }

  /// At least so many rows that no unit is cut.
  package func wholeUnits(_ rows: Int) -> Int { (rows + rowUnit - 1) / rowUnit * rowUnit }

  /// Rows of a matrix with those of the steps' units that they are in.
  package static func wholeUnits(around rows: Range<Int>, of steps: [Step]) -> Range<Int> {
    let unit = steps.map(\.rowUnit).reduce(1, leastCommonMultiple)
    return rows.lowerBound / unit * unit..<(rows.upperBound + unit - 1) / unit * unit
  }

  /// The least number that both divide.
  package static func leastCommonMultiple(_ one: Int, _ other: Int) -> Int {
    var (divisor, rest) = (one, other)
    while rest > 0 { (divisor, rest) = (rest, divisor % rest) }
    return one / max(1, divisor) * other
  }
}

extension UpdateStep where Operand == FactorView {
  /// How many rows belong together, from the first on: none of them can be computed without the others.
  package var rowUnit: Int {
    switch self {
    case .mix(let mixing): mixing.axis == .rows ? mixing.groupSize : 1
    case .mixBlocks(let mixing): mixing.groupSize
    case .part(let part): part.steps.map(\.rowUnit).reduce(1, TensorUpdate.leastCommonMultiple)
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
