import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors
import Synchronization

/// The comparison of one tensor, in pieces that threads take.
protocol TensorJob: Sendable {
  /// Runs of rows, in order.
  var pieces: [Range<Int>] { get }
  /// Of the pieces that were compared.
  var comparison: TensorComparison { get }

  /// Compares one piece.
  func compare(piece: Int) throws(SafetensorsError)
}

/// The comparison of a tensor of numbers.
final class ComparisonJob: TensorJob {
  private struct State {
    var comparison = TensorComparison()
    var piecesLeft: Int
  }

  let subject: ComparisonSubject
  let pieces: [Range<Int>]
  private let tensor: TensorRecomputation
  private let files: OpenFiles
  private let isStochastic: Bool
  private let state: Mutex<State>

  /// - Parameter sample: At most how many single rows, or units of them, are compared, spread over the tensor; nil: all.
  init(_ subject: ComparisonSubject, _ files: OpenFiles, isStochastic: Bool, sample: Int? = nil) {
    self.subject = subject
    self.files = files
    self.isStochastic = isStochastic
    tensor = TensorRecomputation(
      subject.weight, as: subject.sourceType, shape: subject.shape, update: subject.update, files)
    pieces = tensor.pieces(sample: sample)
    state = Mutex(State(piecesLeft: pieces.count))
  }

  var comparison: TensorComparison { state.withLock { $0.comparison } }

  func compare(piece: Int) throws(SafetensorsError) {
    var comparison = TensorComparison()
    if try !tensor.hasKnownBits() { comparison.otherBits = nil }
    var found: [UInt8] = []
    var expected: [UInt8] = []
    let columns = subject.update.columns
    var flags = [UInt8](repeating: 0, count: columns)
    try tensor.compute(pieces[piece]) { rows, recomputation throws(SafetensorsError) in
      try read(rows, &found)
      let count = rows.count * columns
      if expected.count < count * 4 { expected = [UInt8](repeating: 0, count: count * 4) }
      PlainArithmetic.round(recomputation.state.values, as: subject.type, count: count, into: &expected)
      for row in rows {
        judge(row, rows, &recomputation, found, expected, &flags, &comparison)
      }
    }
    state.withLock { state in
      state.comparison.add(comparison)
      state.piecesLeft -= 1
      if state.piecesLeft == 0 { tensor.release() }
    }
  }

  /// Reads the rows of the result.
  private func read(_ rows: Range<Int>, _ buffer: inout [UInt8]) throws(SafetensorsError) {
    let rowByteCount = subject.update.columns * PlainArithmetic.byteCount(subject.type)
    let start = subject.range.lowerBound + rows.lowerBound * rowByteCount
    try files.read(subject.file, start..<start + rows.count * rowByteCount, into: &buffer)
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
      comparison.keepExample(row: row, column: column, found: value, exact: exact, isBeyond: isBeyond, isMismatched)
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
}
