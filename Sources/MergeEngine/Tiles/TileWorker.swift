import Adapters
import MergePlanning
import Safetensors
import TileKernels

/// One worker's buffers and the pipeline that runs in them: decode, compute, encode.
struct TileWorker: ~Copyable {
  let kernels: KernelSet
  let inputs: InputFiles
  var reader = WeightReader()
  var buffers: TileBuffers
  /// Nil: no statistics are wanted.
  var comparison: TileComparison?
  /// Nil: nothing is taken back.
  private var returnTrip: ReturnTrip?
  /// What the tile that was computed last kept for it.
  private var kept = Tile.Keeping.nothing

  init(kernels: KernelSet, inputs: InputFiles, collectsStatistics: Bool = false, countsReturns: Bool = false) {
    self.kernels = kernels
    self.inputs = inputs
    buffers = TileBuffers(kernels: kernels, inputs: inputs)
    comparison = collectsStatistics || countsReturns ? TileComparison() : nil
    returnTrip = countsReturns ? ReturnTrip() : nil
  }

  /// Reads `rows` of a tensor's weight to the start of `buffer`, in the weight's dtype; returns how many bytes they are.
  ///
  /// - Parameter scales: ``PreparedSteps/scales``.
  mutating func read(
    _ tensor: ComputedTensor, rows: Range<Int>, scales: [Float]? = nil, into buffer: inout [UInt8]
  ) throws -> Int {
    try reader.read(tensor, rows: rows, scales: scales, inputs, kernels, into: &buffer)
  }

  /// Computes `rows` of a tensor into the first bytes of the buffers' output.
  ///
  /// - Parameter weight: The bytes of these rows in the tensor's source.
  /// - Returns: How many bytes they are, and how many finite elements became infinite or NaN.
  mutating func compute(
    _ tensor: ComputedTensor, rows: Range<Int>, weight: RawSpan, _ prepared: PreparedSteps, _ rounding: TileRounding
  ) throws -> (byteCount: Int, nonFinite: UInt64) {
    let (source, target) = try inputs.elementTypes(of: tensor)
    let isCompared = comparison != nil
    let tile = Tile(
      rows: rows, columns: tensor.update.columns, source: source, target: target, rounding: rounding,
      isCompared: isCompared, keeping: isCompared ? prepared.keeping : .nothing)
    kept = tile.keeping
    buffers.output.grow(to: tile.count * target.byteCount, filler: 0)
    let nonFinite = try merge(tile, weight: weight, prepared)
    try buffers.replaceRows(prepared.replacements, tile)
    return (tile.count * target.byteCount, nonFinite)
  }

  /// Everything but the rows that are written over.
  private mutating func merge(_ tile: Tile, weight: RawSpan, _ prepared: PreparedSteps) throws -> UInt64 {
    if let count = try prepared.onlyStep?.mergeInOnePass(tile, weight: weight, &buffers) { return count }
    try buffers.withStart(prepared.start, tile, weight: weight) { buffers, start in
      try buffers.run(prepared.steps, tile, start: start)
    }
    return try tile.rounding.encode(
      buffers.value.elements, for: weight, tile.source, into: &buffers.output, tile.target, tile.firstElement, kernels)
  }

  /// Compares the rows that were computed last with the base's and with what was meant, for ``comparison``.
  ///
  /// What was meant is the exact result, without the roundings that PEFT has before the last.
  mutating func compare(_ tensor: ComputedTensor, rows: Range<Int>, weight: RawSpan) throws {
    guard var comparison else { return }
    // Taken out while it is changed, so that its buffers are not copied.
    self.comparison = nil
    let update = tensor.update
    let (source, target) = try inputs.elementTypes(of: tensor)
    let (intended, intention) =
      switch kept {
      case .nothing: (buffers.computed, buffers.computedIntention)
      case .deltas: (buffers.exact.elements, KernelSet.Intention.deltas)
      case .values: (buffers.exact.elements, KernelSet.Intention.values)
      }
    try comparison.compare(
      buffers.output, as: target, with: weight, as: source, intended: intended, are: intention, rowCount: rows.count,
      columns: update.columns, kernels)
    for replacement in update.rowReplacements where rows.contains(replacement.row) {
      try comparison.compare(
        row: replacement.row - rows.lowerBound, buffers.output, as: target, with: weight, as: source,
        values: try inputs.widened(replacement.values, kernels), columns: update.columns, kernels)
    }
    self.comparison = comparison
  }

  /// Takes the delta of the rows that were computed last away again; returns how many elements are not what they were. Nil:
  /// nothing is taken back.
  mutating func countReturns(_ tensor: ComputedTensor, rows: Range<Int>, weight: RawSpan) throws -> UInt64? {
    guard var trip = returnTrip else { return nil }
    guard case .add(let addition)? = tensor.update.steps.first, tensor.update.steps.count == 1, addition.isPlain,
      buffers.isDelta
    else {
      throw MergeError(
        path: inputs.path(of: tensor.weight.source.input), tensor: tensor.name,
        .inconsistentPlan("more than a sum is to be taken back"))
    }
    // Taken out while it is changed, so that its buffers are not copied.
    returnTrip = nil
    defer { returnTrip = trip }
    let (source, target) = try inputs.elementTypes(of: tensor)
    return try trip.countChanges(
      buffers.output, as: target, without: buffers.delta.elements, from: weight, as: source,
      rowCount: rows.count, columns: tensor.update.columns, kernels)
  }

  /// Compares what the rows that were computed last are after requantizing with the base's rows and with what was meant, for
  /// ``comparison``.
  ///
  /// - Parameters:
  ///   - requantized: These rows in fp32.
  ///   - weight: These rows before the merge, in fp32.
  mutating func compare(
    _ requantized: [UInt8], _ update: TensorUpdate, rows: Range<Int>, weight: RawSpan
  ) throws {
    guard var comparison else { return }
    // Taken out while it is changed, so that its buffers are not copied.
    self.comparison = nil
    try comparison.compare(
      requantized, as: .f32, with: weight, as: .f32, intended: buffers.computed, are: buffers.computedIntention,
      rowCount: rows.count, columns: update.columns, kernels)
    self.comparison = comparison
  }

  /// Raises `largest`, which has a number for each block from `firstBand` on, to the largest finite magnitudes in the rows
  /// that were computed last, which are fp32.
  func findLargest(
    _ requantized: Requantization, rows: Range<Int>, into largest: inout [Float], firstBand: Int
  ) throws {
    let values = buffers.output.span
    for (block, part) in requantized.blocks(in: rows, firstBand: firstBand) {
      largest[block] = max(largest[block], try unsafe kernels.quantizing.largestFinite(values.bytes, part))
    }
  }

  /// Compares the rows that were read last with what they are in the base, where they were quantized as in training.
  ///
  /// - Parameter weight: These rows as they were in training.
  mutating func compareTraining(
    _ tensor: ComputedTensor, rows: Range<Int>, weight: RawSpan
  ) throws -> [RowStatistics] {
    let type = try inputs.elementType(tensor.weight.dtype)
    let columns = tensor.update.columns
    let count = rows.count * columns
    let nothing = [Float](repeating: -0.0, count: count)
    let now = unsafe weight.withUnsafeBytes { unsafe Array($0) }
    let base = reader.unquantized
    let before = unsafe base.span.bytes
    var comparison = TileComparison()
    try comparison.compare(
      now, as: type, with: before, as: type, intended: nothing, are: .deltas, rowCount: rows.count,
      columns: columns, kernels)
    return comparison.rows
  }
}
