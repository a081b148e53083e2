import Adapters
import LinearAlgebra
import MergePlanning
import Safetensors
import TileKernels

/// Makes what the tiles of one tensor share.
struct UpdatePreparation {
  let inputs: InputFiles
  let kernels: KernelSet
  var tileSize = TileSize.standard
  /// For tensors that a part is taken out of.
  var decomposer: MatrixDecomposer?

  /// Makes every step ready in order, which may take passes over the tensor.
  func prepare(_ tensor: ComputedTensor) throws -> PreparedSteps {
    var prepared = PreparedSteps()
    prepared.scales = try trainingScales(tensor)
    let context = StepContext(
      tensor: tensor, inputs: inputs, kernels: kernels, tileSize: tileSize, decomposer: decomposer,
      scales: prepared.scales)
    for step in tensor.update.steps { try step.engineStep.prepare(context, in: &prepared) }
    if case .requantized(let requantized) = tensor.encoding, requantized.hasLargeBands {
      prepared.largest = try largestMagnitudes(tensor, requantized, prepared)
    }
    return prepared
  }

  /// The largest magnitudes in the blocks of the merged weight, by a pass over it.
  private func largestMagnitudes(
    _ tensor: ComputedTensor, _ requantized: Requantization, _ prepared: PreparedSteps
  ) throws -> [Float] {
    let update = tensor.update
    var worker = TileWorker(kernels: kernels, inputs: inputs)
    var raw: [UInt8] = []
    var largest = [Float](repeating: 0, count: requantized.bandCount(rows: update.rows) * requantized.grid.scaleColumns)
    let rowsPerTile = tileSize.rows(update)
    for first in stride(from: 0, to: update.rows, by: rowsPerTile) {
      let rows = first..<min(first + rowsPerTile, update.rows)
      let byteCount = try worker.read(tensor, rows: rows, into: &raw)
      let weight = unsafe raw.span.extracting(0..<byteCount).bytes
      _ = try worker.compute(tensor, rows: rows, weight: weight, prepared, .nearest)
      try worker.findLargest(requantized, rows: rows, into: &largest, firstBand: 0)
    }
    return largest
  }

  /// Rows of a matrix in fp32, one after the other.
  func widened(_ view: FactorView, rows: Range<Int>) throws -> [Float] {
    try inputs.widened(view, rows: rows, kernels)
  }
}
