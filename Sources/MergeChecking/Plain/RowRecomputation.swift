import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// Recomputes rows of a tensor twice: exactly, in fp64 without rounding between the steps, and in fp32 by the steps that the
/// merge promises (`docs/internals/arithmetic.md`), both by plain loops over whole rows.
///
/// One object a thread: its buffers are used again.
struct RowRecomputation {
  let prepared: PreparedTensor
  let sourceType: spa_dtype
  private(set) var state: PlainRows

  init(_ prepared: PreparedTensor, sourceType: spa_dtype) {
    self.prepared = prepared
    self.sourceType = sourceType
    state = PlainRows(columns: prepared.columns)
  }

  /// Computes `rows`, whose elements before the merge are the first in `source`.
  mutating func compute(_ rows: Range<Int>, from source: [UInt8]) {
    state.load(rows, from: source, as: sourceType)
    for step in prepared.steps { step.apply(rows, &state) }
    state.settleNaNs(rows)
    for (row, replacement) in prepared.rowReplacements where rows.contains(row) {
      state.replace(row: row - rows.lowerBound, with: replacement)
    }
  }

  // MARK: - Norms down the columns

  /// Adds the squares of `weight + delta` in these rows to sums for each column, for the step of this number. Where it is of a
  /// part, only that part's rows count, as the steps before it leave them.
  mutating func addColumnSquares(
    step number: Int, _ rows: Range<Int>, from source: [UInt8], to squares: inout PlainSquares
  ) {
    let step = prepared.steps[number]
    state.load(rows, from: source, as: sourceType)
    if step.window != nil { for earlier in prepared.steps[..<number] { earlier.apply(rows, &state) } }
    step.addition?.sum(rows, &state)
    let columns = prepared.columns
    for row in (step.window ?? rows).clamped(to: rows).map({ $0 - rows.lowerBound }) {
      let spread = spread(ofRow: rows.lowerBound + row, in: rows)
      for column in 0..<columns {
        let index = row * columns + column
        let narrow = Double(state.values[index] + state.delta[index])
        let wide = state.exact[index] + state.exactDelta[index]
        squares.plain[column] += narrow * narrow
        squares.exact[column] += wide * wide
        squares.spreads[column] += spread[column] * spread[column]
      }
    }
  }

  // MARK: - What roundings allow

  /// For each column of a loaded row the sum of the magnitudes of all products, times their scalings.
  mutating func spread(ofRow row: Int, in rows: Range<Int>) -> [Double] {
    var sums = [Double](repeating: 0, count: prepared.columns)
    let start = (row - rows.lowerBound) * prepared.columns
    let weights = state.weights[start..<start + prepared.columns]
    for addition in prepared.additions {
      addition.addSpread(ofRow: row, weights: weights, to: &sums, &state.scratch)
    }
    return sums
  }

  /// The largest magnitude that the fp32 steps of a merge reach in each column of a loaded row: `|W|` and the magnitudes of
  /// all products, times DoRA's factor.
  mutating func reach(ofRow row: Int, in rows: Range<Int>) -> [Double] {
    let start = (row - rows.lowerBound) * prepared.columns
    var reach = spread(ofRow: row, in: rows)
    for column in 0..<prepared.columns {
      let factor = state.factor(row: row - rows.lowerBound, column: column)
      reach[column] = max(
        state.scales[start + column], factor * (Double(state.weights[start + column].magnitude) + reach[column]))
    }
    return reach
  }

  /// What the roundings of fp32 before the last can move each element of a loaded row, in any order of summing.
  ///
  /// With u = 2^-24, r the rank, t the number of terms, S the spread and W the weight:
  /// `(r + t + 2) u S`, for several stages or a 16-bit result `u (|W| + S)` for each rounded sum; times DoRA's factor,
  /// whose norm adds `|value| ((r + t + 2) |S| / n + (16 + N / 16) u)` for N elements. Roundings between stages, which
  /// PEFT has, add half of their spacing each.
  mutating func slack(ofRow row: Int, in rows: Range<Int>, resultIsF32: Bool) -> [Double] {
    let unit = 0x1p-24
    let columns = prepared.columns
    let start = (row - rows.lowerBound) * columns
    var slack = spread(ofRow: row, in: rows)
    let additions = prepared.additions
    let terms = additions.map { $0.terms.count }.max() ?? 0
    let rank = additions.map(\.rank).max() ?? 0
    let products = Double(rank + terms + 2) * unit
    let sums = Double(additions.count - (resultIsF32 ? 1 : 0)) * unit
    let isRescaled = prepared.steps.contains { $0.multiplies }
    let rowNorm = isRescaled ? slack.reduce(0) { $0 + $1 * $1 }.squareRoot() : 0
    let weightNorm =
      isRescaled ? state.weights[start..<start + columns].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() : 0
    let last = prepared.steps.count - 1
    let sumLength = prepared.steps.reduce(0) { $0 + $1.sumLength }
    for column in 0..<columns {
      let spread = slack[column]
      let weight = abs(Double(state.weights[start + column]))
      var bound = products * spread + max(0, sums) * (weight + spread) + 0x1p-148 * Double(rank + terms)
      // A rotation adds up as many products as a block has rows, of the magnitudes that the scales are the sums of.
      bound += state.scales[start + column] * Double(sumLength == 0 ? 0 : sumLength + 4) * unit
      for (number, step) in prepared.steps.enumerated() {
        bound += step.rounding(weight: weight, spread: spread, isLast: number == last)
      }
      if isRescaled {
        let factor = state.factor(row: row - rows.lowerBound, column: column)
        let ratio: Double
        var count = columns
        if let norms = prepared.steps.compactMap(\.columnNorms).last {
          let group = column / norms.width
          ratio = norms.spreads[group] / max(norms.exact[group], .leastNonzeroMagnitude)
          count = norms.rows * norms.width
        } else {
          ratio = rowNorm / max(weightNorm, .leastNonzeroMagnitude)
        }
        bound = factor * (bound + 2 * unit * (weight + spread))
        bound += abs(state.exact[start + column]) * (2 * products * ratio + (16 + Double(count) / 16) * unit)
      }
      slack[column] = bound
    }
    return slack
  }
}
