import CPlainArithmetic
import Inspection

/// Rows of a tensor while the steps of its update are done to them twice: in fp32 as the merge promises, and in fp64.
struct PlainRows {
  let columns: Int
  /// The loaded rows before the merge.
  private(set) var weights: [Float] = []
  /// Their results in fp64.
  var exact: [Double] = []
  /// `|W| + |delta|` of each, with what it is multiplied by: where the two cancel, roundings are as large as these and not as
  /// what is left.
  var scales: [Double] = []
  /// Their results in fp32, before the last rounding.
  var values: [Float] = []
  /// The delta of the current step.
  var delta: [Float] = []
  var exactDelta: [Double] = []
  /// What each row and each column was multiplied by; nil: by nothing.
  var rowFactors: [Double] = []
  var columnFactors: [Double]?
  var scratch: PlainScratch
  private var bytes: [UInt8] = []

  init(columns: Int) {
    self.columns = columns
    scratch = PlainScratch(columns: columns)
  }

  /// The magnitude of the factor that an element of the loaded rows was multiplied by.
  func factor(row: Int, column: Int) -> Double { abs(rowFactors[row] * (columnFactors?[column] ?? 1)) }

  /// Starts with the rows whose elements are the first in `source`.
  mutating func load(_ rows: Range<Int>, from source: [UInt8], as type: spa_dtype) {
    let count = rows.count * columns
    if weights.count < count {
      weights = [Float](repeating: 0, count: count)
      values = weights
      delta = weights
      exact = [Double](repeating: 0, count: count)
      exactDelta = exact
      scales = exact
    }
    PlainArithmetic.widen(source, as: type, count: count, into: &weights)
    rowFactors = [Double](repeating: 1, count: rows.count)
    columnFactors = nil
    PlainArithmetic.start(weights, count: count, &values, &exact, &scales)
  }

  /// Starts with rows of another matrix than the tensor.
  mutating func load(_ values: [Float]) {
    weights = values
    self.values = values
    exact = values.map { Double($0) }
    scales = values.map { Double($0.magnitude) }
    delta = [Float](repeating: 0, count: values.count)
    exactDelta = [Double](repeating: 0, count: values.count)
    rowFactors = [Double](repeating: 1, count: values.count / columns)
    columnFactors = nil
  }

  /// Starts with rows that steps have changed already, as if they were loaded so.
  ///
  /// - Parameters:
  ///   - rows: How many.
  ///   - first: The element of the other rows that is their first.
  mutating func load(_ rows: Int, of other: PlainRows, from first: Int) {
    let range = first..<first + rows * columns
    weights = Array(other.values[range])
    values = weights
    exact = Array(other.exact[range])
    scales = Array(other.scales[range])
    delta = [Float](repeating: 0, count: range.count)
    exactDelta = [Double](repeating: 0, count: range.count)
    rowFactors = [Double](repeating: 1, count: rows)
    columnFactors = nil
  }

  /// Makes the delta nothing.
  mutating func clearDelta(count: Int) { PlainArithmetic.clear(&delta, &exactDelta, count: count) }

  /// Adds the delta.
  mutating func accumulate(count: Int) {
    PlainArithmetic.accumulate(&values, &exact, &scales, delta, exactDelta, count: count)
  }

  /// Rounds the fp32 values to a type.
  mutating func roundValues(count: Int, to type: spa_dtype) { Self.round(&values, count, to: type, &bytes) }

  /// Rounds the fp32 delta to a type.
  mutating func roundDelta(count: Int, to type: spa_dtype) { Self.round(&delta, count, to: type, &bytes) }

  private static func round(_ numbers: inout [Float], _ count: Int, to type: spa_dtype, _ bytes: inout [UInt8]) {
    let byteCount = count * PlainArithmetic.byteCount(type)
    if bytes.count < byteCount { bytes = [UInt8](repeating: 0, count: byteCount) }
    PlainArithmetic.round(numbers, as: type, count: count, into: &bytes)
    PlainArithmetic.widen(bytes, as: type, count: count, into: &numbers)
  }

  /// Writes NaNs as a merge does.
  mutating func settleNaNs(_ rows: Range<Int>) {
    PlainArithmetic.settleNaNs(weights, &values, count: rows.count * columns)
  }

  /// Replaces one of the loaded rows.
  mutating func replace(row: Int, with replacement: [Float]) {
    let start = row * columns
    for column in 0..<columns {
      values[start + column] = replacement[column]
      exact[start + column] = Double(replacement[column])
      scales[start + column] = Double(replacement[column].magnitude)
      weights[start + column] = 0
    }
  }
}

/// Room for one row.
struct PlainScratch {
  var narrow: [Float]
  var wide: [Double]

  init(columns: Int) {
    narrow = [Float](repeating: 0, count: columns)
    wide = [Double](repeating: 0, count: columns)
  }
}
