import Adapters
import MergePlanning
import TileKernels

/// DoRA: adds a delta and rescales rows or columns to given norms.
struct RescaleToNorms: EngineStep {
  let rescaling: Rescaling<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = AddTerms(addition: rescaling.addition).memory(place)
    memory += StepMemory(perElement: StepMemory.values)
    return memory
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    let addition = try PreparedAddition(rescaling.addition, context)
    let start = prepared.start
    var columnNorms: [Float]?
    if rescaling.axis == .columns {
      var squares = ColumnSquares(columns: context.tensor.update.columns, asTorch: rescaling.norms == .torch)
      try context.forEachTile(startingWith: start) { tile, start, buffers in
        try addition.delta(tile, start: start, &buffers)
        try buffers.sums.sum(start, tile.source, buffers.delta, buffers.kernels)
        try squares.add(
          buffers.sums.elements.span.extracting(0..<tile.count), rows: tile.rows.count, buffers.kernels)
      }
      columnNorms = try squares.norms(context.kernels, groupsOf: rescaling.columnsPerNorm)
    }
    var magnitudes = try context.widened(rescaling.magnitudes)
    if rescaling.columnsPerNorm > 1 {
      magnitudes = magnitudes.flatMap { repeatElement($0, count: rescaling.columnsPerNorm) }
    }
    prepared.steps.append(
      PreparedRescaling(
        addition: addition, magnitudes: magnitudes, columnNorms: columnNorms, norms: rescaling.norms))
  }
}

/// A delta with the magnitudes and, where they run along columns, their norms.
struct PreparedRescaling: ValueStep {
  let addition: PreparedAddition
  let magnitudes: [Float]
  /// Norms down the columns need the whole tensor; nil where norms run along rows, which a tile has whole.
  let columnNorms: [Float]?
  let norms: RescalingNorms

  var isSum: Bool { false }
  private var axis: Axis { columnNorms == nil ? .rows : .columns }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try addition.delta(tile, start: start, &buffers)
    try findFactors(tile, start: start, &buffers)
    try buffers.addDelta(tile, start)
    try buffers.rescale(tile, start, along: axis)
  }

  func mergeInOnePass(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws -> UInt64? {
    guard tile.isPlain else { return nil }
    try addition.delta(tile, start: weight, &buffers)
    try findFactors(tile, start: weight, &buffers)
    return try buffers.rescaleSums(tile, weight, along: axis)
  }

  /// Computes the factors m / n, for the tile's rows or for all columns, and sets the buffers' sums to `W + delta`.
  private func findFactors(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    let kernels = buffers.kernels
    try buffers.sums.sum(start, tile.source, buffers.delta, kernels)
    if let columnNorms {
      buffers.factors = try kernels.factors(magnitudes[...], columnNorms)
      return
    }
    let found = try kernels.rowNorms(
      buffers.sums.elements.span.extracting(0..<tile.count), rows: tile.rows.count, columns: tile.columns,
      asTorch: norms == .torch)
    buffers.factors = try kernels.factors(magnitudes[tile.rows], found)
  }
}

extension KernelSet {
  fileprivate func factors(_ magnitudes: ArraySlice<Float>, _ norms: [Float]) throws -> [Float] {
    var factors = [Float](repeating: 0, count: magnitudes.count)
    var span = factors.mutableSpan
    try rescaling.divide(Array(magnitudes).span, by: norms.span, into: &span)
    return factors
  }

  fileprivate func rowNorms(
    _ values: Span<Float>, rows: Int, columns: Int, asTorch: Bool
  ) throws -> [Float] {
    var norms = [Float](repeating: 0, count: rows)
    var span = norms.mutableSpan
    if asTorch {
      try self.norms.torchRows(of: values, rows: rows, columns: columns, into: &span)
    } else {
      try self.norms.rows(of: values, rows: rows, columns: columns, into: &span)
    }
    return norms
  }
}
