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
  /// The updates of each adapter that are known to change nothing.
  var inertUpdates: [Int: Set<Int>] = [:]
  /// What decides how square weights are stored, by adapter, where one has any.
  var orientations: [Int: OrientationDecision] = [:]
  /// The most columns that a tensor of each adapter was cut to.
  var largestCuts: [Int: Int] = [:]
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
    if adapter.isFile, options.arithmetic == .peft { throw error(.arithmeticOfFile, number, key: nil) }
    var used = Set(adapter.ignoredTensors.map(\.tensor))
    try inputs.checkParts(number)
    for replacement in adapter.replacements {
      try replace(replacement, number)
      used.insert(replacement.tensor)
    }
    for (index, update) in try SharedSizes.updates(of: number, &self).enumerated() {
      if inertUpdates[number]?.contains(index) ?? false {
        addInert(update, number)
      } else {
        try add(update, number)
      }
      used.formUnion(update.tensorIndices)
    }
    if let (problem, tensor) = SharedWidths.problem(of: adapter, widest: largestCuts[number]) {
      throw error(problem, number, key: tensor)
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
    let found = try matcher.match(inputs.located(replacement, number), &resolver)
    if let rule = found.rule { rules[rule, default: 0] += 1 }
    resolvedReplacements[number, default: []].insert(found.name)
    if found.isNew { added.append((found.name, max(0, base.files.count - 1))) }
    works[found.name, default: PendingUpdate()].replacement = (found.source, found.shape, number)
  }

  private mutating func replaceRows(_ rows: AdapterTokenRows, _ number: Int) throws(PlanError) {
    let matcher = ReplacementMatcher(inputs: inputs, number: number, tensors: tensors)
    let found = try matcher.match(rows, &resolver)
    if let rule = found.rule { rules[rule, default: 0] += 1 }
    if let equality = found.equality {
      equalities.append(equality)
      return
    }
    works[found.name, default: PendingUpdate()].replace(
      found.replacements, user: PendingUpdate.User(module: rows.module, adapter: number, rows: 0..<found.rowCount))
  }

  /// The tensors with the shapes that they have when deltas are added.
  var tensors: TensorShapes { inputs.shapes(with: works) }

  /// The shape that a tensor has when deltas are added: the base's, or that of the tensor that replaces it.
  func shape(of name: TensorName) -> [Int]? { tensors.shape(of: name) }

  /// The place in the base of a tensor that an adapter names; nil: the base has no such tensor.
  mutating func resolve(_ name: String, rows: Int?, experts: Int? = nil) -> Resolution? {
    let tensors = tensors
    return resolver.resolve(name, rows: rows, experts: experts, in: tensors)
  }

  /// The dtype of the base's tensor, or of the tensor that a new head starts from.
  func dtype(of name: TensorName) -> DType? { tensors.dtype(of: name) }

  /// Why a weight that the base has not cannot be changed: its module has codes that are not decoded.
  mutating func problemOfCodes(inPlaceOf name: TensorName) -> PlanError? {
    let tensors = tensors
    return quantized.problem(inPlaceOf: name, in: tensors, &resolver)
  }

  func checkDType(_ target: TensorName, _ number: Int, key: Int) throws(PlanError) {
    guard let dtype = tensors.unmergeableDType(of: target) else { return }
    throw error(.targetDType(target: target.string, found: dtype), number, key: key)
  }
}
