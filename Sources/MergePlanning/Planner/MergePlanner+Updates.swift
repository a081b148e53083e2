import Adapters
import Checkpoints
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
    if update.scaling == nil, !update.mixesResult, adapters[number].weight != 1 {
      throw error(
        .weightWithoutScaling(method: adapter.config.methodName, weight: adapters[number].weight), number,
        key: update.inWitness.tensor)
    }
    equalities += shared.copies(of: update)
    let resolved = try target(of: update, number)
    let placement = UpdatePlacement(of: update, shape: resolved.shape, number, &self)
    let place = try placement.place(update, target: resolved.whole ?? resolved.name, shape: resolved.shape)
    if update.expertCount != nil, adapter.isExpertLayoutAmbiguous, options.expertLayout == nil {
      throw error(.ambiguousExperts, number, key: update.outWitness.tensor)
    }
    if update.isCut {
      largestCuts[number] = max(largestCuts[number] ?? 0, place.isTransposed ? place.rows : place.columns)
    }
    for part in resolved.parts { try checkDType(part.tensor, number, key: update.inWitness.tensor) }
    guard let target = resolved.whole else { return try addSlices(update, place, resolved, number) }
    if let step = update.decomposition { try planDecomposition(step, for: update, target, place, number) }
    var work = works[target] ?? PendingUpdate()
    let own = place.steps.filter { if case .subtract = $0 { false } else { true } }
    let steps = mixed(own, of: update, rows: 0..<place.rows, before: work.steps, number)
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
    if let bias = update.bias, let name = try add(bias, of: update, weight: target, placement, number) {
      targets.append(name)
    }
    modules.append(MergePlan.Module(update, adapters[number], number, targets: targets, rule: resolved.rule))
  }

  /// The steps of an update whose result is mixed with what it starts from, where a weight or steps before it ask for that.
  ///
  /// - Parameter before: What is done to the tensor before.
  func mixed(
    _ steps: [TensorUpdate.Step], of update: ModuleUpdate, rows: Range<Int>, before: [TensorUpdate.Step], _ number: Int
  ) -> [TensorUpdate.Step] {
    let weight = adapters[number].weight
    guard update.mixesResult, weight != 1 || !before.isEmpty else { return steps }
    return [.part(PartialUpdate(rows: rows, steps: steps, weight: Float(weight)))]
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
    let candidates: [TensorName]
    switch update.target {
    case .weight: candidates = [TensorName(update.module + ".weight"), TensorName(update.module + ".in_proj_weight")]
    case .attentionOutput: candidates = [TensorName(update.module + ".weight")]
    case .parameter(let leaf): candidates = [TensorName(update.module + "." + leaf)]
    }
    // The head of a model that keeps it as one tensor with the embedding is settled when all adapters are known.
    let own = candidates.filter { exists($0) || vocabulary.absent($0) != nil }
    for name in own + candidates {
      switch resolve(name.string, rows: update.outFeatures, experts: update.expertCount) {
      case nil: continue
      case .failure(let problem)?: throw error(.name(problem), number, key: key)
      case .success(let resolved)?:
        for part in resolved.parts {
          if let problem = quantized.problem(changing: part.tensor) { throw problem }
        }
        for part in resolved.parts { try checkFree(part, for: update, isWhole: resolved.whole != nil, number) }
        return resolved
      }
    }
    throw missing(update, candidates[0], number)
  }

  /// No other update of the adapter changes the same rows, and no other adapter replaces the tensor.
  private func checkFree(
    _ part: TensorPlacement.Part, for update: ModuleUpdate, isWhole: Bool, _ number: Int
  ) throws(PlanError) {
    guard let work = works[part.tensor] else { return }
    let key = update.inWitness.tensor
    if let other = work.replacement, other.adapter != number || !isWhole {
      let name = other.adapter == number ? "the adapter itself" : "another adapter"
      throw error(.replacedAndChanged(target: part.tensor.string, other: name), number, key: key)
    }
    if work.interleaveCount != part.interleaveCount, !work.steps.isEmpty {
      throw error(
        .slicedChange(target: part.tensor.string, what: "a second change, of rows that are not interleaved,"), number,
        key: key)
    }
    guard update.target != .attentionOutput || !isWhole else { return }
    // Where rows and columns are exchanged only the columns are known: that the rows differ is not looked for.
    let rows = part.isTransposed ? 0..<Int.max : part.rows
    let columns = part.isTransposed ? part.takenColumns : nil
    if let other = work.users.first(where: { $0.adapter == number && $0.overlaps(rows: rows, columns: columns) }) {
      throw error(.targetHitTwice(target: part.tensor.string, other: other.module), number, key: key)
    }
  }

  private mutating func missing(_ update: ModuleUpdate, _ name: TensorName, _ number: Int) -> PlanError {
    if let problem = problemOfCodes(inPlaceOf: name) { return problem }
    var others = -1
    for other in adapters[number].adapter.updates {
      let leaf = if case .parameter(let leaf) = other.target { leaf } else { "weight" }
      if resolve("\(other.module).\(leaf)", rows: other.outFeatures, experts: other.expertCount) == nil { others += 1 }
    }
    let target = resolver.mapped(name.string)
    let tensors = tensors
    if let problem = resolver.reason(missing: target, module: update.module, in: tensors) {
      return error(.name(problem), number, key: update.inWitness.tensor)
    }
    let candidates = NearestNames.find(target, in: baseTensors.names)
    return error(
      .noTarget(target: target, candidates: candidates, otherModules: max(0, others)), number,
      key: update.inWitness.tensor)
  }

  /// Changes the module's bias; nil: it has none, and need not have one.
  private mutating func add(
    _ bias: ModuleUpdate.Bias, of update: ModuleUpdate, weight: TensorName, _ placement: UpdatePlacement, _ number: Int
  ) throws(PlanError) -> TensorName? {
    let key = bias.witness.tensor
    let runtimeName = update.module + ".bias"
    let name: TensorName
    switch resolve(runtimeName, rows: bias.count) {
    case .success(let resolved)?:
      guard let whole = resolved.whole else {
        throw error(.slicedChange(target: runtimeName, what: bias.witness.name), number, key: key)
      }
      name = whole
    case .failure(let problem)?: throw error(.name(problem), number, key: key)
    case nil:
      if !bias.isRequired { return nil }
      throw error(.noBias(target: runtimeName), number, key: key)
    }
    guard let shape = shape(of: name) else { throw error(.noBias(target: runtimeName), number, key: key) }
    guard shape.count == 1, bias.count ?? shape[0] == shape[0] else {
      throw error(
        .shape(
          factor: bias.witness.name, found: [bias.count ?? 1], target: name.string, expected: shape), number, key: key)
    }
    try checkDType(name, number, key: key)
    let image = try BiasImage(bias, of: weight, self, number)
    let steps = placement.views(bias, of: update, count: shape[0], image: image)
    switch options.arithmetic {
    case .exact: works[name, default: PendingUpdate()].add(steps)
    case .peft:
      works[name, default: PendingUpdate()].steps += PEFTRounding.steps(
        steps, of: nil, dtype: dtype(of: name) ?? .f32, roundsDelta: bias.roundsDelta)
    }
    works[name]?.users.append(PendingUpdate.User(module: update.module, adapter: number, rows: 0..<1))
    return name
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
  init(_ update: ModuleUpdate, _ use: AdapterUse, _ number: Int, targets: [TensorName], rule: String?) {
    self.init(
      name: update.module, adapter: number, rank: update.rank, alpha: update.alpha,
      scaling: update.scaling.map { use.weight * $0 }, targets: targets, rule: rule)
  }
}
