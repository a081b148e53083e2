import MergePlanning
import Safetensors
import TileKernels

/// Merged rows that are made codes again.
extension TileWorker {
  /// Raises `largest`, which has a number for each block from `firstBand` on, to the largest finite magnitudes in the rows
  /// that were computed last, which are fp32.
  func findLargest(
    _ requantized: Requantization, rows: Range<Int>, into largest: inout [Float], firstBand: Int
  ) throws {
    let values = buffers.output.span
    for (block, part) in requantized.blocks(in: rows, firstBand: firstBand) {
      largest[block] = max(largest[block], try unsafe kernels.largestFinite(values.bytes, part))
    }
  }

  /// Makes the rows that were computed last codes, the first of ``codes``, and counts what became of them. What the codes
  /// stand for is compared with what was meant, for ``comparison``.
  ///
  /// - Parameters:
  ///   - weight: These rows before the merge, in fp32.
  ///   - scales: Of the bands from `firstBand` on.
  mutating func encode(
    _ requantized: Requantization, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ scales: BlockScales,
    firstBand: Int
  ) throws -> RequantizationLoss {
    let columns = update.columns
    let count = rows.count * columns
    codes.grow(to: count, filler: 0)
    let intended = buffers.computed
    var changes = RequantizationLoss()
    for (block, part) in requantized.blocks(in: rows, firstBand: firstBand) {
      try Self.encode(buffers.output, part, by: scales.codeScales[block], into: &codes, kernels)
      let (changed, halfSteps) = try kernels.compareCodes(
        codes.span, before: reader.codes.span, weight: weight, intended: intended.span,
        are: buffers.computedIntention, scale: scales.numbers[block], part)
      changes += RequantizationLoss(changedCount: changed, halfStepCount: halfSteps)
    }
    try decode(requantized, rows: rows, columns: columns, scales, firstBand: firstBand)
    try compareDecoded(update, rows: rows, weight: weight)
    return changes
  }

  /// Compares ``decoded``, what the codes of the rows that were computed last stand for, with the base's rows and with what
  /// was meant, for ``comparison``.
  ///
  /// - Parameter weight: These rows before the merge, in fp32.
  mutating func compareDecoded(_ update: TensorUpdate, rows: Range<Int>, weight: RawSpan) throws {
    guard var comparison else { return }
    // Taken out while it is changed, so that its buffers are not copied.
    self.comparison = nil
    try comparison.compare(
      decoded, as: .f32, with: weight, as: .f32, intended: buffers.computed, are: buffers.computedIntention,
      rowCount: rows.count, columns: update.columns, kernels)
    self.comparison = comparison
  }

  private static func encode(
    _ values: [UInt8], _ place: MatrixPart, by scale: KernelSet.CodeScale, into codes: inout [UInt8],
    _ kernels: KernelSet
  ) throws {
    var span = codes.mutableSpan
    try unsafe kernels.encodeE4M3(values.span.bytes, place, by: scale, into: &span)
  }

  /// Makes ``decoded`` what ``codes`` stand for.
  private mutating func decode(
    _ requantized: Requantization, rows: Range<Int>, columns: Int, _ scales: BlockScales, firstBand: Int
  ) throws {
    let grid = requantized.grid
    decoded.grow(to: rows.count * columns * 4, filler: 0)
    var row = rows.lowerBound
    while row < rows.upperBound {
      let matrix = row / grid.rows
      let end = min((matrix + 1) * grid.rows, rows.upperBound)
      let band = requantized.band(ofRow: row)
      let blocks = CodeBlocks(
        firstRow: row - requantized.firstRow(ofBand: band), rows: end - row, columns: columns,
        scaleColumns: grid.scaleColumns)
      let place = (row - rows.lowerBound) * columns
      try Self.decode(
        codes, from: place, blocks, (grid.blockRows, grid.blockColumns),
        scales.numbers[((band - firstBand) * grid.scaleColumns)...], into: &decoded, kernels)
      row = end
    }
  }

  private static func decode(
    _ codes: [UInt8], from place: Int, _ blocks: CodeBlocks, _ block: (rows: Int, columns: Int),
    _ scales: ArraySlice<Float>, into decoded: inout [UInt8], _ kernels: KernelSet
  ) throws {
    let numbers = Array(scales)
    let table = Codebooks.e4m3
    let source = unsafe codes.span.extracting(place..<place + blocks.rows * blocks.columns).bytes
    var span = decoded.mutableSpan
    var output = unsafe span.mutableBytes
    try kernels.decode(
      source, by: table.span, blocks, blocks: block, scales: numbers.span, into: &output, at: place, as: .f32)
  }
}
