import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors
import Synchronization

/// The comparison of one tensor, in pieces that threads take.
final class ComparisonJob: Sendable {
  private struct State {
    var prepared: PreparedTensor?
    var comparison = TensorComparison()
    var piecesLeft: Int
  }

  let subject: ComparisonSubject
  /// Runs of rows, in order.
  let pieces: [Range<Int>]
  private let files: OpenFiles
  private let isStochastic: Bool
  private let state: Mutex<State>
  /// Elements that are computed at once: their fp64 values stay in the second-level cache.
  private static let blockElementCount = 1 << 14
  private static let pieceElementCount = 1 << 20

  /// - Parameter sample: At most how many single rows, or units of them, are compared, spread over the tensor; nil: all.
  init(_ subject: ComparisonSubject, _ files: OpenFiles, isStochastic: Bool, sample: Int? = nil) {
    self.subject = subject
    self.files = files
    self.isStochastic = isStochastic
    let update = subject.update
    let (rows, unit) = (update.rows, update.rowUnit)
    if let sample, sample * unit < rows {
      pieces = (0..<sample).map { number in
        let row = number * (rows - 1) / max(1, sample - 1) / unit * unit
        return row..<min(row + unit, rows)
      }
    } else {
      let length = update.wholeUnits(max(1, Self.pieceElementCount / max(1, update.columns)))
      pieces = stride(from: 0, to: rows, by: length).map { $0..<min($0 + length, rows) }
    }
    state = Mutex(State(piecesLeft: pieces.count))
  }

  var comparison: TensorComparison { state.withLock { $0.comparison } }

  /// Compares one piece.
  func compare(piece: Int) throws(SafetensorsError) {
    let prepared = try prepared()
    var recomputation = RowRecomputation(prepared, sourceType: subject.sourceType)
    var comparison = TensorComparison()
    if !prepared.hasKnownBits { comparison.otherBits = nil }
    var decoder = decoder
    var source: [UInt8] = []
    var found: [UInt8] = []
    var expected: [UInt8] = []
    var flags: [UInt8] = []
    let rowsAtOnce = rowsAtOnce
    for first in stride(from: pieces[piece].lowerBound, to: pieces[piece].upperBound, by: rowsAtOnce) {
      let rows = first..<min(first + rowsAtOnce, pieces[piece].upperBound)
      try readWeight(rows, columns: prepared.columns, &decoder, &source)
      try read(rows, columns: prepared.columns, of: subject.file, subject.range, subject.type, &found)
      recomputation.compute(rows, from: source)
      let count = rows.count * prepared.columns
      if expected.count < count * 4 { expected = [UInt8](repeating: 0, count: count * 4) }
      if flags.count < prepared.columns { flags = [UInt8](repeating: 0, count: prepared.columns) }
      PlainArithmetic.round(recomputation.state.values, as: subject.type, count: count, into: &expected)
      for row in rows {
        judge(row, rows, &recomputation, found, expected, &flags, &comparison)
      }
    }
    state.withLock { state in
      state.comparison.add(comparison)
      state.piecesLeft -= 1
      if state.piecesLeft == 0 { state.prepared = nil }
    }
  }

  /// Whole units of rows.
  private var rowsAtOnce: Int {
    subject.update.wholeUnits(max(1, Self.blockElementCount / max(1, subject.update.columns)))
  }

  /// Decodes the weight's codes; nil: it is numbers.
  private var decoder: PlainDecoder? {
    switch subject.weight {
    case .codes(let weight, _): PlainDecoder(weight, shape: subject.shape, files)
    case .numbers, .numbersThroughQLoRA, .padded: nil
    }
  }

  /// Reads the rows of what is merged into, as numbers.
  private func readWeight(
    _ rows: Range<Int>, columns: Int, _ decoder: inout PlainDecoder?, _ buffer: inout [UInt8]
  ) throws(SafetensorsError) {
    guard decoder == nil else {
      try decoder?.read(rows.lowerBound * columns..<rows.upperBound * columns, into: &buffer)
      return
    }
    let source = subject.weight.source
    if case .padded(_, let stored) = subject.weight {
      let size = PlainArithmetic.byteCount(subject.sourceType)
      var bytes: [UInt8] = []
      try read(rows, columns: stored, of: source.input, source.range, subject.sourceType, &bytes)
      buffer = [UInt8](repeating: 0, count: rows.count * columns * size)
      for place in 0..<rows.count * stored * size {
        buffer[place / (stored * size) * columns * size + place % (stored * size)] = bytes[place]
      }
      return
    }
    try read(rows, columns: columns, of: source.input, source.range, subject.sourceType, &buffer)
  }

  private func read(
    _ rows: Range<Int>, columns: Int, of file: Int, _ range: Range<Int>, _ type: spa_dtype, _ buffer: inout [UInt8]
  ) throws(SafetensorsError) {
    let rowByteCount = columns * PlainArithmetic.byteCount(type)
    let start = range.lowerBound + rows.lowerBound * rowByteCount
    try files.read(file, start..<start + rows.count * rowByteCount, into: &buffer)
  }

  private func judge(
    _ row: Int, _ rows: Range<Int>, _ recomputation: inout RowRecomputation, _ found: [UInt8], _ expected: [UInt8],
    _ flags: inout [UInt8], _ comparison: inout TensorComparison
  ) {
    let columns = subject.update.columns
    let start = (row - rows.lowerBound) * columns
    let result = PlainArithmetic.compare(
      found, with: recomputation.state.exact, scales: recomputation.state.scales, expected, as: subject.type, at: start,
      count: columns, flags: &flags)
    comparison.elementCount += columns
    comparison.otherwiseRounded += Int(result.otherwise)
    comparison.cancelled += Int(result.cancelled)
    let worst = result.worst > 1 ? worstError(row, rows, &recomputation, found, at: start) : result.worst
    comparison.worstError = max(comparison.worstError, worst)
    let knowsBits = comparison.otherBits != nil
    if let count = comparison.otherBits { comparison.otherBits = count + Int(result.mismatched) }
    // In F32 half of the elements are not the exact result rounded, because every fp32 step rounds; with the bits of these
    // steps they are as promised.
    let asksBoth = knowsBits && subject.type == SPA_F32
    guard asksBoth ? result.mismatched > 0 : result.otherwise + (knowsBits ? result.mismatched : 0) > 0 else { return }
    let slack = recomputation.slack(ofRow: row, in: rows, resultIsF32: subject.type == SPA_F32)
    let allowed = isStochastic ? 1.0 : 0.5
    for column in 0..<columns where flags[column] != 0 {
      let isOtherwise = flags[column] & UInt8(SPA_OTHERWISE) != 0
      let isMismatched = knowsBits && flags[column] & UInt8(SPA_MISMATCHED) != 0
      if asksBoth, !isMismatched { continue }
      guard isOtherwise || isMismatched else { continue }
      let value = number(found, start + column)
      let exact = recomputation.state.exact[start + column]
      let spacing = PlainArithmetic.spacing(subject.type, at: exact)
      let error = abs(value - exact)
      // Also true where one of them is NaN or infinite.
      let isBeyond = isOtherwise && !(error <= allowed * spacing + slack[column])
      if isBeyond {
        comparison.beyondBound += 1
        comparison.addSide(
          delta: exact - Double(recomputation.state.weights[start + column]), error: value - exact,
          allowed: allowed * spacing
        )
        // A rounding of the delta alone is as large as that of what it is added to, however small their sum is.
        let scale = PlainArithmetic.spacing(subject.type, at: recomputation.state.scales[start + column])
        if !(error <= scale + slack[column]) { comparison.beyondOneUlp += 1 }
      }
      if isBeyond || isMismatched, comparison.example == nil || (isBeyond && !comparison.exampleIsBeyond) {
        comparison.example = TensorComparison.Example(row: row, column: column, found: value, exact: exact)
        comparison.exampleIsBeyond = isBeyond
      }
    }
  }

  /// The largest error of a row where products cancel among each other too, in ulp at the largest that they reach.
  private func worstError(
    _ row: Int, _ rows: Range<Int>, _ recomputation: inout RowRecomputation, _ found: [UInt8], at start: Int
  ) -> Double {
    let reach = recomputation.reach(ofRow: row, in: rows)
    var worst = 0.0
    for column in reach.indices {
      let error = abs(number(found, start + column) - recomputation.state.exact[start + column])
      // Infinities and NaNs are judged by their bits.
      guard error.isFinite else { continue }
      worst = max(worst, error / PlainArithmetic.spacing(subject.type, at: reach[column]))
    }
    return worst
  }

  private func number(_ bytes: [UInt8], _ index: Int) -> Double {
    let size = PlainArithmetic.byteCount(subject.type)
    var value: [Float] = [0]
    PlainArithmetic.widen(Array(bytes[index * size..<(index + 1) * size]), as: subject.type, count: 1, into: &value)
    return Double(value[0])
  }

  /// The factors, read by the first piece that needs them; where DoRA's norms run down the columns, a pass over the tensor.
  private func prepared() throws(SafetensorsError) -> PreparedTensor {
    try state.withLock { state throws(SafetensorsError) in
      if let prepared = state.prepared { return prepared }
      var prepared = try PreparedTensor(subject.update, files, weight: self.weight)
      for number in prepared.steps.indices where prepared.steps[number].needsColumnNorms {
        prepared.steps[number].use(try columnNorms(prepared, step: number))
      }
      state.prepared = prepared
      return prepared
    }
  }

  /// Rows of what is merged into, in fp32.
  private func weight(_ rows: Range<Int>) throws(SafetensorsError) -> [Float] {
    var decoder = decoder
    var source: [UInt8] = []
    let columns = subject.update.columns
    try readWeight(rows, columns: columns, &decoder, &source)
    var values = [Float](repeating: 0, count: rows.count * columns)
    PlainArithmetic.widen(source, as: subject.sourceType, count: values.count, into: &values)
    return values
  }

  private func columnNorms(
    _ prepared: PreparedTensor, step: Int
  ) throws(SafetensorsError) -> PlainColumnNorms {
    var recomputation = RowRecomputation(prepared, sourceType: subject.sourceType)
    var squares = PlainSquares(columns: prepared.columns)
    var decoder = decoder
    var source: [UInt8] = []
    let rowsAtOnce = rowsAtOnce
    for first in stride(from: 0, to: prepared.rows, by: rowsAtOnce) {
      let rows = first..<min(first + rowsAtOnce, prepared.rows)
      try readWeight(rows, columns: prepared.columns, &decoder, &source)
      recomputation.addColumnSquares(step: step, rows, from: source, to: &squares)
    }
    return squares.norms(width: prepared.steps[step].columnsPerNorm, rows: prepared.rows)
  }
}
