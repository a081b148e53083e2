import MergePlanning
import Safetensors
import TileKernels

extension TileWorker {
  /// Compares the rows that were read last with what they are in the base, where they were quantized as in training.
  ///
  /// - Parameter weight: These rows as they were in training.
  mutating func compareTraining(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan
  ) throws -> [RowStatistics] {
    let type = try inputs.elementType(tensor.weightDType)
    let count = rows.count * update.columns
    let nothing = [Float](repeating: -0.0, count: count)
    let now = unsafe weight.withUnsafeBytes { unsafe Array($0) }
    let start = reader.unquantizedStart
    let before = unsafe reader.unquantized.span.extracting(start..<start + count * type.byteCount).bytes
    var comparison = TileComparison()
    try comparison.compare(
      now, as: type, with: before, as: type, intended: nothing, are: .deltas, rowCount: rows.count,
      columns: update.columns, kernels)
    return comparison.rows
  }
}
