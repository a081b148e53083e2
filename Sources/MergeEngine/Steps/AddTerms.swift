import Adapters
import MergePlanning
import TileKernels

/// Adds a delta: the terms summed in their order, and their sum added once.
struct AddTerms: EngineStep {
  let addition: Addition<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory(perElement: addition.isPlain ? 0 : StepMemory.values)
    for term in addition.terms { memory += term.formula.evaluation.memory(place) }
    return memory
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    prepared.steps.append(try PreparedAddition(addition, context))
  }
}

/// The terms of a delta, ready to be summed.
struct PreparedAddition: ValueStep {
  struct PreparedTerm: Sendable {
    let rows: Range<Int>
    let columns: Range<Int>
    let scaling: Float
    let formula: any PreparedFormula
  }

  let terms: [PreparedTerm]
  let scaling: Float?
  let roundedTo: ElementType?
  /// Rows and columns of the tensor.
  let extent: (rows: Int, columns: Int)

  var isSum: Bool { true }
  private var isPlain: Bool { scaling == nil && roundedTo == nil }

  init(_ addition: Addition<FactorView>, _ context: StepContext) throws {
    terms = try addition.terms.map { term in
      PreparedTerm(
        rows: term.rows, columns: term.columns, scaling: term.scaling,
        formula: try term.formula.evaluation.prepare(context))
    }
    scaling = addition.scaling
    roundedTo = try addition.roundedTo.map { try context.inputs.elementType($0) }
    extent = (context.tensor.update.rows, context.tensor.update.columns)
  }

  init(terms: [PreparedTerm], scaling: Float?, roundedTo: ElementType?, extent: (rows: Int, columns: Int)) {
    self.terms = terms
    self.scaling = scaling
    self.roundedTo = roundedTo
    self.extent = extent
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try delta(tile, &buffers)
    try buffers.addDelta(tile, start)
  }

  /// Sets the buffers' delta to what is added.
  func delta(_ tile: Tile, _ buffers: inout TileBuffers) throws {
    try sum(tile, &buffers)
    if let scaling { try buffers.delta.scale(tile.count, by: scaling, buffers.kernels) }
    if case .deltas = tile.keeping { try buffers.exact.add(buffers.delta, count: tile.count, buffers.kernels) }
    if let roundedTo { try buffers.delta.roundDelta(tile.count, to: roundedTo, buffers.kernels) }
  }

  /// Sets the buffers' delta to the sum of the terms in the tile's rows; to -0 where there are none.
  private func sum(_ tile: Tile, _ buffers: inout TileBuffers) throws {
    try buffers.delta.clear(tile.count)
    for term in terms {
      let shared = term.rows.clamped(to: tile.rows)
      guard !shared.isEmpty else { continue }
      try term.formula.add(
        rows: shared.lowerBound - term.rows.lowerBound..<shared.upperBound - term.rows.lowerBound, scale: term.scaling,
        to: &buffers.delta,
        at: (shared.lowerBound - tile.rows.lowerBound) * tile.columns + term.columns.lowerBound,
        rowStride: tile.columns, &buffers.scratch)
    }
  }

  func mergeInOnePass(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws -> UInt64? {
    guard isPlain else { return nil }
    if tile.isPlain, terms.count == 1, terms[0].rows == 0..<extent.rows, terms[0].columns == 0..<extent.columns,
      let count = try terms[0].formula.merge(tile, weight: weight, scale: terms[0].scaling, &buffers)
    {
      return count
    }
    try sum(tile, &buffers)
    buffers.isDelta = true
    return try tile.rounding.combine(
      weight, tile.source, buffers.delta.elements, into: &buffers.output, tile.target, tile.firstElement,
      buffers.kernels)
  }
}
