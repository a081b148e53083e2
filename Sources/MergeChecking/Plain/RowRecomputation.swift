import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// Computes rows of a tensor anew, twice: exactly, in fp64 without any rounding between, and in fp32 by the steps that the
/// merge promises (`docs/architecture.md`, Arithmetic), both by plain loops over whole rows.
///
/// One object a thread: its buffers are used again.
struct RowRecomputation {
  let prepared: PreparedTensor
  let sourceType: spa_dtype
  /// The rows at hand as they were before the merge.
  private(set) var weights: [Float] = []
  /// Their results in fp64.
  private(set) var exact: [Double] = []
  /// `|W| + |delta|` of each, with DoRA's factor: where the two cancel, roundings are as large as these and not as what is
  /// left.
  private(set) var scales: [Double] = []
  /// Their results in fp32, before the last rounding.
  private(set) var values: [Float] = []
  /// What each row was multiplied by last, where DoRA rescales rows; 1 elsewhere.
  private var rowFactors: [Double] = []
  private var columnFactors: [Double]?
  private var delta: [Float] = []
  private var exactDelta: [Double] = []
  private var narrow: [Float] = []
  private var wide: [Double] = []
  private var bytes: [UInt8] = []

  init(_ prepared: PreparedTensor, sourceType: spa_dtype) {
    self.prepared = prepared
    self.sourceType = sourceType
    narrow = [Float](repeating: 0, count: prepared.columns)
    wide = [Double](repeating: 0, count: prepared.columns)
  }

  /// Computes `rows`, whose elements before the merge are the first in `source`.
  mutating func compute(_ rows: Range<Int>, from source: [UInt8]) {
    load(rows, from: source)
    let count = rows.count * prepared.columns
    rowFactors = [Double](repeating: 1, count: rows.count)
    columnFactors = nil
    PlainArithmetic.start(weights, count: count, &values, &exact, &scales)
    for stage in prepared.stages {
      sumTerms(stage, rows)
      if stage.magnitudes != nil {
        rescale(stage, rows)
      } else {
        PlainArithmetic.accumulate(&values, &exact, &scales, delta, exactDelta, count: count)
      }
      if let intermediate = stage.intermediate { Self.round(&values, count, to: intermediate.dtype, &bytes) }
    }
    PlainArithmetic.settleNaNs(weights, &values, count: count)
    for (row, replacement) in prepared.rowReplacements where rows.contains(row) {
      let start = (row - rows.lowerBound) * prepared.columns
      for column in 0..<prepared.columns {
        values[start + column] = replacement[column]
        exact[start + column] = Double(replacement[column])
        scales[start + column] = Double(replacement[column].magnitude)
        weights[start + column] = 0
      }
    }
  }

  private mutating func load(_ rows: Range<Int>, from source: [UInt8]) {
    let count = rows.count * prepared.columns
    if weights.count < count {
      weights = [Float](repeating: 0, count: count)
      values = weights
      delta = weights
      exact = [Double](repeating: 0, count: count)
      exactDelta = exact
      scales = exact
    }
    PlainArithmetic.widen(source, as: sourceType, count: count, into: &weights)
  }

  private mutating func sumTerms(_ stage: PreparedTensor.Stage, _ rows: Range<Int>) {
    let count = rows.count * prepared.columns
    PlainArithmetic.clear(&delta, &exactDelta, count: count)
    for term in stage.terms {
      for row in term.rows.clamped(to: rows) {
        let place = (row - rows.lowerBound) * prepared.columns + term.columns.lowerBound
        switch term.kind {
        case .lowRank(let left, let right, let rank):
          PlainArithmetic.addProduct(
            left: left, row: row - term.rows.lowerBound, right: right, rank: rank, columns: term.columns.count,
            scale: term.scaling, to: &delta, &exactDelta, at: place, &narrow, &wide)
        case .scaled(let added):
          let start = (row - term.rows.lowerBound) * term.columns.count
          for column in 0..<term.columns.count {
            let value = added[start + column]
            let scaled = term.scaling * value
            delta[place + column] += scaled
            exactDelta[place + column] += Double(term.scaling) * Double(value)
          }
        }
      }
    }
    guard let intermediate = stage.intermediate else { return }
    if let scaling = intermediate.scaling {
      for index in 0..<count {
        delta[index] *= scaling
        exactDelta[index] *= Double(scaling)
      }
    }
    if intermediate.roundsDelta { Self.round(&delta, count, to: intermediate.dtype, &bytes) }
  }

  /// `value = m / n * (value + delta)`, n the norms of `weight + delta`.
  private mutating func rescale(_ stage: PreparedTensor.Stage, _ rows: Range<Int>) {
    guard let magnitudes = stage.magnitudes else { return }
    let columns = prepared.columns
    if stage.axis == .columns {
      guard let norms = stage.columnNorms else { return }
      var factors = [Double](repeating: 0, count: columns)
      for column in 0..<columns {
        let factor = magnitudes[column] / norms.plain[column]
        factors[column] = Double(magnitudes[column]) / norms.exact[column]
        for index in stride(from: column, to: rows.count * columns, by: columns) {
          values[index] = factor * (values[index] + delta[index])
          exact[index] = factors[column] * (exact[index] + exactDelta[index])
          scales[index] = abs(factors[column]) * (scales[index] + abs(exactDelta[index]))
        }
      }
      columnFactors = factors
      return
    }
    for row in 0..<rows.count {
      let range = row * columns..<(row + 1) * columns
      var square = 0.0
      for index in range {
        let sum = Double(weights[index]) + exactDelta[index]
        square += sum * sum
        narrow[index - range.lowerBound] = weights[index] + delta[index]
      }
      let magnitude = magnitudes[rows.lowerBound + row]
      let factor = magnitude / PlainArithmetic.norm(narrow, 0..<columns)
      rowFactors[row] = Double(magnitude) / square.squareRoot()
      for index in range {
        values[index] = factor * (values[index] + delta[index])
        exact[index] = rowFactors[row] * (exact[index] + exactDelta[index])
        scales[index] = abs(rowFactors[row]) * (scales[index] + abs(exactDelta[index]))
      }
    }
  }

  private static func round(_ numbers: inout [Float], _ count: Int, to dtype: DType, _ bytes: inout [UInt8]) {
    guard let type = PlainArithmetic.type(dtype) else { return }
    let byteCount = count * PlainArithmetic.byteCount(type)
    if bytes.count < byteCount { bytes = [UInt8](repeating: 0, count: byteCount) }
    PlainArithmetic.round(numbers, as: type, count: count, into: &bytes)
    PlainArithmetic.widen(bytes, as: type, count: count, into: &numbers)
  }

  // MARK: - Norms down the columns

  /// Adds the squares of `weight + delta` in these rows, of one stage, to sums for each column.
  mutating func addColumnSquares(
    stage: Int, _ rows: Range<Int>, from source: [UInt8], plain: inout [Double], exact: inout [Double],
    spreads: inout [Double]
  ) {
    load(rows, from: source)
    sumTerms(prepared.stages[stage], rows)
    let columns = prepared.columns
    for row in 0..<rows.count {
      let spread = spread(ofRow: rows.lowerBound + row)
      for column in 0..<columns {
        let index = row * columns + column
        let narrow = Double(weights[index] + delta[index])
        let wide = Double(weights[index]) + exactDelta[index]
        plain[column] += narrow * narrow
        exact[column] += wide * wide
        spreads[column] += spread[column] * spread[column]
      }
    }
  }

  // MARK: - What roundings allow

  /// For each column of a row of the tensor the sum of the magnitudes of all products, times their scalings.
  mutating func spread(ofRow row: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: prepared.columns)
    for term in prepared.stages.flatMap(\.terms) where term.rows.contains(row) {
      switch term.kind {
      case .lowRank(let left, let right, let rank):
        PlainArithmetic.addSpreads(
          left: left, row: row - term.rows.lowerBound, right: right, rank: rank, columns: term.columns.count,
          scale: term.scaling, to: &sums, at: term.columns.lowerBound, &wide)
      case .scaled(let added):
        let start = (row - term.rows.lowerBound) * term.columns.count
        for column in 0..<term.columns.count {
          sums[term.columns.lowerBound + column] += Double(abs(term.scaling * added[start + column]))
        }
      }
    }
    return sums
  }

  /// For each column of a row of those at hand `|W|` and the magnitudes of all products, with DoRA's factor: as large as
  /// the fp32 steps of a merge get on their way.
  mutating func reach(ofRow row: Int, in rows: Range<Int>) -> [Double] {
    let start = (row - rows.lowerBound) * prepared.columns
    var reach = spread(ofRow: row)
    for column in 0..<prepared.columns {
      let factor = abs(columnFactors?[column] ?? rowFactors[row - rows.lowerBound])
      reach[column] = max(scales[start + column], factor * (Double(weights[start + column].magnitude) + reach[column]))
    }
    return reach
  }

  /// What the roundings of fp32 before the last can move each element of a row of those at hand, in any order of summing.
  ///
  /// With u = 2^-24, r the rank, t the number of terms, S the spread and W the weight:
  /// `(r + t + 2) u S`, for several stages or a 16-bit result `u (|W| + S)` for each rounded sum; times DoRA's factor,
  /// whose norm adds `|value| ((r + t + 2) |S| / n + (16 + N / 16) u)` for N elements. Roundings between stages, which
  /// PEFT has, add half of their spacing each.
  mutating func slack(ofRow row: Int, in rows: Range<Int>, resultIsF32: Bool) -> [Double] {
    let unit = 0x1p-24
    let columns = prepared.columns
    let start = (row - rows.lowerBound) * columns
    var slack = spread(ofRow: row)
    let terms = prepared.stages.map { $0.terms.count }.max() ?? 0
    let rank = prepared.stages.flatMap(\.terms).map(\.rank).max() ?? 0
    let products = Double(rank + terms + 2) * unit
    let sums = Double(prepared.stages.count - (resultIsF32 ? 1 : 0)) * unit
    let isRescaled = prepared.stages.contains { $0.magnitudes != nil }
    let rowNorm = isRescaled ? slack.reduce(0) { $0 + $1 * $1 }.squareRoot() : 0
    let weightNorm =
      isRescaled ? weights[start..<start + columns].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() : 0
    let last = prepared.stages.count - 1
    for column in 0..<columns {
      let spread = slack[column]
      let weight = abs(Double(weights[start + column]))
      var bound = products * spread + max(0, sums) * (weight + spread) + 0x1p-148 * Double(rank + terms)
      for (number, stage) in prepared.stages.enumerated() {
        guard let intermediate = stage.intermediate, let type = PlainArithmetic.type(intermediate.dtype) else {
          continue
        }
        let spacing = PlainArithmetic.spacing(type, at: weight + spread)
        if intermediate.roundsDelta { bound += PlainArithmetic.spacing(type, at: spread) / 2 }
        if number < last { bound += spacing / 2 }
      }
      if isRescaled {
        let factor = abs(columnFactors?[column] ?? rowFactors[row - rows.lowerBound])
        let ratio: Double
        var count = columns
        if let norms = prepared.stages.compactMap(\.columnNorms).last {
          ratio = norms.spreads[column] / max(norms.exact[column], .leastNonzeroMagnitude)
          count = prepared.rows
        } else {
          ratio = rowNorm / max(weightNorm, .leastNonzeroMagnitude)
        }
        bound = factor * (bound + 2 * unit * (weight + spread))
        bound += abs(exact[start + column]) * (2 * products * ratio + (16 + Double(count) / 16) * unit)
      }
      slack[column] = bound
    }
    return slack
  }
}
