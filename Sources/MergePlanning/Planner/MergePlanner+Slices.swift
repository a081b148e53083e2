import Adapters
import ModelNames
import Safetensors

extension MergePlanner {
  /// Adds an update to parts of the base's tensors.
  ///
  /// - Parameter place: Where the update lies in the tensor of the model at run time.
  mutating func addSlices(
    _ update: ModuleUpdate, _ place: PlacedUpdate, _ resolved: TensorPlacement, _ number: Int
  ) throws(PlanError) {
    func refuse(_ what: String) -> PlanError {
      error(.slicedChange(target: resolved.name.string, what: what), number, key: update.inWitness.tensor)
    }
    if let decomposition = update.decomposition {
      throw refuse("the initialization \(decomposition.change.rawValue)")
    }
    if update.target == .attentionOutput { throw refuse("the output of a MultiheadAttention") }
    if let whole = update.layout.undivided { throw refuse(whole) }
    if let bias = update.bias, bias.isRequired || resolve(update.module + ".bias", rows: bias.count) != nil {
      throw refuse(bias.witness.name)
    }
    // The parts are all of it: a row without a place would be a part of the adapter that is lost.
    guard resolved.parts.reduce(0, { $0 + $1.count }) == place.rows else { throw refuse("the layer's shape") }
    var targets: [TensorName] = []
    for part in resolved.parts {
      // Codes are decoded by the rows that they have on disk.
      if part.interleaveCount > 1, quantized.groups[part.tensor] != nil {
        throw refuse("an interleaved quantized weight")
      }
      let steps = try slice(place.steps, part, place, refuse)
      guard !steps.isEmpty else { continue }
      works[part.tensor, default: PendingUpdate()].interleaveCount = part.interleaveCount
      works[part.tensor]?.isSliced = true
      if part.isTransposed { works[part.tensor]?.isStoredTransposed = true }
      switch options.arithmetic {
      case .exact: works[part.tensor, default: PendingUpdate()].add(steps)
      case .peft:
        works[part.tensor, default: PendingUpdate()].steps += PEFTRounding.steps(
          steps, of: update, dtype: dtype(of: part.tensor) ?? .f32,
          roundsDelta: PEFTRounding.roundsDelta(update, part.tensor))
      }
      let rows =
        part.isTransposed
        ? steps.flatMap(\.terms).map(\.rows)
          .reduce(part.row..<part.row) { $0.lowerBound..<max($0.upperBound, $1.upperBound) }
        : part.rows
      works[part.tensor]?.users.append(
        PendingUpdate.User(
          module: update.module, adapter: number, rows: rows,
          columns: part.isTransposed ? part.takenColumns : nil))
      if targets.last != part.tensor { targets.append(part.tensor) }
    }
    modules.append(MergePlan.Module(update, adapters[number], number, targets: targets, rule: resolved.rule))
  }

  /// What of the steps falls into a part of the tensor. Where that is not all of a tensor of the base, steps that are more than a
  /// sum are those of its rows alone.
  private func slice(
    _ steps: [TensorUpdate.Step], _ part: TensorPlacement.Part, _ place: PlacedUpdate, _ refuse: (String) -> PlanError
  ) throws(PlanError) -> [TensorUpdate.Step] {
    let rows = shape(of: part.tensor).map { TensorUpdate.matrix(of: $0).rows }
    let isWhole = part.hasNeighbors && part.rows == 0..<(rows ?? 0)
    let isOfRows = !isWhole && part.hasNeighbors && steps.contains { $0.isOrdered }
    let own = isOfRows ? part.atStart : part
    var cut: [TensorUpdate.Step] = []
    for step in steps {
      if let step = try slice(step, own, place, isWhole: isWhole || isOfRows, refuse) { cut.append(step) }
    }
    guard isOfRows, !cut.isEmpty else { return cut }
    if let step = cut.first(where: { part.row % $0.rowUnit != 0 }) {
      throw refuse("a block of \(step.rowUnit) rows that begins at row \(part.row)")
    }
    return [.part(PartialUpdate(rows: part.rows, steps: cut))]
  }

  /// What of a step falls into a part of the tensor; nil: nothing.
  ///
  /// - Parameter isWhole: Whether the step is of every row that it may change.
  private func slice(
    _ step: TensorUpdate.Step, _ part: TensorPlacement.Part, _ place: PlacedUpdate, isWhole: Bool,
    _ refuse: (String) -> PlanError
  ) throws(PlanError) -> TensorUpdate.Step? {
    let isTurned = part.columnTurn != .every || part.interleaveCount > 1
    for term in step.terms where !term.formula.isDivisible {
      // What follows from the weight follows from the module's, and not from those beside it.
      if term.formula.isDerived, !isWhole || isTurned || !part.isWhole(place) {
        throw refuse("an update that follows from the whole weight")
      }
      if part.hasNeighbors, term.formula.hasWindows { continue }
      let isUncut =
        part.runtimeRows.lowerBound <= term.rows.lowerBound && term.rows.upperBound <= part.runtimeRows.upperBound
      guard isUncut, part.runtimeStride == 1, !isTurned, !part.isTransposed || term.formula.isTransposable else {
        throw refuse("an update that has no parts of rows")
      }
    }
    switch step {
    case .add(let addition):
      let own = addition.changingTerms { $0.part(part, columns: place.columns) }
      return own.allTerms.isEmpty ? nil : .add(own)
    case .rescale(let rescaling):
      // Norms down the columns are of all rows.
      guard isWhole, rescaling.axis == .rows || part.isWhole(place) else {
        throw refuse("DoRA, which rescales whole tensors,")
      }
      let terms = rescaling.addition.terms.compactMap { $0.part(part, columns: place.columns) }
      if terms.isEmpty { return nil }
      let magnitudes = rescaling.magnitudes
      return .rescale(
        Rescaling(
          rescaling.addition.with(terms), along: rescaling.axis,
          to: rescaling.axis == .rows ? magnitudes.columns(part.runtimeRows) : magnitudes, norms: rescaling.norms))
    case .scale(let factors, let axis):
      guard isWhole else { throw refuse("a scaling of whole tensors") }
      return .scale(axis == .rows ? factors.columns(part.runtimeRows) : factors, along: axis)
    case .rotate(let rotation):
      // Each row is multiplied by itself.
      guard isWhole, !isTurned, let own = rotation.rows(part.runtimeRows) else {
        throw refuse("a multiplication of whole rows")
      }
      return .rotate(own)
    case .mix(let mixing):
      guard isWhole, !isTurned, let own = mixing.rows(part.runtimeRows) else {
        throw refuse("a mixing of rows in pairs")
      }
      return .mix(own)
    case .mixBlocks(let mixing):
      guard isWhole, !isTurned, let own = mixing.rows(part.runtimeRows) else {
        throw refuse("a multiplication of blocks of \(mixing.groupSize) rows")
      }
      return .mixBlocks(own)
    case .part(let partial):
      guard isWhole, part.isWhole(place) else { throw refuse("a change of some rows") }
      return .part(partial)
    case .subtract, .round, .replaceRows: return step
    }
  }
}

extension ModuleUpdate.Layout {
  /// What a message calls a weight that is not updated in parts; nil: it can be.
  fileprivate var undivided: String? {
    switch self {
    case .embedding: "an embedding"
    case .convolution, .channels: "a convolution"
    case .vector: "a vector"
    case .linear, .experts, .flattened, .matrix: nil
    }
  }
}

extension TensorPlacement.Part {
  /// Whether it has all rows of the runtime tensor.
  fileprivate func isWhole(_ place: PlacedUpdate) -> Bool { runtimeRows == 0..<place.rows }

  /// Whether rows that are neighbors at run time are neighbors in the base's tensor.
  fileprivate var hasNeighbors: Bool {
    !isTransposed && runtimeStride == 1 && columnTurn == .every && interleaveCount == 1
  }

  /// The same rows as if they were the first of the base's tensor.
  fileprivate var atStart: TensorPlacement.Part { TensorPlacement.Part(tensor, runtimeRows: runtimeRows, row: 0) }
}

extension Term where Operand == FactorView {
  /// What of a term of the runtime tensor falls into a part, where that lies in the base's tensor; nil: nothing.
  ///
  /// - Parameter width: Columns of the runtime tensor.
  func part(_ part: TensorPlacement.Part, columns width: Int) -> Term? {
    let common = rows.clamped(to: part.runtimeRows)
    guard !common.isEmpty else { return nil }
    let step = part.runtimeStride
    let first = (common.lowerBound - part.runtimeRows.lowerBound + step - 1) / step
    let end = (common.upperBound - part.runtimeRows.lowerBound + step - 1) / step
    guard first < end else { return nil }
    let start = part.runtimeRows.lowerBound + first * step - rows.lowerBound
    // Interleaved rows lie beside each other in a matrix of as many times the columns.
    let offset = part.turn * width
    let term = Term(
      rows: first..<end, columns: columns.lowerBound + offset..<columns.upperBound + offset,
      start == 0 && step == 1 && end - first == rows.count
        ? formula : formula.rows(from: start, count: end - first, step: step), scaling: scaling)
    return
      (part.isTransposed
      ? term.transposed.spread(part.columnTurn).shifted(columns: part.column) : term)
      .shifted(rows: part.row / part.interleaveCount)
  }
}
