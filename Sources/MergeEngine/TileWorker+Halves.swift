import MergePlanning
import Safetensors
import TileKernels

/// Merged rows that are made codes of half a byte again.
extension TileWorker {
  /// The largest magnitudes in the blocks of the rows that were computed last, which are fp32 and begin with a block; makes
  /// ``halfValues`` these rows.
  ///
  /// - Returns: Nil if an element is not finite, which has no code.
  mutating func findMagnitudes(count: Int, _ halves: Requantisation.Halves) throws -> [Float]? {
    halfValues.grow(to: count, filler: 0)
    try WeightReader.widen(output, as: .f32, count: count, into: &halfValues, kernels)
    guard halfValues[..<count].allSatisfy(\.isFinite) else { return nil }
    var magnitudes = [Float](repeating: 0, count: (count - 1) / halves.block + 1)
    try kernels.findMagnitudes(halfValues, count: count, block: halves.block, into: &magnitudes)
    return magnitudes
  }

  /// Makes ``halfValues`` what their codes stand for, and ``codes`` the codes, two a byte; counts what became of them.
  ///
  /// - Parameter weight: These rows before the merge, in fp32.
  mutating func encodeHalves(
    _ halves: Requantisation.Halves, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ magnitudes: [Float],
    _ scales: HalvesScales
  ) throws -> CodeChanges {
    let count = rows.count * update.columns
    var single = [UInt8](repeating: 0, count: count)
    try kernels.throughNF4(
      &halfValues, count: count, block: halves.block, magnitudes: magnitudes, scales: scales.numbers, codes: &single)
    // A half that stands for nothing has the code of 0, as bitsandbytes writes it.
    codes = (0..<(count + 1) / 2).map { pair in
      single[2 * pair] << 4 | (2 * pair + 1 < count ? single[2 * pair + 1] : Self.zeroCode)
    }
    let isOneDelta = Self.isOneDelta(update)
    let intended = isOneDelta ? delta : value
    let changes = try compareHalves(single, before: weight, intended, isOneDelta, scales.numbers, halves.block)
    decoded.grow(to: count * 4, filler: 0)
    try kernels.round(halfValues, count: count, into: &decoded, as: .f32)
    try compareDecoded(update, rows: rows, weight: weight)
    return changes
  }

  private static let zeroCode: UInt8 = 7

  /// How many codes changed, and how many changes are at least half the distance from the new code's number to the nearer of
  /// its neighbours.
  private func compareHalves(
    _ single: [UInt8], before weight: RawSpan, _ intended: [Float], _ areDeltas: Bool, _ scales: [Float], _ block: Int
  ) throws -> CodeChanges {
    var old = [Float](repeating: 0, count: areDeltas ? 0 : single.count)
    if !areDeltas {
      var span = old.mutableSpan
      try kernels.widen(weight, as: .f32, into: &span)
    }
    var changes = CodeChanges()
    for (index, code) in single.enumerated() {
      let pair = reader.codes[index / 2]
      if code != (index % 2 == 0 ? pair >> 4 : pair & 15) { changes.changedCount += 1 }
      let change = abs(areDeltas ? intended[index] : intended[index] - old[index])
      if change > 0, change >= CodeTables.nf4HalfSteps[Int(code)] * abs(scales[index / block]) {
        changes.halfStepCount += 1
      }
    }
    return changes
  }
}
