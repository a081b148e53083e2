import Adapters
import MergePlanning
import TileKernels

/// Multiplies each row or each column by its element of a vector.
struct ScaleByVector: EngineStep {
  let factors: FactorView
  let axis: Axis

  func memory(_ place: StepPlace) -> StepMemory {
    StepMemory(perElement: StepMemory.values, shared: factors.rows * factors.columns * MemoryLayout<Float>.stride)
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    prepared.steps.append(PreparedScaling(factors: try context.widened(factors), axis: axis))
  }
}

/// The vector in fp32.
struct PreparedScaling: ValueStep {
  let factors: [Float]
  let axis: Axis

  var isSum: Bool { false }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    takeFactors(tile, &buffers)
    try buffers.rescale(tile, start, along: axis)
  }

  func mergeInOnePass(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws -> UInt64? {
    guard tile.isPlain else { return nil }
    takeFactors(tile, &buffers)
    try buffers.sums.widen(weight, as: tile.source, buffers.kernels)
    return try buffers.rescaleSums(tile, weight, along: axis)
  }

  private func takeFactors(_ tile: Tile, _ buffers: inout TileBuffers) {
    buffers.factors = axis == .rows ? Array(factors[tile.rows]) : factors
  }
}
