import Adapters
import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// A delta: its terms summed in their order, then added.
struct PlainAddition: PlainStep {
  struct PlainTerm: Sendable {
    let rows: Range<Int>
    let columns: Range<Int>
    let scaling: Float
    let formula: any PlainFormula
  }

  let terms: [PlainTerm]
  let scaling: Float?
  let divisor: Float?
  let roundedTo: spa_dtype?
  let multipliesWeight: Bool
  let shift: [PlainTerm]

  var addition: PlainAddition? { self }
  /// The length of the longest sum.
  var rank: Int {
    let longest = (terms + shift).map(\.formula.rank).max() ?? 0
    return longest + shift.count + (divisor == nil ? 0 : 1) + (multipliesWeight ? 1 : 0)
  }

  /// The sum of what several add to some rows, so many rows further down, times a factor: for the magnitudes of what is added.
  init(_ additions: [PlainAddition], movedBy distance: Int, times factor: Float) {
    func moved(_ term: PlainTerm) -> PlainTerm {
      PlainTerm(
        rows: term.rows.lowerBound + distance..<term.rows.upperBound + distance, columns: term.columns,
        scaling: factor * term.scaling, formula: term.formula)
    }
    terms = additions.flatMap(\.terms).map(moved)
    shift = additions.flatMap(\.shift).map(moved)
    multipliesWeight = additions.contains { $0.multipliesWeight }
    (scaling, divisor, roundedTo) = (nil, nil, nil)
  }

  init(_ addition: Addition<FactorView>, _ reader: inout FactorReader) throws(SafetensorsError) {
    func read(_ terms: [Term<FactorView>], _ reader: inout FactorReader) throws(SafetensorsError) -> [PlainTerm] {
      var result: [PlainTerm] = []
      for term in terms {
        result.append(
          PlainTerm(
            rows: term.rows, columns: term.columns, scaling: term.scaling, formula: try term.formula.plain(&reader)))
      }
      return result
    }
    terms = try read(addition.terms, &reader)
    shift = try read(addition.shift, &reader)
    scaling = addition.scaling
    divisor = addition.divisor
    multipliesWeight = addition.multipliesWeight
    roundedTo = addition.roundedTo.flatMap(PlainArithmetic.type)
  }

  func apply(_ rows: Range<Int>, _ state: inout PlainRows) {
    sum(rows, &state)
    state.accumulate(count: rows.count * state.columns)
  }

  /// Makes the state's delta what is added to these rows.
  func sum(_ rows: Range<Int>, _ state: inout PlainRows) {
    let count = rows.count * state.columns
    state.clearDelta(count: count)
    Self.add(terms, rows, &state)
    if let scaling {
      for index in 0..<count {
        state.delta[index] *= scaling
        state.exactDelta[index] *= Double(scaling)
      }
    }
    if let divisor {
      if let roundedTo { state.roundDelta(count: count, to: roundedTo) }
      for index in 0..<count {
        state.delta[index] /= divisor
        state.exactDelta[index] /= Double(divisor)
      }
    }
    if let roundedTo { state.roundDelta(count: count, to: roundedTo) }
    guard multipliesWeight else { return }
    for index in 0..<count {
      state.delta[index] *= state.weights[index]
      state.exactDelta[index] *= Double(state.weights[index])
    }
    if let roundedTo { state.roundDelta(count: count, to: roundedTo) }
    for term in shift {
      let (product, exact) = (state.delta, state.exactDelta)
      state.clearDelta(count: count)
      Self.add([term], rows, &state)
      if let roundedTo { state.roundDelta(count: count, to: roundedTo) }
      for index in 0..<count {
        state.delta[index] += product[index]
        state.exactDelta[index] += exact[index]
      }
      if let roundedTo { state.roundDelta(count: count, to: roundedTo) }
    }
  }

  /// Adds terms to the state's delta.
  private static func add(_ terms: [PlainTerm], _ rows: Range<Int>, _ state: inout PlainRows) {
    for term in terms {
      for row in term.rows.clamped(to: rows) {
        term.formula.add(
          row: row - term.rows.lowerBound, columns: term.columns.count, scale: term.scaling, to: &state.delta,
          &state.exactDelta, at: (row - rows.lowerBound) * state.columns + term.columns.lowerBound, &state.scratch)
      }
    }
  }

  /// Adds the magnitudes of all products of a row, times their scalings, to a sum for each column.
  ///
  /// - Parameter weights: The row before the merge.
  func addSpread(ofRow row: Int, weights: ArraySlice<Float>, to sums: inout [Double], _ scratch: inout PlainScratch) {
    guard scaling != nil || divisor != nil || multipliesWeight else {
      return addSpread(ofRow: row, to: &sums, &scratch)
    }
    var own = [Double](repeating: 0, count: sums.count)
    addSpread(ofRow: row, to: &own, &scratch)
    let factor = Double(abs(scaling ?? 1)) / Double(abs(divisor ?? 1))
    for (column, weight) in weights.enumerated() {
      sums[column] += own[column] * factor * (multipliesWeight ? Double(abs(weight)) : 1)
    }
    Self.addSpread(shift, ofRow: row, to: &sums, &scratch)
  }

  private func addSpread(ofRow row: Int, to sums: inout [Double], _ scratch: inout PlainScratch) {
    Self.addSpread(terms, ofRow: row, to: &sums, &scratch)
  }

  private static func addSpread(
    _ terms: [PlainTerm], ofRow row: Int, to sums: inout [Double], _ scratch: inout PlainScratch
  ) {
    for term in terms where term.rows.contains(row) {
      term.formula.addSpread(
        row: row - term.rows.lowerBound, columns: term.columns.count, scale: term.scaling, to: &sums,
        at: term.columns.lowerBound, &scratch)
    }
  }

  func rounding(weight: Double, spread: Double, isLast: Bool) -> Double {
    // The rounded delta times the weight is rounded once more, and so is what is divided; what is added to the product, each sum,
    // and a column that a weight is multiplied by too.
    let count = (multipliesWeight ? 3.0 : 1) + (divisor == nil ? 0 : 1) + 3 * Double(shift.count)
    return roundedTo.map { count * PlainArithmetic.spacing($0, at: spread) / 2 } ?? 0
  }
}
