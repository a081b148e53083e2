import Adapters
import MergePlanning
import TileKernels

/// Adds a delta: the terms summed in their order, and their sum added once.
struct AddTerms: EngineStep {
  let addition: Addition<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory(perElement: addition.isPlain ? 0 : StepMemory.values)
    // The weight in fp32, and the delta before it is rounded.
    if addition.multipliesWeight { memory.perElement += 4 + 4 }
    // A term of the shift before it is added.
    if !addition.shift.isEmpty { memory.perElement += 4 }
    for term in addition.allTerms { memory += term.formula.evaluation.memory(place) }
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
  let divisor: Float?
  let roundedTo: ElementType?
  let multipliesWeight: Bool
  let shift: [PreparedTerm]
  /// Rows and columns of the tensor.
  let extent: (rows: Int, columns: Int)

  var isSum: Bool { true }
  private var isPlain: Bool { scaling == nil && divisor == nil && roundedTo == nil && !multipliesWeight }
  /// Whether the weight is what is multiplied and nothing else is done.
  private var isPlainMultiple: Bool {
    scaling == nil && divisor == nil && roundedTo == nil && multipliesWeight && shift.isEmpty
  }

  init(_ addition: Addition<FactorView>, _ context: StepContext) throws {
    func prepared(_ terms: [Term<FactorView>]) throws -> [PreparedTerm] {
      try terms.map { term in
        PreparedTerm(
          rows: term.rows, columns: term.columns, scaling: term.scaling,
          formula: try term.formula.evaluation.prepare(context))
      }
    }
    terms = try prepared(addition.terms)
    shift = try prepared(addition.shift)
    scaling = addition.scaling
    divisor = addition.divisor
    multipliesWeight = addition.multipliesWeight
    roundedTo = try addition.roundedTo.map { try context.inputs.elementType($0) }
    extent = (context.tensor.update.rows, context.tensor.update.columns)
  }

  /// The sum of no terms.
  init() {
    (terms, scaling, divisor, roundedTo) = ([], nil, nil, nil)
    multipliesWeight = false
    shift = []
    extent = (0, 0)
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try delta(tile, start: start, &buffers)
    try buffers.addDelta(tile, start)
  }

  /// Sets the buffers' delta to what is added.
  ///
  /// - Parameter start: What the steps start from.
  func delta(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try sum(tile, &buffers)
    if let scaling { try buffers.delta.scale(tile.count, by: scaling, buffers.kernels) }
    if let divisor {
      if let roundedTo {
        try buffers.delta.round(tile.count, to: roundedTo, through: &buffers.encoded, buffers.kernels)
      }
      buffers.delta.divide(tile.count, by: divisor)
    }
    if multipliesWeight { return try multiply(tile, by: start, &buffers) }
    if case .deltas = tile.keeping { try buffers.exact.add(buffers.delta, count: tile.count, buffers.kernels) }
    if let roundedTo { try buffers.delta.roundDelta(tile.count, to: roundedTo, buffers.kernels) }
  }

  /// Multiplies the buffers' delta by the weight, with the roundings around that.
  private func multiply(_ tile: Tile, by start: RawSpan, _ buffers: inout TileBuffers) throws {
    let (count, kernels) = (tile.count, buffers.kernels)
    try buffers.sums.widen(start, as: tile.source, kernels)
    if case .deltas = tile.keeping {
      var product = buffers.scratch.parts.popLast() ?? FloatBuffer()
      product.set(buffers.delta, count: count)
      product.multiply(by: buffers.sums, count: count)
      try buffers.exact.add(product, count: count, kernels)
      buffers.scratch.parts.append(product)
    }
    if let roundedTo { try buffers.delta.round(count, to: roundedTo, through: &buffers.encoded, kernels) }
    buffers.delta.multiply(by: buffers.sums, count: count)
    if let roundedTo { try buffers.delta.roundDelta(count, to: roundedTo, kernels) }
    for term in shift { try add(term, tile, &buffers) }
  }

  /// Adds a term of the shift to the buffers' delta, with the roundings before and after.
  private func add(_ term: PreparedTerm, _ tile: Tile, _ buffers: inout TileBuffers) throws {
    let (count, kernels) = (tile.count, buffers.kernels)
    var part = buffers.scratch.parts.popLast() ?? FloatBuffer()
    try part.clear(count)
    try Self.sum([term], tile, into: &part, &buffers.scratch)
    if case .deltas = tile.keeping { try buffers.exact.add(part, count: count, kernels) }
    if let roundedTo { try part.round(count, to: roundedTo, through: &buffers.encoded, kernels) }
    try buffers.delta.add(part, count: count, kernels)
    if let roundedTo { try buffers.delta.roundDelta(count, to: roundedTo, kernels) }
    buffers.scratch.parts.append(part)
  }

  /// The term that is all of the sum, in the whole tensor; nil: there are several, or parts without any.
  private var onlyTerm: PreparedTerm? {
    guard terms.count == 1, terms[0].rows == 0..<extent.rows, terms[0].columns == 0..<extent.columns else { return nil }
    return terms[0]
  }

  /// Sets the buffers' delta to the sum of the terms in the tile's rows; to -0 where there are none.
  private func sum(_ tile: Tile, _ buffers: inout TileBuffers) throws {
    if let term = onlyTerm {
      buffers.delta.grow(to: tile.count)
      return try term.formula.set(
        rows: tile.rows, scale: term.scaling, to: &buffers.delta, at: 0, &buffers.scratch)
    }
    try buffers.delta.clear(tile.count)
    try Self.sum(terms, tile, into: &buffers.delta, &buffers.scratch)
  }

  private static func sum(
    _ terms: [PreparedTerm], _ tile: Tile, into delta: inout FloatBuffer, _ scratch: inout FactorScratch
  ) throws {
    for term in terms {
      let shared = term.rows.clamped(to: tile.rows)
      guard !shared.isEmpty else { continue }
      try term.formula.add(
        rows: shared.lowerBound - term.rows.lowerBound..<shared.upperBound - term.rows.lowerBound, scale: term.scaling,
        to: &delta, at: (shared.lowerBound - tile.rows.lowerBound) * tile.columns + term.columns.lowerBound,
        rowStride: tile.columns, &scratch)
    }
  }

  /// ``mergeInOnePass(_:weight:_:)`` of a product times the weight.
  private func multiplyInOnePass(
    _ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers
  ) throws -> UInt64? {
    guard tile.isPlain, let term = onlyTerm, let product = term.formula as? any PreparedLowRank else { return nil }
    let left = try product.left(tile.rows, &buffers.scratch)
    defer { buffers.scratch.parts.append(left) }
    return try left.mergeTimesWeight(
      tile, weight, times: product.right, scale: term.scaling, into: &buffers.output, buffers.kernels)
  }

  func mergeInOnePass(_ tile: Tile, weight: RawSpan, _ buffers: inout TileBuffers) throws -> UInt64? {
    if isPlainMultiple { return try multiplyInOnePass(tile, weight: weight, &buffers) }
    guard isPlain else { return nil }
    if tile.isPlain, let term = onlyTerm,
      let count = try term.formula.merge(tile, weight: weight, scale: term.scaling, &buffers)
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
