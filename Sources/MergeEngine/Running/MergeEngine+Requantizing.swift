import MergePlanning
import Platform
import Safetensors
import TileKernels

/// Jobs of weights that are made codes again. Codes and scales are tensors of their own, perhaps in different files; each
/// is computed from the same rows, so that neither waits for the other.
extension MergeEngine {
  /// Computes rows of a weight and writes their codes.
  ///
  /// - Parameter rows: Whole bands, unless the largest magnitudes are known.
  func writeCodes(
    _ rows: Range<Int>, _ segment: Int, _ tensor: MergePlan.Tensor, _ update: TensorUpdate,
    _ requantized: Requantization, _ file: OutputFile, _ worker: inout TileWorker, _ buffer: inout [UInt8],
    _ inputs: InputFiles, _ prepared: PreparedSteps, _ record: OutcomeCollector
  ) throws {
    guard !rows.isEmpty else { return }
    let byteCount = try worker.read(tensor, update, rows: rows, into: &buffer)
    let weight = unsafe buffer.span.extracting(0..<byteCount).bytes
    let result = try worker.compute(tensor, update, rows: rows, weight: weight, prepared, .nearest)
    try check(result.nonFinite, tensor, rows, inputs)
    let columns = requantized.grid.scaleColumns
    let bands = requantized.band(ofRow: rows.lowerBound)..<requantized.band(ofRow: rows.upperBound - 1) + 1
    var largest: ArraySlice<Float>
    if let known = prepared.largest {
      largest = known[bands.lowerBound * columns..<bands.upperBound * columns]
    } else {
      var found = [Float](repeating: 0, count: bands.count * columns)
      try worker.findLargest(requantized, rows: rows, into: &found, firstBand: bands.lowerBound)
      largest = found[...]
    }
    let scales = try BlockScales(largest: largest, requantized, tensor, inputs, options.kernels)
    let changes = try worker.encode(
      requantized, update, rows: rows, weight: weight, scales, firstBand: bands.lowerBound)
    let codes = worker.codes.span
    try unsafe file.write(
      codes.bytes.extracting(0..<rows.count * update.columns),
      at: tensor.outputRange.lowerBound + rows.lowerBound * update.columns)
    record.add(changes, segment: segment)
    if let compared = worker.comparison?.rows {
      record.statistics?.add(segment: segment, rowCount: update.rows, rows: rows, compared)
    }
    record.addNonFinite(result.nonFinite, segment: segment)
  }

  /// Computes the rows of some bands and writes the scales of their codes.
  func writeScales(
    _ bands: Range<Int>, _ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ requantized: Requantization,
    _ file: OutputFile, _ worker: inout TileWorker, _ buffer: inout [UInt8], _ inputs: InputFiles,
    _ prepared: PreparedSteps
  ) throws {
    guard !bands.isEmpty else { return }
    let columns = requantized.grid.scaleColumns
    var largest = prepared.largest ?? [Float](repeating: 0, count: bands.count * columns)
    if prepared.largest == nil {
      // Without a comparison products are merged in one pass.
      var comparison: TileComparison?
      swap(&comparison, &worker.comparison)
      defer { swap(&comparison, &worker.comparison) }
      let rows = requantized.rows(ofBands: bands)
      let byteCount = try worker.read(tensor, update, rows: rows, into: &buffer)
      let weight = unsafe buffer.span.extracting(0..<byteCount).bytes
      _ = try worker.compute(tensor, update, rows: rows, weight: weight, prepared, .nearest)
      try worker.findLargest(requantized, rows: rows, into: &largest, firstBand: bands.lowerBound)
    }
    let scales = try BlockScales(largest: largest[...], requantized, tensor, inputs, options.kernels)
    let bytes = scales.bytes.span
    try unsafe file.write(
      bytes.bytes,
      at: tensor.outputRange.lowerBound + bands.lowerBound * columns * tensor.outputDType.bitCount / 8)
  }

  private func check(_ count: UInt64, _ tensor: MergePlan.Tensor, _ rows: Range<Int>, _ inputs: InputFiles) throws {
    guard count > 0, options.nonFinite == .fail else { return }
    throw MergeError(
      path: inputs.path(of: tensor.source.input), tensor: tensor.name,
      .nonFinite(count: count, rows: rows, dtype: .f32))
  }
}
