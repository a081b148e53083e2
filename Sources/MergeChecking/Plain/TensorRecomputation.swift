import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors
import Synchronization

/// The rows of a tensor as an update makes them, computed again from the inputs by threads that share its factors.
final class TensorRecomputation: Sendable {
  /// What it was before the merge.
  let weight: WeightSource
  /// Of the weight's numbers.
  let sourceType: spa_dtype
  let shape: [Int]
  let update: TensorUpdate
  private let files: OpenFiles
  private let prepared = Mutex<PreparedTensor?>(nil)
  /// Elements that are computed at once: their fp64 values stay in the second-level cache.
  private static let blockElementCount = 1 << 14
  private static let pieceElementCount = 1 << 20

  init(_ weight: WeightSource, as sourceType: spa_dtype, shape: [Int], update: TensorUpdate, _ files: OpenFiles) {
    self.weight = weight
    self.sourceType = sourceType
    self.shape = shape
    self.update = update
    self.files = files
  }

  /// Runs of rows that can be computed apart, in order.
  ///
  /// - Parameter sample: At most how many single rows, or units of them, spread over the tensor; nil: all.
  func pieces(sample: Int?) -> [Range<Int>] {
    let (rows, unit) = (update.rows, update.rowUnit)
    if let sample, sample * unit < rows {
      return (0..<sample).map { number in
        let row = number * (rows - 1) / max(1, sample - 1) / unit * unit
        return row..<min(row + unit, rows)
      }
    }
    let length = update.wholeUnits(max(1, Self.pieceElementCount / max(1, update.columns)))
    return stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
  }

  /// Computes a run of rows, a few at a time.
  ///
  /// - Parameter body: Is given the rows that were computed last.
  func compute(
    _ piece: Range<Int>, _ body: (Range<Int>, inout RowRecomputation) throws(SafetensorsError) -> Void
  ) throws(SafetensorsError) {
    let prepared = try preparedTensor()
    var recomputation = RowRecomputation(prepared, sourceType: sourceType)
    var decoder = decoder
    var source: [UInt8] = []
    for first in stride(from: piece.lowerBound, to: piece.upperBound, by: rowsAtOnce) {
      let rows = first..<min(first + rowsAtOnce, piece.upperBound)
      try readWeight(rows, &decoder, &source)
      recomputation.compute(rows, from: source)
      try body(rows, &recomputation)
    }
  }

  /// Whether the fp32 steps of the merge are known bit for bit.
  func hasKnownBits() throws(SafetensorsError) -> Bool { try preparedTensor().hasKnownBits }

  /// Forgets the factors, which the next rows that are computed read again.
  func release() { prepared.withLock { $0 = nil } }

  /// Whole units of rows.
  private var rowsAtOnce: Int { update.wholeUnits(max(1, Self.blockElementCount / max(1, update.columns))) }

  /// Decodes the weight's codes; nil: it is numbers.
  private var decoder: PlainDecoder? {
    switch weight {
    case .codes(let weight, _): PlainDecoder(weight, shape: shape, files)
    case .numbers, .numbersThroughQLoRA, .padded: nil
    }
  }

  /// Reads the rows of what is merged into, as numbers.
  private func readWeight(
    _ rows: Range<Int>, _ decoder: inout PlainDecoder?, _ buffer: inout [UInt8]
  ) throws(SafetensorsError) {
    let columns = update.columns
    guard decoder == nil else {
      try decoder?.read(rows.lowerBound * columns..<rows.upperBound * columns, into: &buffer)
      return
    }
    let size = PlainArithmetic.byteCount(sourceType)
    guard case .padded(_, let stored) = weight else {
      return try readNumbers(rows, rowByteCount: columns * size, &buffer)
    }
    var bytes: [UInt8] = []
    try readNumbers(rows, rowByteCount: stored * size, &bytes)
    buffer = [UInt8](repeating: 0, count: rows.count * columns * size)
    for place in 0..<rows.count * stored * size {
      buffer[place / (stored * size) * columns * size + place % (stored * size)] = bytes[place]
    }
  }

  /// Reads rows as the file has them.
  private func readNumbers(
    _ rows: Range<Int>, rowByteCount: Int, _ buffer: inout [UInt8]
  ) throws(SafetensorsError) {
    let start = weight.source.range.lowerBound + rows.lowerBound * rowByteCount
    try files.read(weight.source.input, start..<start + rows.count * rowByteCount, into: &buffer)
  }

  /// The factors, read by the first piece that needs them; where DoRA's norms run down the columns, a pass over the tensor.
  private func preparedTensor() throws(SafetensorsError) -> PreparedTensor {
    try prepared.withLock { held throws(SafetensorsError) in
      if let held { return held }
      var prepared = try PreparedTensor(update, files, weight: self.numbers)
      for number in prepared.steps.indices where prepared.steps[number].needsColumnNorms {
        prepared.steps[number].use(try columnNorms(prepared, step: number))
      }
      held = prepared
      return prepared
    }
  }

  /// Rows of what is merged into, in fp32.
  private func numbers(_ rows: Range<Int>) throws(SafetensorsError) -> [Float] {
    var decoder = decoder
    var source: [UInt8] = []
    try readWeight(rows, &decoder, &source)
    var values = [Float](repeating: 0, count: rows.count * update.columns)
    PlainArithmetic.widen(source, as: sourceType, count: values.count, into: &values)
    return values
  }

  private func columnNorms(
    _ prepared: PreparedTensor, step: Int
  ) throws(SafetensorsError) -> PlainColumnNorms {
    var recomputation = RowRecomputation(prepared, sourceType: sourceType)
    var squares = PlainSquares(columns: prepared.columns)
    var decoder = decoder
    var source: [UInt8] = []
    let rowsAtOnce = rowsAtOnce
    for first in stride(from: 0, to: prepared.rows, by: rowsAtOnce) {
      let rows = first..<min(first + rowsAtOnce, prepared.rows)
      try readWeight(rows, &decoder, &source)
      recomputation.addColumnSquares(step: step, rows, from: source, to: &squares)
    }
    return squares.norms(width: prepared.steps[step].columnsPerNorm, rows: prepared.rows)
  }
}
