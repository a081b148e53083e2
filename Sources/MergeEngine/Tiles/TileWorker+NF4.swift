import MergePlanning
import Safetensors
import TileKernels

/// Merged rows that are made codes of half a byte again.
extension TileWorker {
  /// The largest magnitudes in the blocks of the rows that were computed last, which are fp32 and begin with a block; makes
  /// ``nf4Values`` these rows.
  ///
  /// - Returns: Nil if an element is not finite, which has no code.
  mutating func findMagnitudes(count: Int, _ nibbles: Requantization.NF4Layout) throws -> [Float]? {
    nf4Values.grow(to: count, filler: 0)
    try WeightReader.widen(buffers.output, as: .f32, count: count, into: &nf4Values, kernels)
    guard nf4Values[..<count].allSatisfy(\.isFinite) else { return nil }
    var magnitudes = [Float](repeating: 0, count: (count - 1) / nibbles.block + 1)
    try kernels.findMagnitudes(nf4Values, count: count, block: nibbles.block, into: &magnitudes)
    return magnitudes
  }

  /// Makes ``nf4Values`` what their codes stand for, and ``codes`` the codes, two a byte; counts what became of them.
  ///
  /// - Parameter weight: These rows before the merge, in fp32.
  mutating func encodeNF4(
    _ nibbles: Requantization.NF4Layout, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan,
    _ magnitudes: [Float],
    _ scales: NF4Scales
  ) throws -> RequantizationLoss {
    let count = rows.count * update.columns
    var single = [UInt8](repeating: 0, count: count)
    try kernels.throughNF4(
      &nf4Values, count: count, block: nibbles.block, magnitudes: magnitudes, scales: scales.numbers, codes: &single)
    // A half that stands for nothing has the code of 0, as bitsandbytes writes it.
    codes = (0..<(count + 1) / 2).map { pair in
      single[2 * pair] << 4 | (2 * pair + 1 < count ? single[2 * pair + 1] : Self.zeroCode)
    }
    let changes = try compareNF4(
      single, before: weight, buffers.computed, buffers.isDelta, scales.numbers, nibbles.block)
    decoded.grow(to: count * 4, filler: 0)
    try kernels.round(nf4Values, count: count, into: &decoded, as: .f32)
    try compareDecoded(update, rows: rows, weight: weight)
    return changes
  }

  private static let zeroCode: UInt8 = 7

  /// How many codes changed, and how many changes are at least half the distance from the new code's number to the nearer of
  /// its neighbours.
  private func compareNF4(
    _ single: [UInt8], before weight: RawSpan, _ intended: [Float], _ areDeltas: Bool, _ scales: [Float], _ block: Int
  ) throws -> RequantizationLoss {
    var old = [Float](repeating: 0, count: areDeltas ? 0 : single.count)
    if !areDeltas {
      var span = old.mutableSpan
      try kernels.widen(weight, as: .f32, into: &span)
    }
    var changes = RequantizationLoss()
    for (index, code) in single.enumerated() {
      let pair = reader.codes[index / 2]
      if code != (index % 2 == 0 ? pair >> 4 : pair & 15) { changes.changedCount += 1 }
      let change = abs(areDeltas ? intended[index] : intended[index] - old[index])
      if change > 0, change >= Codebooks.nf4HalfSteps[Int(code)] * abs(scales[index / block]) {
        changes.halfStepCount += 1
      }
    }
    return changes
  }
}
