import Adapters
import Checkpoints
import ImageModels
import JSONText
import ModelNames
import Safetensors

extension MergePlanner {
  /// Gives an update of a module its tensor.
  mutating func add(_ update: ModuleUpdate, _ number: Int) throws(PlanError) {
    let adapter = adapters[number].adapter
    let shared = SharedUpdates(adapter: adapter, input: input(ofAdapter: number), config: base.config)
    if let equal = shared.equalities(of: update) {
      equalities += equal
      return
    }
    equalities += shared.copies(of: update)
    let padding = WeightPadding(inputs: inputs, number: number)
    let resolved = try padding.place(try target(of: update, number), for: update, &works)
    warnings += [padding.warning(resolved, for: update)].compactMap { $0 }
    let weight = inputs.weight(of: update, number)
    if update.scaling == nil, !update.mixesResult, weight != 1 {
      throw error(
        .weightWithoutScaling(method: adapter.config.methodName, weight: weight), number, key: update.inWitness.tensor)
    }
    let placement = UpdatePlacement(of: update, shape: resolved.shape, number, &self)
    let place = try placement.place(update, target: resolved.whole ?? resolved.name, shape: resolved.shape)
    if update.expertCount != nil, adapter.isExpertLayoutAmbiguous, options.expertLayout == nil {
      throw error(.ambiguousExperts, number, key: update.outWitness.tensor)
    }
    if update.isCut {
      largestCuts[number] = max(largestCuts[number] ?? 0, place.isTransposed ? place.rows : place.columns)
    }
    for part in resolved.parts { try checkDType(part.tensor, number, key: update.inWitness.tensor) }
    if update.layout == .vector, options.arithmetic == .exact {
      var targets = try addVector(place.steps, of: update, to: resolved, key: update.inWitness.tensor, number)
      if let bias = update.bias { targets += try add(bias, of: update, weight: nil, placement, number) }
      modules.append(MergePlan.Module(update, weight: weight, number, targets: targets, rule: resolved.rule))
      return
    }
    guard let target = resolved.whole else { return try addSlices(update, place, placement, resolved, number) }
    if let step = update.decomposition { try planDecomposition(step, for: update, target, place, number) }
    var work = works[target] ?? PendingUpdate()
    let own = place.steps.filter { if case .subtract = $0 { false } else { true } }
    let steps = inputs.mixed(own, of: update, rows: 0..<place.rows, before: work.steps, number)
    add(steps, of: update, to: &work, target)
    warnings += update.warnings(shape: resolved.shape, options).map { "\(adapter.weightsPath): \($0)" }
    work.users.append(PendingUpdate.User(module: update.module, adapter: number, rows: 0..<place.rows))
    switch update.layout {
    case .convolution, .channels: work.isConvolution = true
    case .flattened where resolved.shape.count > 2, .matrix where resolved.shape.count > 2: work.isConvolution = true
    case .embedding: work.isEmbedding = true
    case .linear, .experts, .flattened, .matrix, .vector: break
    }
    if place.isTransposed { work.isStoredTransposed = true }
    works[target] = work
    var targets = [target]
    if let bias = update.bias { targets += try add(bias, of: update, weight: target, placement, number) }
    modules.append(MergePlan.Module(update, weight: weight, number, targets: targets, rule: resolved.rule))
  }

  /// Adds the steps in the arithmetic that was asked for; the delta of an attention's output projection twice.
  private func add(
    _ steps: [TensorUpdate.Step], of update: ModuleUpdate, to work: inout PendingUpdate, _ target: TensorName
  ) {
    let isAddedTwice = update.target == .attentionOutput && options.attentionOutput == .twice
    switch options.arithmetic {
    case .exact:
      for _ in 0..<(isAddedTwice ? 2 : 1) { work.add(steps) }
    case .peft:
      func rounded(roundsDelta: Bool) -> [TensorUpdate.Step] {
        PEFTRounding.steps(
          steps, of: update, dtype: dtype(of: target) ?? .f32, roundsDelta: roundsDelta)
      }
      work.addRounded(rounded(roundsDelta: PEFTRounding.roundsDelta(update, target) || isAddedTwice))
      if isAddedTwice { work.steps += rounded(roundsDelta: false) }
    }
  }

  /// Where an update goes in the base.
  mutating func target(of update: ModuleUpdate, _ number: Int) throws(PlanError) -> TensorPlacement {
    let key = update.inWitness.tensor
    if let problem = LostUpdates.problem(of: update, base.config) { throw error(problem, number, key: key) }
    for parameter in inputs.parameters(of: update, tensors) {
      switch locate(update.module, parameter, rows: update.outFeatures, experts: update.expertCount, number) {
      case nil: continue
      case .failure(let problem)?: throw error(.name(problem), number, key: key)
      case .success(let resolved)?:
        for part in resolved.parts {
          if let problem = quantized.problem(changing: part.tensor) { throw problem }
        }
        // The elements of a vector are checked when they are changed.
        if update.layout == .vector { return resolved }
        let places = FreePlaces(inputs: inputs, works: works, number: number)
        for part in resolved.parts { try places.check(part, for: update, isWhole: resolved.whole != nil) }
        return resolved
      }
    }
    throw missing(update, number)
  }

  private mutating func missing(_ update: ModuleUpdate, _ number: Int) -> PlanError {
    let tensors = tensors
    let name = TensorName("\(update.module).\(inputs.parameters(of: update, tensors)[0].name)")
    if let problem = problemOfCodes(inPlaceOf: name) { return problem }
    var others = -1
    for other in adapters[number].adapter.updates {
      let parameter = inputs.parameters(of: other, tensors)[0]
      if locate(other.module, parameter, rows: other.outFeatures, experts: other.expertCount, number) == nil {
        others += 1
      }
    }
    if adapters[number].adapter.isFile {
      let model = inputs.images
      let candidates = model?.nearestNames(to: update.module) ?? []
      return error(
        .noModule(update.module, model: model?.architecture, candidates: candidates, otherModules: max(0, others)),
        number, key: update.inWitness.tensor)
    }
    let target = resolver.mapped(name.string)
    if let problem = resolver.reason(missing: target, module: update.module, in: tensors) {
      return error(.name(problem), number, key: update.inWitness.tensor)
    }
    let candidates = NearestNames.find(target, in: baseTensors.names)
    return error(
      .noTarget(target: target, candidates: candidates, otherModules: max(0, others)), number,
      key: update.inWitness.tensor)
  }

  /// Changes the module's bias, if it has one; if not, that is an error where it must.
  ///
  /// - Parameter weight: The module's; nil: it lies in several tensors.
  /// - Returns: The tensors that are changed.
  mutating func add(
    _ bias: ModuleUpdate.Bias, of update: ModuleUpdate, weight: TensorName?, _ placement: UpdatePlacement, _ number: Int
  ) throws(PlanError) -> [TensorName] {
    let key = bias.witness.tensor
    let runtimeName = update.module + ".bias"
    let resolved: TensorPlacement
    switch locate(update.module, .bias, rows: bias.count, number) {
    case .success(let found)?: resolved = found
    case .failure(.noParameter)? where !bias.isRequired: return []
    case .failure(let problem)?: throw error(.name(problem), number, key: key)
    case nil:
      if !bias.isRequired { return [] }
      throw error(.noBias(target: runtimeName), number, key: key)
    }
    let name = resolved.whole ?? resolved.name
    guard let shape = resolved.whole.map({ shape(of: $0) }) ?? resolved.shape else {
      throw error(.noBias(target: runtimeName), number, key: key)
    }
    guard shape.count == 1, bias.count ?? shape[0] == shape[0] else {
      throw error(
        .shape(
          factor: bias.witness.name, found: [bias.count ?? 1], target: name.string, expected: shape), number, key: key)
    }
    for part in resolved.parts { try checkDType(part.tensor, number, key: key) }
    guard let whole = resolved.whole, let weight else {
      guard options.arithmetic == .exact, bias.image == nil else {
        throw error(.slicedChange(target: runtimeName, what: bias.witness.name), number, key: key)
      }
      let steps = placement.views(bias, of: update, count: shape[0], image: nil)
      return try addVector(steps, of: update, to: resolved, key: key, number)
    }
    let image = try BiasImage(bias, of: weight, self, number)
    let steps = placement.views(bias, of: update, count: shape[0], image: image)
    switch options.arithmetic {
    case .exact: return try addVector(steps, of: update, to: resolved, key: key, number)
    case .peft:
      works[whole, default: PendingUpdate()].steps += PEFTRounding.steps(
        steps, of: nil, dtype: dtype(of: whole) ?? .f32, roundsDelta: bias.roundsDelta)
    }
    works[whole]?.users.append(PendingUpdate.User(module: update.module, adapter: number, rows: 0..<1))
    return [whole]
  }
}

extension ModuleUpdate {
  /// Where a merge does what a reader may not expect.
  ///
  /// - Parameter shape: The weight's.
  fileprivate func warnings(shape: [Int], _ options: MergeOptions) -> [String] {
    var found: [String] = []
    if target == .attentionOutput, options.attentionOutput == .twice {
      found.append("\(module): its delta is added twice, as PEFT up to 0.21.2 does in training and inference")
    }
    if foldsWindows, shape.dropFirst(2).reduce(1, *) > 1 {
      found.append("\(module): its windows overlap, and what PEFT merges is not what the adapter computes")
    }
    return found
  }
}

extension MergePlan.Module {
  /// What a plan says of one update.
  init(_ update: ModuleUpdate, weight: Double, _ number: Int, targets: [TensorName], rule: String?) {
    self.init(
      name: update.module, adapter: number, rank: update.rank, alpha: update.alpha,
      scaling: update.scaling.map { weight * $0 }, targets: targets, rule: rule)
  }
}
