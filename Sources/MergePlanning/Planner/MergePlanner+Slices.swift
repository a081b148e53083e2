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
      var steps: [TensorUpdate.Step] = []
      for step in place.steps {
        if let cut = try slice(step, part, place, refuse) { steps.append(cut) }
      }
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

  /// What of a step falls into a part of the tensor; nil: nothing.
  private func slice(
    _ step: TensorUpdate.Step, _ part: TensorPlacement.Part, _ place: PlacedUpdate, _ refuse: (String) -> PlanError
  ) throws(PlanError) -> TensorUpdate.Step? {
    // Rescaling, scaling and multiplying are of a tensor's every row.
    let rows = shape(of: part.tensor).map { TensorUpdate.matrix(of: $0).rows }
    let isWhole = !part.isTransposed && part.rows == 0..<(rows ?? 0) && part.runtimeStride == 1
    let isTurned = part.columnTurn != .every || part.interleaveCount > 1
    for term in step.terms where !term.formula.isDivisible {
      // What follows from the weight follows from the module's, and not from those beside it.
      if term.formula.isDerived, !isWhole || isTurned || !part.isWhole(place) {
        throw refuse("an update that follows from the whole weight")
      }
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
      guard rescaling.axis == .rows, isWhole else { throw refuse("DoRA, which rescales whole tensors,") }
      let terms = rescaling.addition.terms.compactMap { $0.part(part, columns: place.columns) }
      if terms.isEmpty { return nil }
      return .rescale(
        Rescaling(
          rescaling.addition.with(terms), along: .rows, to: rescaling.magnitudes.columns(part.runtimeRows),
          norms: rescaling.norms))
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
