import Adapters
import ModelNames
import Safetensors

/// Cuts the steps of a module's update to the parts in which the base has its tensor.
struct UpdateSlices {
  let update: ModuleUpdate
  /// Where the update lies in the module's own tensor.
  let place: PlacedUpdate
  /// The adapter's.
  let number: Int
  let planner: MergePlanner
  /// The module's own tensor, for errors.
  let name: TensorName
  /// The module's matrix in the base, for steps of a part that need more than its rows; nil: only the parts can be read.
  let matrix: [FactorView]?

  private func refuse(_ what: String) -> PlanError {
    planner.error(.slicedChange(target: name.string, what: what), number, key: update.inWitness.tensor)
  }

  /// What of the steps falls into a part of the tensor. Where that is not all of a tensor of the base, steps that are more than a
  /// sum are those of its rows alone.
  func steps(of part: TensorPlacement.Part) throws(PlanError) -> [TensorUpdate.Step] {
    do {
      return try cutSteps(of: part)
    } catch {
      guard let joined = joinedSteps(of: part) else { throw error }
      return joined
    }
  }

  /// The steps of the whole matrix, of which the part takes its rows: what no part can be computed of alone, such as norms down the
  /// columns, or blocks of rows that two tensors share. Nil: the matrix is not to be had.
  private func joinedSteps(of part: TensorPlacement.Part) -> [TensorUpdate.Step]? {
    guard let matrix, place.steps.allSatisfy(\.canBeOfJoinedMatrix) else { return nil }
    let weight = update.mixesResult ? planner.inputs.weight(of: update, number) : 1
    return [
      .part(
        PartialUpdate(
          rows: part.rows, of: JoinedMatrix(tensors: matrix, firstRow: part.runtimeRows.lowerBound), steps: place.steps,
          weight: Float(weight)))
    ]
  }

  private func cutSteps(of part: TensorPlacement.Part) throws(PlanError) -> [TensorUpdate.Step] {
    let steps = place.steps
    let rows = planner.shape(of: part.tensor).map {
      update.layout == .flattened ? $0[0] : TensorUpdate.matrix(of: $0).rows
    }
    let isWhole = part.hasNeighbors && part.rows == 0..<(rows ?? 0)
    let isOfRows =
      !isWhole && part.hasNeighbors && steps.contains { $0.isOrdered } && mayChangeRows(part)
    let own = isOfRows ? part.atStart : part
    var cut: [TensorUpdate.Step] = []
    for step in steps {
      if let step = try slice(step, own, isWhole: isWhole || isOfRows) { cut.append(step) }
    }
    let before = planner.works[part.tensor]?.steps ?? []
    guard isOfRows, !cut.isEmpty else {
      return planner.inputs.mixed(cut, of: update, rows: part.rows, before: before, number)
    }
    let weight = update.mixesResult ? planner.inputs.weight(of: update, number) : 1
    return [.part(PartialUpdate(rows: part.rows, steps: cut, weight: Float(weight)))]
  }

  /// Whether steps that are more than a sum may be those of some rows. PEFT rounds in them, and its norms of several adapters are
  /// those of the weight before all of them.
  private func mayChangeRows(_ part: TensorPlacement.Part) -> Bool {
    if update.mixesResult { return true }
    let users = planner.works[part.tensor]?.users ?? []
    return planner.options.arithmetic == .exact
      && !users.contains { $0.adapter != number && $0.rows.overlaps(part.rows) }
  }

  /// What of a step falls into a part of the tensor; nil: nothing.
  ///
  /// - Parameter isWhole: Whether the step is of every row that it may change.
  private func slice(
    _ step: TensorUpdate.Step, _ part: TensorPlacement.Part, isWhole: Bool
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
          to: rescaling.axis == .rows ? magnitudes.columns(part.runtimeRows) : magnitudes, norms: rescaling.norms,
          columnsPerNorm: rescaling.columnsPerNorm))
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

extension TensorPlacement.Part {
  /// Whether it has all rows of the runtime tensor.
  fileprivate func isWhole(_ place: PlacedUpdate) -> Bool { runtimeRows == 0..<place.rows }

  /// Whether rows that are neighbors at run time are neighbors in the base's tensor.
  var hasNeighbors: Bool {
    !isTransposed && runtimeStride == 1 && columnTurn == .every && interleaveCount == 1
  }

  /// The same rows as if they were the first of the base's tensor.
  fileprivate var atStart: TensorPlacement.Part { TensorPlacement.Part(tensor, runtimeRows: runtimeRows, row: 0) }
}

extension UpdateStep where Operand == FactorView {
  /// Whether it can be computed of rows of a matrix that several tensors have: not where it follows from the whole weight by more
  /// than sums down its columns.
  fileprivate var canBeOfJoinedMatrix: Bool {
    switch self {
    case .add, .rescale, .scale, .rotate, .mix, .mixBlocks: !terms.contains { $0.formula.isDerived }
    case .subtract, .part, .round, .replaceRows: false
    }
  }
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
