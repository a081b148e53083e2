import Adapters
import MergePlanning
import Safetensors
import TileKernels

/// Takes a part out of the tensor that its data tells.
struct SubtractPart: EngineStep {
  let decomposition: DecompositionStep

  func memory(_ place: StepPlace) -> StepMemory {
    let (tensor, rows, columns) = (place.tensor, place.tensor.update.rows, place.tensor.update.columns)
    let weightByteCount = tensor.weight.dtype.bitCount / 8
    return StepMemory(
      perElement: StepMemory.values + weightByteCount,
      shared: DecompositionFactors.byteCount(decomposition, rows: rows, columns: columns),
      // With the tensor as it is.
      work: rows * columns * weightByteCount
        + tensor.weight.readerByteCount(elements: rows * columns, shape: tensor.shape)
        + DecompositionFactors.workByteCount(decomposition, rows: rows, columns: columns))
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    prepared.start = PreparedSubtraction(factors: try DecompositionFactors(decomposition, context))
  }
}

/// The part, as a product.
struct PreparedSubtraction: StartStep {
  let factors: DecompositionFactors

  func start(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws {
    let rank = factors.right.rank
    try buffers.delta.clear(tile.count)
    try buffers.delta.addProduct(
      factors.left.span.extracting(tile.rows.lowerBound * rank..<tile.rows.upperBound * rank), factors.right,
      rows: tile.rows.count, scale: -1, rowStride: tile.columns, buffers.kernels)
    buffers.remainder.grow(to: tile.count * tile.source.byteCount, filler: 0)
    try Self.round(weight, tile.source, buffers.delta, into: &buffers.remainder, buffers.kernels)
  }

  private static func round(
    _ weight: RawSpan, _ type: ElementType, _ delta: FloatBuffer, into bytes: inout [UInt8], _ kernels: KernelSet
  ) throws {
    var span = bytes.mutableSpan
    _ = try kernels.combine(weight, as: type, with: delta.elements.span, into: &span, as: type)
  }
}

extension TileBuffers {
  /// Calls `body` with what the steps start from: the tile's rows, without what is taken out of them.
  mutating func withStart(
    _ step: (any StartStep)?, _ tile: Tile, weight: RawSpan, _ body: (inout TileBuffers, RawSpan) throws -> Void
  ) throws {
    guard let step else { return try body(&self, weight) }
    try step.start(tile, weight: weight, &self)
    // Taken out while `body` changes the other buffers.
    var start: [UInt8] = []
    swap(&start, &remainder)
    try unsafe body(&self, start.span.extracting(0..<tile.count * tile.source.byteCount).bytes)
    swap(&start, &remainder)
  }
}
