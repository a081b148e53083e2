import MergePlanning
import Safetensors
import TileKernels

/// Writes merged rows as FP8 (E4M3) again. Codes and scales are tensors of their own, perhaps in different files; each is
/// computed from the same rows, so that neither waits for the other.
struct E4M3Sink {
  private var codes: [UInt8] = []
  /// What the codes stand for, in fp32.
  private var decoded: [UInt8] = []

  /// Computes the rows of some bands and writes what the tensor has of them: codes or scales.
  mutating func write(
    _ bands: Range<Int>, _ requantized: Requantization, _ place: SinkPlace, _ worker: inout TileWorker,
    _ buffer: inout [UInt8]
  ) throws {
    switch requantized.part {
    case .codes: try writeCodes(requantized.rows(ofBands: bands), requantized, place, &worker, &buffer)
    case .scales, .nestedScales: try writeScales(bands, requantized, place, &worker, &buffer)
    }
  }

  /// Computes rows of a weight and writes their codes.
  ///
  /// - Parameter rows: Whole bands, unless the largest magnitudes are known.
  mutating func writeCodes(
    _ rows: Range<Int>, _ requantized: Requantization, _ place: SinkPlace, _ worker: inout TileWorker,
    _ buffer: inout [UInt8]
  ) throws {
    guard !rows.isEmpty else { return }
    let (tensor, update, record) = (place.tensor, place.tensor.update, place.jobs.record)
    let byteCount = try worker.read(tensor, rows: rows, into: &buffer)
    let weight = unsafe buffer.span.extracting(0..<byteCount).bytes
    let result = try worker.compute(tensor, rows: rows, weight: weight, place.prepared, .nearest)
    try place.check(nonFinite: result.nonFinite, rows: rows, dtype: .f32)
    let columns = requantized.grid.scaleColumns
    let bands = requantized.band(ofRow: rows.lowerBound)..<requantized.band(ofRow: rows.upperBound - 1) + 1
    var largest: ArraySlice<Float>
    if let known = place.prepared.largest {
      largest = known[bands.lowerBound * columns..<bands.upperBound * columns]
    } else {
      var found = [Float](repeating: 0, count: bands.count * columns)
      try worker.findLargest(requantized, rows: rows, into: &found, firstBand: bands.lowerBound)
      largest = found[...]
    }
    let scales = try BlockScales(largest: largest, requantized, tensor, place.jobs.inputs, worker.kernels)
    let loss = try encode(
      requantized, update, rows: rows, weight: weight, scales, firstBand: bands.lowerBound, &worker)
    try place.write(codes, count: rows.count * update.columns, at: rows.lowerBound * update.columns)
    record.add(loss, segment: place.segment)
    place.addStatistics(worker.comparison, rows: rows)
    record.addNonFinite(result.nonFinite, segment: place.segment)
  }

  /// Computes the rows of some bands and writes the scales of their codes.
  private mutating func writeScales(
    _ bands: Range<Int>, _ requantized: Requantization, _ place: SinkPlace, _ worker: inout TileWorker,
    _ buffer: inout [UInt8]
  ) throws {
    guard !bands.isEmpty else { return }
    let (tensor, prepared) = (place.tensor, place.prepared)
    let columns = requantized.grid.scaleColumns
    var largest = prepared.largest ?? [Float](repeating: 0, count: bands.count * columns)
    if prepared.largest == nil {
      // Without a comparison products are merged in one pass.
      var comparison: TileComparison?
      swap(&comparison, &worker.comparison)
      defer { swap(&comparison, &worker.comparison) }
      let rows = requantized.rows(ofBands: bands)
      let byteCount = try worker.read(tensor, rows: rows, into: &buffer)
      let weight = unsafe buffer.span.extracting(0..<byteCount).bytes
      _ = try worker.compute(tensor, rows: rows, weight: weight, prepared, .nearest)
      try worker.findLargest(requantized, rows: rows, into: &largest, firstBand: bands.lowerBound)
    }
    let scales = try BlockScales(largest: largest[...], requantized, tensor, place.jobs.inputs, worker.kernels)
    try place.write(scales.bytes, at: bands.lowerBound * columns * tensor.outputDType.bitCount / 8)
  }

  /// Encodes the rows that were computed last, as the first of ``codes``, and counts what became of them. What the codes stand
  /// for is compared with what was meant.
  ///
  /// - Parameters:
  ///   - weight: These rows before the merge, in fp32.
  ///   - scales: Of the bands from `firstBand` on.
  private mutating func encode(
    _ requantized: Requantization, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan, _ scales: BlockScales,
    firstBand: Int, _ worker: inout TileWorker
  ) throws -> RequantizationLoss {
    let kernels = worker.kernels
    codes.grow(to: rows.count * update.columns, filler: 0)
    let intended = worker.buffers.computed
    var loss = RequantizationLoss()
    for (block, part) in requantized.blocks(in: rows, firstBand: firstBand) {
      try Self.encode(worker.buffers.output, part, by: scales.codeScales[block], into: &codes, kernels)
      let (changed, halfSteps) = try kernels.quantizing.compareCodes(
        codes.span, before: worker.reader.codes.span, weight: weight, intended: intended.span,
        are: worker.buffers.computedIntention, scale: scales.numbers[block], part)
      loss += RequantizationLoss(changedCount: changed, halfStepCount: halfSteps)
    }
    try decode(requantized, rows: rows, columns: update.columns, scales, firstBand: firstBand, kernels)
    try worker.compare(decoded, update, rows: rows, weight: weight)
    return loss
  }

  private static func encode(
    _ values: [UInt8], _ place: MatrixPart, by scale: QuantizationKernels.CodeScale, into codes: inout [UInt8],
    _ kernels: KernelSet
  ) throws {
    var span = codes.mutableSpan
    try unsafe kernels.quantizing.encodeE4M3(values.span.bytes, place, by: scale, into: &span)
  }

  /// Makes ``decoded`` what ``codes`` stand for.
  private mutating func decode(
    _ requantized: Requantization, rows: Range<Int>, columns: Int, _ scales: BlockScales, firstBand: Int,
    _ kernels: KernelSet
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
      try kernels.decode(
        codes, from: place, by: Codebooks.e4m3, blocks, (grid.blockRows, grid.blockColumns),
        scales: Array(scales.numbers[((band - firstBand) * grid.scaleColumns)...]), into: &decoded, at: place, as: .f32)
      row = end
    }
  }
}
