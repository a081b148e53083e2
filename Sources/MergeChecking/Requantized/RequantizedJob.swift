import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors
import Synchronization

/// The comparison of a weight that was requantized to E4M3, in pieces that threads take.
///
/// The codes of the result are dequantized with the scales of the result. Each is to be the number of E4M3 next to the exact value in
/// units of the scale: no farther from it than half the spacing there, and what fp32 steps can be off. The codes and the scales
/// that the merge promises are computed besides, by the fp32 steps; for these the largest magnitudes of the blocks are needed,
/// which a first pass finds.
final class RequantizedJob: TensorJob {
  private struct State {
    var comparison = TensorComparison()
    var largest: [Float]
    var promised: PlainScales?
    var piecesLeft: Int
  }

  let pieces: [Range<Int>]
  private let subject: RequantizedSubject
  private let tensor: TensorRecomputation
  private let files: OpenFiles
  private let state: Mutex<State>

  /// - Parameter sample: At most how many single rows, or units of them, are compared, spread over the tensor; nil: all.
  init(_ subject: RequantizedSubject, _ files: OpenFiles, sample: Int? = nil) {
    self.subject = subject
    self.files = files
    tensor = TensorRecomputation(
      .codes(subject.weight, subject.source), as: subject.sourceType, shape: subject.shape, update: subject.update,
      files)
    pieces = tensor.pieces(sample: sample)
    let largest = [Float](repeating: 0, count: subject.blockCount)
    state = Mutex(State(largest: largest, piecesLeft: pieces.count))
  }

  var comparison: TensorComparison { state.withLock { $0.comparison } }

  // MARK: - The promised codes

  /// Finds the largest magnitudes in a piece.
  func measure(piece: Int) throws(SafetensorsError) {
    var largest = [Float](repeating: 0, count: subject.blockCount)
    let columns = subject.update.columns
    try tensor.compute(pieces[piece]) { rows, recomputation throws(SafetensorsError) in
      for row in rows {
        let start = (row - rows.lowerBound) * columns
        for (block, part) in subject.blocks(ofRow: row) {
          let range = start + part.lowerBound..<start + part.upperBound
          largest[block] = max(largest[block], PlainArithmetic.largestFinite(recomputation.state.values, range))
        }
      }
    }
    state.withLock { state in
      for block in largest.indices { state.largest[block] = max(state.largest[block], largest[block]) }
    }
  }

  /// Computes the promised scales, when all pieces are measured. Without it only distances are judged.
  func settle() throws(SafetensorsError) {
    guard try tensor.hasKnownBits() else { return }
    state.withLock { $0.promised = PlainScales(largest: $0.largest, subject.requantization) }
  }

  // MARK: - Comparing

  func compare(piece: Int) throws(SafetensorsError) {
    let promised = state.withLock { $0.promised }
    var comparison = TensorComparison()
    if promised == nil { comparison.otherBits = nil }
    let columns = subject.update.columns
    var found: [UInt8] = []
    var expected: [UInt8] = []
    var flags: [UInt8] = []
    try tensor.compute(pieces[piece]) { rows, recomputation throws(SafetensorsError) in
      let first = subject.codes.range.lowerBound + rows.lowerBound * columns
      let count = rows.count * columns
      try files.read(subject.codes.input, first..<first + count, into: &found)
      if expected.count < count { expected = [UInt8](repeating: 0, count: count) }
      if flags.count < count { flags = expected }
      for row in rows {
        let start = (row - rows.lowerBound) * columns
        var isOff = false
        for (block, part) in subject.blocks(ofRow: row) {
          let range = start + part.lowerBound..<start + part.upperBound
          if let promised {
            PlainArithmetic.encodeE4M3(
              recomputation.state.values, range, scale: promised.operands[block], divides: promised.divides,
              into: &expected)
          }
          let result = PlainArithmetic.compareE4M3(
            found, with: recomputation.state.exact, scale: Double(subject.scales[block]),
            promised == nil ? found : expected, range, flags: &flags)
          comparison.elementCount += part.count
          comparison.otherwiseRounded += Int(result.otherwise)
          if let others = comparison.otherBits { comparison.otherBits = others + Int(result.mismatched) }
          comparison.worstError = max(comparison.worstError, result.worst)
          isOff = isOff || result.otherwise + result.mismatched > 0
        }
        if isOff { judge(row, rows, &recomputation, found, flags, &comparison) }
      }
    }
    state.withLock { state in
      state.comparison.add(comparison)
      state.piecesLeft -= 1
      if state.piecesLeft == 0 { tensor.release() }
    }
  }

  private func judge(
    _ row: Int, _ rows: Range<Int>, _ recomputation: inout RowRecomputation, _ found: [UInt8], _ flags: [UInt8],
    _ comparison: inout TensorComparison
  ) {
    let slack = recomputation.slack(ofRow: row, in: rows, resultIsF32: false)
    let start = (row - rows.lowerBound) * subject.update.columns
    for (block, part) in subject.blocks(ofRow: row) {
      let scale = Double(subject.scales[block])
      for column in part where flags[start + column] != 0 {
        let exact = recomputation.state.exact[start + column]
        let value = PlainArithmetic.e4m3Value(found[start + column]) * scale
        let spacing = PlainArithmetic.e4m3Spacing(at: exact / scale) * scale
        let error = abs(value - exact)
        // The quotient of value and scale is rounded to fp32, and so is the scale's reciprocal where there is one.
        let rounding = slack[column] + abs(exact) * 0x1p-22
        let isOtherwise = flags[start + column] & UInt8(SPA_OTHERWISE) != 0
        // Also true where one of them is NaN or infinite.
        let isBeyond = isOtherwise && !(error <= spacing / 2 + rounding)
        if isBeyond {
          comparison.beyondBound += 1
          comparison.addSide(
            delta: exact - Double(recomputation.state.weights[start + column]), error: value - exact,
            allowed: spacing / 2)
          if !(error <= spacing + rounding) { comparison.beyondOneUlp += 1 }
        }
        let isMismatched = comparison.otherBits != nil && flags[start + column] & UInt8(SPA_MISMATCHED) != 0
        comparison.keepExample(row: row, column: column, found: value, exact: exact, isBeyond: isBeyond, isMismatched)
      }
    }
  }

  // MARK: - Scales

  /// The comparison of the result's scales with the promised ones; nil: those are not known.
  var scaleComparison: TensorComparison? {
    guard let promised = state.withLock({ $0.promised }) else { return nil }
    var comparison = TensorComparison()
    comparison.elementCount = subject.scales.count
    let columns = max(1, subject.requantization.grid.scaleColumns)
    for (block, (found, expected)) in zip(subject.scales, promised.numbers).enumerated() {
      guard found.bitPattern != expected.bitPattern else { continue }
      comparison.otherBits = (comparison.otherBits ?? 0) + 1
      comparison.otherwiseRounded += 1
      let error = abs(Double(found) - Double(expected))
      let spacing = Double(expected.ulp)
      if error.isFinite { comparison.worstError = max(comparison.worstError, error / spacing) }
      comparison.keepExample(
        row: block / columns, column: block % columns, found: Double(found), exact: Double(expected), isBeyond: true,
        true)
    }
    return comparison
  }

  /// The verdict on the scales, when all pieces are compared.
  ///
  /// Other scales than the promised ones are right if every code is the number next to the exact value with them.
  ///
  /// - Parameters:
  ///   - demandsBits: Whether they must be the promised ones.
  ///   - codes: The verdict on the codes.
  func scaleVerdict(demandsBits: Bool, ofCodes codes: MergeCheck.Verdict) -> MergeCheck.Verdict {
    let unusable = subject.scales.count { !($0 > 0 && $0.isFinite) }
    if unusable > 0 { return .damaged(count: unusable) }
    let isRight = comparison.beyondBound == 0
    guard let scales = scaleComparison, let others = scales.otherBits else {
      return isRight ? .rounded : codes
    }
    if others == 0 { return .exact }
    // Where the codes are those of a known mistake, so are the scales.
    if case .fault = codes { return codes }
    return isRight && !demandsBits ? .rounded : .damaged(count: others)
  }
}
