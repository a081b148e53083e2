import Adapters
import MergePlanning
import Safetensors

/// Steps of some rows, whose result is mixed with what they start from: `x + weight (y - x)`.
struct PlainPart: PlainStep {
  private let part: PartialUpdate<FactorView>
  private var steps: [any PlainStep]
  /// What the steps see, where that is more than the rows.
  private let matrix: PlainJoinedRows?
  let addition: PlainAddition?

  var multiplies: Bool { steps.contains { $0.multiplies } }
  // The difference, the product and the sum of the mixing round too.
  var sumLength: Int { steps.reduce(0) { $0 + $1.sumLength } + (part.weight == 1 ? 0 : 3) }
  var hasKnownBits: Bool { steps.allSatisfy { $0.hasKnownBits } }
  var needsColumnNorms: Bool { matrix == nil && steps.contains { $0.needsColumnNorms } }
  var columnsPerNorm: Int { steps.first { $0.needsColumnNorms }?.columnsPerNorm ?? 1 }
  var columnNorms: PlainColumnNorms? { steps.compactMap(\.columnNorms).last }
  var window: Range<Int>? { part.rows }

  init(
    _ part: PartialUpdate<FactorView>, columns: Int, _ reader: inout FactorReader
  ) throws(SafetensorsError) {
    self.part = part
    var prepared = try PreparedTensor(part.steps, rows: part.seenRowCount, columns: columns, &reader)
    matrix = try part.matrix.map { (joined) throws(SafetensorsError) in
      try PlainJoinedRows(joined, of: part, columns: columns, &reader)
    }
    if let joined = part.matrix { try PlainJoinedRows.findColumnNorms(of: &prepared, joined, &reader) }
    steps = prepared.steps
    let additions = prepared.additions
    let distance = part.rows.lowerBound - (part.matrix?.firstRow ?? 0)
    addition = additions.isEmpty ? nil : PlainAddition(additions, movedBy: distance, times: 1)
  }

  mutating func use(_ norms: PlainColumnNorms) {
    for number in steps.indices where steps[number].needsColumnNorms { steps[number].use(norms) }
  }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    let own = part.rows.clamped(to: rows)
    guard !own.isEmpty else { return }
    let columns = state.columns
    let first = (own.lowerBound - rows.lowerBound) * columns
    var inner = PlainRows(columns: columns)
    let (inside, skipped) = part.seenRows(for: own)
    if let matrix {
      inner.load(matrix.values(inside))
    } else {
      inner.load(own.count, of: state, from: first)
    }
    for step in steps { step.apply(inside, &inner) }
    let (narrow, wide) = (part.weight, Double(part.weight))
    let rest = abs(1 - wide)
    for number in 0..<own.count * columns {
      let (place, index) = (first + number, skipped * columns + number)
      guard narrow != 1 else {
        (state.values[place], state.exact[place]) = (inner.values[index], inner.exact[index])
        state.scales[place] = inner.scales[index]
        continue
      }
      let (start, exact) = (state.values[place], state.exact[place])
      state.values[place] = start + narrow * (inner.values[index] - start)
      state.exact[place] = exact + wide * (inner.exact[index] - exact)
      state.scales[place] = rest * state.scales[place] + abs(wide) * inner.scales[index]
    }
    for row in 0..<own.count {
      state.rowFactors[own.lowerBound - rows.lowerBound + row] *= rest + abs(wide * inner.rowFactors[skipped + row])
    }
    if let factors = inner.columnFactors {
      state.columnFactors = (state.columnFactors ?? [Double](repeating: 1, count: columns)).enumerated().map {
        $1 * max(1, rest + abs(wide * factors[$0]))
      }
    }
  }
}
