import MergePlanning
import Safetensors
import TileKernels

/// A tensor as a merge makes it, in fp32, row by row as often as needed.
package struct PlannedRows: Sendable {
  /// What is read of a tensor.
  package enum Part: Sendable {
    /// What the merge writes, before it is rounded to the tensor's dtype.
    case result
    /// What the merge adds. The update must be a sum: see `TensorUpdate.reasonNotASum`.
    case delta
  }

  private let tensor: ComputedTensor
  private let part: Part
  private let prepared: PreparedSteps
  private let reading: PlannedReading
  private let source: ElementType

  package let rows: Int
  package let columns: Int

  init(_ tensor: ComputedTensor, _ part: Part, _ reading: PlannedReading) throws {
    self.tensor = tensor
    self.part = part
    self.reading = reading
    source = try reading.inputs.elementType(tensor.weight.dtype)
    (rows, columns) = (tensor.update.rows, tensor.update.columns)
    prepared = try UpdatePreparation(
      inputs: reading.inputs, kernels: reading.kernels, decomposer: reading.decomposer
    ).prepare(tensor)
  }

  /// Sets the first `rows.count * columns` elements of `buffer` to those rows; the buffer grows if it has to.
  ///
  /// - Throws: `FileError`, `MergeError`.
  package func read(_ rows: Range<Int>, into buffer: inout [Float]) throws {
    let count = rows.count * columns
    if buffer.count < count { buffer = [Float](repeating: 0, count: count) }
    guard count > 0 else { return }
    var bytes = [UInt8]()
    var worker = TileWorker(kernels: reading.kernels, inputs: reading.inputs)
    switch part {
    case .delta: bytes = [UInt8](repeating: 0, count: count * source.byteCount)
    case .result:
      // Rows are read as often as needed: pages are not dropped behind them.
      if case .numbers(let numbers) = tensor.weight {
        let start = numbers.range.lowerBound + rows.lowerBound * columns * source.byteCount
        try reading.inputs.readAside(numbers.input, start..<start + count * source.byteCount, into: &bytes)
      } else {
        _ = try worker.read(tensor, rows: rows, scales: prepared.scales, into: &bytes)
      }
    }
    let weight = unsafe bytes.span.extracting(0..<count * source.byteCount).bytes
    guard tensor.update.changesElements else { return try widen(weight, source, into: &buffer) }
    _ = try worker.compute(tensor, rows: rows, weight: weight, prepared, .nearest)
    let result = unsafe worker.buffers.output.span.extracting(0..<count * 4).bytes
    try widen(result, .f32, into: &buffer)
  }

  private func widen(_ bytes: RawSpan, _ type: ElementType, into buffer: inout [Float]) throws {
    var span = buffer.mutableSpan
    try reading.kernels.widen(bytes, as: type, into: &span)
  }
}
