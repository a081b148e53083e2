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

  /// Derives what is taken out of the tensor, packs the right factors, widens the magnitudes and, where norms run down the
  /// columns, passes over the tensor once to find them.
  func prepare(_ tensor: MergePlan.Tensor, _ update: TensorUpdate) throws -> SharedFactors {
    let scales = try trainingScales(tensor, update)
    let decomposition = try update.decomposition.map { try decompositionFactors($0, of: tensor, update) }
    var raw: [UInt8] = []
    let factors = try update.stages.map { stage in
      try stage.terms.map { term -> PackedRight? in
        guard case .lowRank(_, let right) = term.kind else { return nil }
        let factor = try inputs.read(right, rows: 0..<right.rows, into: &raw)
        return try unsafe PackedRight(factor, in: raw.span.bytes, kernels: kernels)
      }
    }
    let packed = SharedFactors(factors: factors, decomposition: decomposition, rescalings: [], scales: scales)
    let rescalings = try update.stages.enumerated().map { number, stage -> SharedFactors.Rescaling? in
      guard let magnitude = stage.magnitude else { return nil }
      return SharedFactors.Rescaling(
        magnitudes: try widened(magnitude.values),
        columnNorms: magnitude.axis == .columns ? try columnNorms(tensor, update, stage: number, packed) : nil)
    }
    var prepared = SharedFactors(factors: factors, decomposition: decomposition, rescalings: rescalings, scales: scales)
    if let requantized = tensor.requantized, requantized.hasLargeBands {
      prepared.largest = try largestMagnitudes(tensor, update, requantized, prepared)
    }
    return prepared
  }

  /// The largest magnitudes in the blocks of the merged weight, by a pass over it.
  private func largestMagnitudes(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ requantized: Requantization, _ prepared: SharedFactors
  ) throws -> [Float] {
    var worker = TileWorker(kernels: kernels, inputs: inputs)
    var raw: [UInt8] = []
    var largest = [Float](repeating: 0, count: requantized.bandCount(rows: update.rows) * requantized.grid.scaleColumns)
    let rowsPerTile = tileSize.rows(columns: update.columns)
    for first in stride(from: 0, to: update.rows, by: rowsPerTile) {
      let rows = first..<min(first + rowsPerTile, update.rows)
      let byteCount = try worker.read(tensor, update, rows: rows, into: &raw)
      let weight = unsafe raw.span.extracting(0..<byteCount).bytes
      _ = try worker.compute(tensor, update, rows: rows, weight: weight, prepared, .nearest)
      try worker.findLargest(requantized, rows: rows, into: &largest, firstBand: 0)
    }
    return largest
  }

  /// Rows of a matrix in fp32, one after the other; nil: all of them.
  func widened(_ view: FactorView, rows: Range<Int>? = nil) throws -> [Float] {
    let rows = rows ?? 0..<view.rows
    var raw: [UInt8] = []
    let factor = try inputs.read(view, rows: rows, into: &raw)
    var values = [Float](repeating: 0, count: rows.count * view.columns)
    var span = values.mutableSpan
    try unsafe kernels.packLeft(factor, in: raw.span.bytes, into: &span)
    return values
  }

  private func columnNorms(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, stage: Int, _ packed: SharedFactors
  ) throws -> [Float] {
    let (source, _) = try inputs.elementTypes(of: tensor)
    var worker = TileWorker(kernels: kernels, inputs: inputs)
    var raw: [UInt8] = []
    var squares = ColumnSquares(columns: update.columns, asTorch: update.stages[stage].intermediate != nil)
    let rowsPerTile = tileSize.rows(columns: update.columns)
    var row = 0
    while row < update.rows {
      let rows = row..<min(row + rowsPerTile, update.rows)
      let byteCount = try worker.read(tensor, update, rows: rows, scales: packed.scales, into: &raw)
      let weight = unsafe raw.span.extracting(0..<byteCount).bytes
      try worker.addColumnSquares(update, stage: stage, rows: rows, weight: weight, source, packed, to: &squares)
      row = rows.upperBound
    }
    return try squares.norms(kernels)
  }
}
