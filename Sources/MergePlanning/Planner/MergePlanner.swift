import Adapters
import Checkpoints
import ModelNames
import Safetensors

extension MergePlan {
  /// Plans the merge of `adapters` into `base`: `W + sum of weight_i * delta_i`, rounded once.
  ///
  /// Every tensor of every adapter must be used, every module must have its tensor in the base, of the shape that its
  /// factors make, and no tensor may be replaced by two adapters. The output keeps the base's order of tensors and its
  /// metadata, to which `format: pt` is added where it is missing, and its files unless ``MergeOptions/fileSizes`` asks for
  /// others.
  ///
  /// - Throws: ``PlanError``, or `SafetensorsError` if a header would be too large.
  public init(base: Checkpoint, adapters: [AdapterUse], options: MergeOptions = MergeOptions()) throws {
    var planner = try MergePlanner(base: base, adapters: adapters, options: options)
    do throws(PlanError) {
      for number in adapters.indices { try planner.match(number) }
    } catch { planner = try Self.planner(base, adapters, options, after: error) }
    try planner.checkMapsAreUsed()
    self = try PlanAssembly(planner).plan()
  }
}

/// Gathers what the adapters do to each tensor of the base.
struct MergePlanner {
  let inputs: MergeInputs
  var works: [TensorName: PendingUpdate] = [:]
  var modules: [MergePlan.Module] = []
  var warnings: [String]
  /// Tensors that the base has not and the output has, with the file of the base that they are written behind.
  var added: [(name: TensorName, file: Int)] = []
  var equalities: [MergePlan.Equality] = []
  /// Finds the tensors that the adapters name.
  var resolver: NameResolver
  /// The tensors of the base that each adapter replaces.
  var resolvedReplacements: [Int: Set<TensorName>] = [:]
  /// The layers of each adapter that are known to change nothing.
  var inertLayers: [Int: Set<Int>] = [:]
  /// What decides how square weights are stored, by adapter, where one has any.
  var orientations: [Int: OrientationDecision] = [:]
  /// How many names each rule found, beside those of modules.
  var rules: [String: Int] = [:]

  init(base: Checkpoint, adapters: [AdapterUse], options: MergeOptions) throws {
    let maps: NameMaps
    do { maps = try NameMaps(options.nameMaps) } catch {
      throw PlanError(path: base.path, tensor: nil, .name(error))
    }
    inputs = try MergeInputs(base: base, adapters: adapters, options: options)
    resolver = NameResolver(names: inputs.baseTensors.names, config: base.config, maps: maps)
    warnings = base.warnings + adapters.flatMap(\.adapter.warnings)
    warnings += adapters.compactMap { BaseModelMatch(base).warning(for: $0.adapter) }
  }

  var base: Checkpoint { inputs.base }
  var adapters: [AdapterUse] { inputs.adapters }
  var options: MergeOptions { inputs.options }
  var quantized: QuantizedBase { inputs.quantized }
  var baseTensors: BaseTensors { inputs.baseTensors }
  var replication: LayerReplication? { inputs.replication }
  var vocabulary: VocabularyTensors { inputs.vocabulary }

  /// The place of an adapter's file in the plan's inputs.
  func input(ofAdapter number: Int) -> Int { inputs.input(ofAdapter: number) }

  func error(_ problem: PlanError.Problem, _ number: Int, key: Int?) -> PlanError {
    inputs.error(problem, number, key: key)
  }

  /// A renaming that renames nothing is a mistake.
  func checkMapsAreUsed() throws(PlanError) {
    guard let map = resolver.unusedMap else { return }
    throw PlanError(
      path: adapters[0].adapter.weightsPath, tensor: nil, .name(.mapUnused(pattern: map.pattern)))
  }

  /// Gives everything that one adapter has its tensor.
  mutating func match(_ number: Int) throws(PlanError) {
    let adapter = adapters[number].adapter
    var used = Set(adapter.ignoredTensors.map(\.tensor))
    for replacement in adapter.replacements {
      try replace(replacement, number)
      used.insert(replacement.tensor)
    }
    for (index, layer) in adapter.layers.enumerated() {
      if inertLayers[number]?.contains(index) ?? false {
        addInert(layer, number)
      } else {
        try addLayer(layer, number)
      }
      used.formUnion(layer.tensorIndices)
    }
    for rows in adapter.tokenRows {
      try replaceRows(rows, number)
      used.insert(rows.tensor)
    }
    try LostReplacements(ofAdapter: number, self).check()
    // What the adapter's own accounting promises; nothing may be written if it ever did not hold.
    let unused = adapter.header.tensors.count - used.count
    guard unused == 0 else { throw error(.adapterTensorsUnused(count: unused), number, key: nil) }
  }

  // MARK: - Replacements

  private mutating func replace(_ replacement: AdapterReplacement, _ number: Int) throws(PlanError) {
    let matcher = ReplacementMatcher(inputs: inputs, number: number, tensors: tensors)
    let found = try matcher.match(replacement, &resolver)
    if let rule = found.rule { rules[rule, default: 0] += 1 }
    resolvedReplacements[number, default: []].insert(found.name)
    if found.isNew { added.append((found.name, max(0, base.files.count - 1))) }
    works[found.name, default: PendingUpdate()].replacement = (found.source, found.shape, number)
  }

  private mutating func replaceRows(_ rows: AdapterTokenRows, _ number: Int) throws(PlanError) {
    let matcher = ReplacementMatcher(inputs: inputs, number: number, tensors: tensors)
    let found = try matcher.match(rows, &resolver)
    if let rule = found.rule { rules[rule, default: 0] += 1 }
    works[found.name, default: PendingUpdate()].replace(
      found.replacements, user: PendingUpdate.User(module: rows.module, adapter: number, rows: 0..<found.rowCount))
  }

  // MARK: - Low-rank updates

  mutating func addLayer(_ layer: AdapterLayer, _ number: Int) throws(PlanError) {
    let adapter = adapters[number].adapter
    let shared = SharedLayers(adapter: adapter, input: input(ofAdapter: number), config: base.config)
    if let equal = shared.equalities(of: layer) {
      equalities += equal
      return
    }
    let scaling = adapters[number].weight * layer.scaling
    let resolved = try target(of: layer, number)
    let shapes = UpdateBuilder(
      config: base.config, adapter: adapter, input: input(ofAdapter: number), expertLayout: options.expertLayout,
      orientation: orientation(layer, shape: resolved.shape, number))
    let place = try shapes.shape(
      layer, target: resolved.whole ?? resolved.name, shape: resolved.shape, scaling: Float(scaling))
    if case .experts = layer.kind, adapter.isExpertLayoutAmbiguous, options.expertLayout == nil {
      throw error(.ambiguousExperts, number, key: layer.b)
    }
    for part in resolved.parts { try checkDType(part.tensor, number, key: layer.a) }
    guard let target = resolved.whole else { return try addSlices(layer, place, resolved, scaling, number) }
    if let change = layer.decomposition { try planDecomposition(change, for: layer, target, place, number) }
    let magnitude = layer.magnitude.map { index in
      let count = place.normAxis == .rows ? place.rows : place.columns
      return Magnitude(
        axis: place.normAxis, values: .rowMajor(shapes.source(index), rows: 1, columns: count))
    }
    let isAddedTwice = layer.target == .attentionOutput && options.attentionOutput == .twice
    if isAddedTwice {
      warnings.append(
        "\(adapter.weightsPath): \(layer.module): its delta is added twice, as PEFT up to 0.21.2 does in training and "
          + "inference")
    }
    switch options.arithmetic {
    case .exact:
      let terms = isAddedTwice ? place.terms + place.terms : place.terms
      works[target, default: PendingUpdate()].add(terms, magnitude: magnitude)
    case .peft:
      let roundsDelta = PEFTRounding.roundsDelta(layer, target, adapter.config)
      let dtype = dtype(of: target) ?? .f32
      works[target, default: PendingUpdate()].steps += PEFTRounding.steps(
        place.terms, rank: layer.rank, magnitude, dtype: dtype, roundsDelta: roundsDelta || isAddedTwice)
      if isAddedTwice {
        works[target]?.steps += PEFTRounding.steps(
          place.terms, rank: layer.rank, nil, dtype: dtype, roundsDelta: false)
      }
    }
    works[target]?.users.append(PendingUpdate.User(module: layer.module, adapter: number, rows: 0..<place.rows))
    if case .convolution = layer.kind { works[target]?.isConvolution = true }
    if case .embedding = layer.kind { works[target]?.isEmbedding = true }
    if place.normAxis == .columns { works[target]?.isStoredTransposed = true }
    var targets = [target]
    if let bias = layer.bias { targets.append(try addBias(layer, bias, Float(scaling), shapes, number)) }
    modules.append(
      MergePlan.Module(
        name: layer.module, adapter: number, rank: layer.rank, alpha: layer.alpha, scaling: scaling, targets: targets,
        rule: resolved.rule))
  }

  /// Where a layer's update goes in the base.
  private mutating func target(of layer: AdapterLayer, _ number: Int) throws(PlanError) -> TensorPlacement {
    if let problem = LostUpdates.problem(of: layer, base.config) { throw error(problem, number, key: layer.a) }
    let candidates: [TensorName]
    switch layer.target {
    case .weight: candidates = [TensorName(layer.module + ".weight"), TensorName(layer.module + ".in_proj_weight")]
    case .attentionOutput: candidates = [TensorName(layer.module + ".weight")]
    case .parameter(let leaf): candidates = [TensorName(layer.module + "." + leaf)]
    }
    // The head of a model that keeps it as one tensor with the embedding is settled when all adapters are known.
    let own = candidates.filter { exists($0) || vocabulary.absent($0) != nil }
    var experts: Int?
    if case .experts(let count) = layer.kind { experts = count }
    for name in own + candidates {
      switch resolve(name.string, rows: layer.outFeatures, experts: experts) {
      case nil: continue
      case .failure(let problem)?: throw error(.name(problem), number, key: layer.a)
      case .success(let resolved)?:
        for part in resolved.parts {
          if let problem = quantized.problem(changing: part.tensor) { throw problem }
        }
        for part in resolved.parts { try checkFree(part, for: layer, isWhole: resolved.whole != nil, number) }
        return resolved
      }
    }
    throw missing(layer, candidates[0], number)
  }

  /// No other layer of the adapter changes the same rows, and no other adapter replaces the tensor.
  private func checkFree(
    _ part: TensorPlacement.Part, for layer: AdapterLayer, isWhole: Bool, _ number: Int
  ) throws(PlanError) {
    guard let work = works[part.tensor] else { return }
    if let other = work.replacement, other.adapter != number || !isWhole {
      let name = other.adapter == number ? "the adapter itself" : "another adapter"
      throw error(.replacedAndChanged(target: part.tensor.string, other: name), number, key: layer.a)
    }
    if work.interleaveCount != part.interleaveCount, !work.steps.isEmpty {
      throw error(
        .slicedChange(target: part.tensor.string, what: "a second change, of rows that do not lie by turns,"), number,
        key: layer.a)
    }
    guard layer.target != .attentionOutput || !isWhole else { return }
    // Where rows and columns are exchanged only the columns are known: that the rows differ is not looked for.
    let rows = part.isTransposed ? 0..<Int.max : part.rows
    let columns = part.isTransposed ? part.takenColumns : nil
    if let other = work.users.first(where: { $0.adapter == number && $0.overlaps(rows: rows, columns: columns) }) {
      throw error(.targetHitTwice(target: part.tensor.string, other: other.module), number, key: layer.a)
    }
  }

  /// The tensors with the shapes that they have when deltas are added.
  private var tensors: TensorShapes { inputs.shapes(with: works) }

  /// The shape that a tensor has when deltas are added: the base's, or that of the tensor that replaces it.
  func shape(of name: TensorName) -> [Int]? { tensors.shape(of: name) }

  /// The place in the base of a tensor that an adapter names; nil: the base has no such tensor.
  mutating func resolve(_ name: String, rows: Int?, experts: Int? = nil) -> Resolution? {
    let tensors = tensors
    return resolver.resolve(name, rows: rows, experts: experts, in: tensors)
  }

  /// The dtype of the base's tensor, or of the one that a new head starts from.
  func dtype(of name: TensorName) -> DType? { tensors.dtype(of: name) }

  /// Whether the base has the tensor, or an adapter brings it.
  private func exists(_ name: TensorName) -> Bool { tensors.exists(name) }

  /// Why a weight that the base has not cannot be changed: its module has codes that are not decoded.
  private mutating func problemOfCodes(inPlaceOf name: TensorName) -> PlanError? {
    let tensors = tensors
    return quantized.problem(inPlaceOf: name, in: tensors, &resolver)
  }

  private mutating func missing(_ layer: AdapterLayer, _ name: TensorName, _ number: Int) -> PlanError {
    if let problem = problemOfCodes(inPlaceOf: name) { return problem }
    var others = -1
    for other in adapters[number].adapter.layers {
      let leaf = if case .parameter(let leaf) = other.target { leaf } else { "weight" }
      var experts: Int?
      if case .experts(let count) = other.kind { experts = count }
      if resolve("\(other.module).\(leaf)", rows: other.outFeatures, experts: experts) == nil { others += 1 }
    }
    let target = resolver.mapped(name.string)
    let tensors = tensors
    if let problem = resolver.reason(missing: target, module: layer.module, in: tensors) {
      return error(.name(problem), number, key: layer.a)
    }
    let candidates = NearestNames.find(target, in: baseTensors.names)
    return error(.noTarget(target: target, candidates: candidates, otherModules: max(0, others)), number, key: layer.a)
  }

  private mutating func addBias(
    _ layer: AdapterLayer, _ bias: Int, _ scaling: Float, _ shapes: UpdateBuilder, _ number: Int
  ) throws(PlanError) -> TensorName {
    let live = layer.module + ".bias"
    let name: TensorName
    switch resolve(live, rows: layer.outFeatures) {
    case .success(let resolved)?:
      guard let whole = resolved.whole else {
        throw error(.slicedChange(target: live, what: "lora_bias"), number, key: bias)
      }
      name = whole
    case .failure(let problem)?: throw error(.name(problem), number, key: bias)
    case nil: throw error(.noBias(target: live), number, key: bias)
    }
    guard let shape = shape(of: name) else { throw error(.noBias(target: live), number, key: bias) }
    guard shape == [layer.outFeatures] else {
      throw error(
        .shape(factor: "lora_bias", found: [layer.outFeatures], target: name.string, expected: shape), number,
        key: bias)
    }
    try checkDType(name, number, key: bias)
    let term = Term(
      rows: 0..<1, columns: 0..<layer.outFeatures,
      .matrix(FactorView.rowMajor(shapes.source(bias), rows: 1, columns: layer.outFeatures)), scaling: scaling)
    if options.arithmetic == .peft {
      works[name, default: PendingUpdate()].steps += PEFTRounding.steps(
        [term], rank: 1, nil, dtype: dtype(of: name) ?? .f32, roundsDelta: false)
    } else {
      works[name, default: PendingUpdate()].add([term], magnitude: nil)
    }
    works[name]?.users.append(PendingUpdate.User(module: layer.module, adapter: number, rows: 0..<1))
    return name
  }

  func checkDType(_ target: TensorName, _ number: Int, key: Int) throws(PlanError) {
    guard let dtype = tensors.unmergeableDType(of: target) else { return }
    throw error(.targetDType(target: target.string, found: dtype), number, key: key)
  }
}
