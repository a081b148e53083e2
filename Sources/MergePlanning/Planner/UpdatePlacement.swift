import Adapters
import Checkpoints
import JSONText
import Safetensors

/// The place of an update in the tensor that it changes.
struct PlacedUpdate {
  /// The tensor as a matrix.
  let rows: Int
  let columns: Int
  /// On matrices of the plan's inputs.
  let steps: [TensorUpdate.Step]
  /// Whether the tensor's rows are the module's columns.
  let isTransposed: Bool
}

/// Places the steps of an adapter's updates in tensors, from shapes alone.
struct UpdatePlacement {
  let config: JSONValue?
  let adapter: Adapter
  /// The place of the adapter's file in the plan's inputs.
  let input: Int
  /// What the caller gives the adapter.
  let weight: Double
  /// The order of the left factors' columns in a stack of experts, whatever the adapter says; nil: as it says.
  let expertLayout: ExpertLayout?
  /// Whether what PEFT does is asked for, also where that is not what the adapter computes.
  let followsPEFT: Bool
  /// How the weight is stored; nil: its shape decides.
  let orientation: OrientationDecision?

  private func error(_ problem: PlanError.Problem, _ key: Int) -> PlanError {
    PlanError(
      path: adapter.weightsPath, tensor: adapter.header.tensors.name(at: key), problem,
      adapterBase: adapter.statedBase)
  }

  /// The update's place in a tensor of this name and shape.
  func place(_ update: ModuleUpdate, target: TensorName, shape: [Int]) throws(PlanError) -> PlacedUpdate {
    switch update.layout {
    // A stack of one matrix has factors like that matrix's.
    case .linear where shape.count == 3 && shape.first == 1:
      try experts(update, 1, hasOwnFactors: false, target, shape)
    case .matrix where shape.count > 2: try flattened(update, target, shape)
    case .linear, .matrix: try linear(update, target, shape)
    case .embedding: try embedding(update, target, shape)
    case .convolution(let kernel, let groups): try convolution(update, kernel, groups, target, shape)
    case .experts(let count, let columns): try experts(update, count, hasOwnFactors: columns == nil, target, shape)
    case .flattened: try flattened(update, target, shape)
    case .channels(let dimensions): try channels(update, dimensions, target, shape)
    case .vector: try vector(update, target, shape)
    }
  }

  /// Steps on matrices of the plan's inputs, their terms multiplied.
  private func views(_ steps: [UpdateStep<Factor>], times factor: Double) -> [TensorUpdate.Step] {
    steps.map { step in step.scaled(by: factor).map { view($0) } }
  }

  private func view(_ factor: Factor) -> FactorView {
    FactorView(
      MergePlan.Source(adapter.header, factor.tensor, input: input), rows: factor.rows, columns: factor.columns,
      offset: factor.offset, rowStride: factor.rowStride, columnStride: factor.columnStride)
  }

  /// The steps of a bias of so many elements.
  ///
  /// - Parameter image: The weight whose product with a column is added; nil: no such product is.
  func views(
    _ bias: ModuleUpdate.Bias, of update: ModuleUpdate, count: Int, image: BiasImage?
  ) -> [TensorUpdate.Step] {
    var steps = bias.steps
    if bias.count == nil {
      steps = steps.map { step in
        guard let addition = step.addition else { return step }
        return step.with(
          addition.changingTerms { term in
            guard case .repeated(let formula, let rows, _) = term.formula else { return term }
            return Term(
              rows: term.rows, columns: 0..<count, .repeated(formula, rows: rows, columns: count), scaling: term.scaling
            )
          })
      }
    }
    let scaling = weight * (bias.isScaled ? update.scaling ?? 1 : 1)
    var placed = views(steps, times: scaling)
    if let image, let own = bias.image, let last = placed.last, let addition = last.addition {
      let column = own.map { view($0) }
      let term = Term(
        rows: 0..<1, columns: 0..<count,
        Formula.image(weight: image.weight, columns: column, roundedTo: image.dtype),
        scaling: Float(scaling))
      placed[placed.count - 1] = last.with(addition.with(addition.terms, shift: addition.shift + [term]))
    }
    return placed
  }

  private func views(_ update: ModuleUpdate) -> [TensorUpdate.Step] {
    let ordered = expertLayout.map { update.ordering(experts: $0) } ?? update
    let divisor = followsPEFT ? update.divisor ?? 1 : 1
    let factor = update.mixesResult ? 1 : weight
    return views(ordered.steps, times: factor * (update.scaling.map { $0 * divisor } ?? 1))
  }

  /// The steps of a matrix of so many rows and columns, fitted to these if need be.
  private func views(
    _ update: ModuleUpdate, rows: Int, columns: Int, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> [TensorUpdate.Step] {
    let steps = views(update)
    guard update.isFitted else { return steps }
    var fitted: [TensorUpdate.Step] = []
    for step in steps {
      guard let addition = step.addition else {
        fitted.append(step)
        continue
      }
      fitted.append(
        step.with(
          try addition.changingTerms { (term) throws(PlanError) in
            guard let formula = term.formula.fitted(rows: rows, columns: columns) else {
              throw mismatch(update, target, shape, wantsRows: false)
            }
            return Term(rows: 0..<rows, columns: 0..<columns, formula, scaling: term.scaling)
          }))
    }
    return fitted
  }

  private func mismatch(_ update: ModuleUpdate, _ target: TensorName, _ shape: [Int], wantsRows: Bool) -> PlanError {
    let witness = wantsRows ? update.outWitness : columnsWitness(update, shape)
    return error(
      .shape(
        factor: witness.name, found: adapter.header.tensors.shape(at: witness.tensor), target: target.string,
        expected: shape), witness.tensor)
  }

  /// The tensor that says other columns than a weight of this shape has: of a Tucker decomposition the core, if it has other positions
  /// and the factor beside it has the weight's inputs.
  private func columnsWitness(_ update: ModuleUpdate, _ shape: [Int]) -> ModuleUpdate.Witness {
    guard let core = update.kernelWitness, let columns = update.inFeatures, shape.count > 1 else {
      return update.inWitness
    }
    let positions = adapter.header.tensors.shape(at: core.tensor).dropFirst(2).reduce(1, *)
    return columns == shape[1] * positions ? core : update.inWitness
  }

  private func linear(
    _ update: ModuleUpdate, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    let fits = shape.count == 2 && update.fits(rows: shape[0], columns: shape[1])
    let fitsTransposed = shape.count == 2 && update.fits(rows: shape[1], columns: shape[0])
    let isTransposed: Bool
    switch (fits, fitsTransposed) {
    case (true, false): isTransposed = false
    case (false, true):
      guard orientation?.mayBeTransposed(update.module) ?? false else {
        throw error(.storedTransposed(target: target.string, shape: shape), update.inWitness.tensor)
      }
      isTransposed = true
    case (true, true):
      guard let found = orientation?.orientation(of: update.module) else {
        throw error(.maybeTransposed(target: target.string, shape: shape), update.inWitness.tensor)
      }
      isTransposed = found == .transposed
    case (false, false):
      let wantsRows = shape.count != 2 || update.outFeatures.map { $0 != shape[0] } ?? false
      throw mismatch(update, target, shape, wantsRows: wantsRows)
    }
    let steps = try views(
      update, rows: shape[isTransposed ? 1 : 0], columns: shape[isTransposed ? 0 : 1], target, shape)
    return PlacedUpdate(
      rows: shape[0], columns: shape[1], steps: isTransposed ? steps.map(\.transposed) : steps,
      isTransposed: isTransposed)
  }

  /// The transposed matrix for a weight of (vocabulary, dimension).
  private func embedding(
    _ update: ModuleUpdate, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    guard shape.count == 2, update.fits(rows: shape[1], columns: shape[0]) else {
      throw mismatch(update, target, shape, wantsRows: shape.count == 2 && shape[0] == update.inFeatures)
    }
    return PlacedUpdate(
      rows: shape[0], columns: shape[1], steps: views(update).map(\.transposed), isTransposed: true)
  }

  /// The weight (out, in, kernel...) as a matrix of (out, in * kernel).
  private func convolution(
    _ update: ModuleUpdate, _ kernel: [Int], _ groups: Int, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    guard shape.count == kernel.count + 2, shape.first == update.outFeatures, shape.dropFirst(2).elementsEqual(kernel)
    else {
      throw mismatch(update, target, shape, wantsRows: shape.first != update.outFeatures)
    }
    guard groups == 1 else { throw error(.groupedConvolution(target: target.string), update.outWitness.tensor) }
    let columns = shape.dropFirst().reduce(1, *)
    guard columns == update.inFeatures else { throw mismatch(update, target, shape, wantsRows: false) }
    return PlacedUpdate(rows: shape[0], columns: columns, steps: views(update), isTransposed: false)
  }

  /// A weight of any dimensions as a matrix of its first and all others.
  private func flattened(
    _ update: ModuleUpdate, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    let columns = shape.dropFirst().reduce(1, *)
    guard shape.count >= 2, update.fits(rows: shape[0], columns: columns), columns % (update.columnUnit ?? 1) == 0
    else {
      let wantsRows = shape.count < 2 || update.outFeatures.map { $0 != shape[0] } ?? false
      throw mismatch(update, target, shape, wantsRows: wantsRows)
    }
    try checkNorms(of: update, target, shape)
    if update.foldsWindows, !followsPEFT, shape.dropFirst(2).reduce(1, *) > 1 {
      throw error(.rotatedWindows(target: target.string), update.inWitness.tensor)
    }
    return PlacedUpdate(
      rows: shape[0], columns: columns, steps: try views(update, rows: shape[0], columns: columns, target, shape),
      isTransposed: false)
  }

  /// DoRA on columns has a norm for each input channel, over all positions of the kernel.
  private func checkNorms(
    of update: ModuleUpdate, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) {
    for case .rescale(let rescaling) in update.steps where rescaling.axis == .columns {
      guard rescaling.columnsPerNorm == shape.dropFirst(2).reduce(1, *) else {
        let place = rescaling.magnitudes.tensor
        throw error(
          .shape(
            factor: adapter.header.tensors.name(at: place).string, found: adapter.header.tensors[place].shape,
            target: target.string, expected: shape), place)
      }
    }
  }

  /// A convolution's weight whose rows or columns of kernels are scaled.
  private func channels(
    _ update: ModuleUpdate, _ dimensions: Int, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    guard shape.count == dimensions + 2, update.outFeatures ?? shape[0] == shape[0] else {
      throw mismatch(update, target, shape, wantsRows: update.outFeatures != nil)
    }
    if let columns = update.inFeatures, columns != shape[1] {
      let isGrouped = shape[1] > 0 && columns % shape[1] == 0 && shape[0] % (columns / shape[1]) == 0
      if isGrouped { throw error(.groupedScaling(target: target.string), update.inWitness.tensor) }
      throw mismatch(update, target, shape, wantsRows: false)
    }
    let positions = shape.dropFirst(2).reduce(1, *)
    let steps = try views(update, rows: shape[0], columns: shape[1], target, shape)
    return PlacedUpdate(
      rows: shape[0], columns: shape[1] * positions, steps: steps.map { $0.repeatingColumns(positions) },
      isTransposed: false)
  }

  private func vector(
    _ update: ModuleUpdate, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    guard let count = update.outFeatures, shape == [count] else {
      throw mismatch(update, target, shape, wantsRows: true)
    }
    return PlacedUpdate(rows: 1, columns: count, steps: views(update), isTransposed: false)
  }

  /// A stack of weights (experts, d1, d2).
  private func experts(
    _ update: ModuleUpdate, _ count: Int, hasOwnFactors: Bool, _ target: TensorName, _ shape: [Int]
  ) throws(PlanError) -> PlacedUpdate {
    guard let inner = update.inFeatures, let outer = update.outFeatures, shape.count == 3, shape[0] == count else {
      throw mismatch(update, target, shape, wantsRows: false)
    }
    let (d1, d2) = (shape[1], shape[2])
    let isTransposed: Bool
    switch (inner == d2 && outer == d1, inner == d1 && outer == d2) {
    case (true, false): isTransposed = false
    case (false, true): isTransposed = true
    case (true, true) where hasOwnFactors: isTransposed = ModelConfig.stacksExpertsTransposed(config)
    case (true, true): isTransposed = ExpertOrientation.isTransposed(config, peftVersion: adapter.config.peftVersion)
    case (false, false): throw mismatch(update, target, shape, wantsRows: inner == d1 || inner == d2)
    }
    let steps = views(update).map { step in
      guard isTransposed, let addition = step.addition else { return step }
      return step.with(
        addition.changingTerms { term in
          let expert = term.rows.lowerBound / outer
          return term.shifted(rows: -expert * outer).transposed.shifted(rows: expert * d1)
        })
    }
    return PlacedUpdate(rows: count * d1, columns: d2, steps: steps, isTransposed: false)
  }
}

extension UpdatePlacement {
  /// What places an update of an adapter in a weight of this shape.
  init(of update: ModuleUpdate, shape: [Int], _ number: Int, _ planner: inout MergePlanner) {
    self.init(
      config: planner.base.config, adapter: planner.adapters[number].adapter, input: planner.input(ofAdapter: number),
      weight: planner.inputs.weight(of: update, number), expertLayout: planner.options.expertLayout,
      followsPEFT: planner.options.arithmetic == .peft,
      orientation: planner.orientation(update, shape: shape, number))
  }
}

extension ModuleUpdate {
  /// Whether the steps are those of a matrix of so many rows and columns.
  fileprivate func fits(rows: Int, columns: Int) -> Bool {
    (outFeatures ?? rows) == rows && (inFeatures ?? columns) == columns
  }
}

extension MergePlan.Source {
  /// A tensor of a file by its place in the file's table.
  init(_ header: SafetensorsHeader, _ index: Int, input: Int) {
    let offsets = header.tensors.dataOffsets(at: index)
    self.init(
      input: input, dtype: header.tensors.dtype(at: index),
      range: header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound)
  }
}
