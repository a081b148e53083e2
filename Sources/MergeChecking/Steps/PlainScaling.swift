import Adapters

/// Each row or each column times its element of a vector.
struct PlainScaling: PlainStep {
  let factors: [Float]
  let axis: Axis

  var multiplies: Bool { true }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    let columns = state.columns
    var columnFactors = state.columnFactors ?? [Double](repeating: 1, count: columns)
    for row in 0..<rows.count {
      for column in 0..<columns {
        let index = row * columns + column
        let factor = axis == .rows ? factors[rows.lowerBound + row] : factors[column]
        state.values[index] = factor * state.values[index]
        state.exact[index] = Double(factor) * state.exact[index]
        state.scales[index] = abs(Double(factor)) * state.scales[index]
      }
      if axis == .rows { state.rowFactors[row] *= Double(factors[rows.lowerBound + row]) }
    }
    if axis == .columns {
      for column in 0..<columns { columnFactors[column] *= Double(factors[column]) }
      state.columnFactors = columnFactors
    }
  }
}
