import Adapters
import Checkpoints
import JSONText
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
    try planner.settleTiedWeights()
    self = try planner.plan()
  }
}

/// Gathers what the adapters do to each tensor, and lays the output out.
struct MergePlanner {
  let base: Checkpoint
  let adapters: [AdapterUse]
  let options: MergeOptions
  let quantized: QuantizedBase
  let baseTensors: BaseTensors
  let replication: LayerReplication?
  /// Embeddings and heads, and which of them are one tensor.
  let vocabulary: VocabularyTensors
  var works: [TensorName: PendingUpdate] = [:]
  var modules: [MergePlan.Module] = []
  var warnings: [String]
  /// Tensors that the base has not and the output has, with the file of the base that they are written behind.
  var added: [(name: TensorName, file: Int)] = []
  var configEdits: [ConfigEdit] = []
  var equalities: [MergePlan.Equality] = []
  /// Finds the tensors that the adapters name.
  var resolver: NameResolver
  /// The tensors of the base that each adapter replaces.
  var resolvedReplacements: [Int: Set<TensorName>] = [:]
  /// The updates of each adapter that are known to change nothing.
  var inertUpdates: [Int: Set<Int>] = [:]
  /// What decides how square weights are stored, by adapter, where one has any.
  var orientations: [Int: OrientationDecision] = [:]
  /// How many names each rule found, beside those of modules.
  var rules: [String: Int] = [:]

  init(base: Checkpoint, adapters: [AdapterUse], options: MergeOptions) throws {
    self.base = base
    self.adapters = adapters
    self.options = options
    let maps: NameMaps
    do { maps = try NameMaps(options.nameMaps) } catch {
      throw PlanError(path: base.path, tensor: nil, .name(error))
    }
    quantized = try QuantizedBase(base)
    var replication: LayerReplication?
    for use in adapters {
      guard let ranges = use.adapter.config.layerReplication else { continue }
      guard adapters.count == 1 else {
        throw PlanError(path: use.adapter.configPath, tensor: nil, .replicationOfSeveral)
      }
      if let method = quantized.method {
        throw PlanError(
          path: use.adapter.configPath, tensor: nil, .quantizedScheme("\(method) and layer_replication"))
      }
      guard let made = LayerReplication(ranges) else {
        throw PlanError(path: use.adapter.configPath, tensor: nil, .tooManyLayers(LayerReplication.largestLayerCount))
      }
      replication = made
    }
    self.replication = replication
    baseTensors = try BaseTensors(base, replication: replication, quantized: quantized)
    resolver = NameResolver(names: baseTensors.names, config: base.config, maps: maps)
    vocabulary = VocabularyTensors(
      config: base.config, names: baseTensors.names, task: adapters.compactMap(\.adapter.config.taskType).first,
      bringsHead: options.addsTensors)
    warnings = base.warnings + adapters.flatMap(\.adapter.warnings)
    warnings += adapters.compactMap { BaseModelMatch(base).warning(for: $0.adapter) }
  }

  /// Inputs are the base's files in their order, then the adapters'.
  func input(ofAdapter number: Int) -> Int { base.files.count + number }

  func error(_ problem: PlanError.Problem, _ number: Int, key: Int?) -> PlanError {
    let adapter = adapters[number].adapter
    return PlanError(
      path: adapter.weightsPath, tensor: key.map { adapter.header.tensors.name(at: $0) }, problem,
      adapterBase: adapter.baseModelName)
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
    for (index, update) in adapter.updates.enumerated() {
      if inertUpdates[number]?.contains(index) ?? false {
        addInert(update, number)
      } else {
        try add(update, number)
      }
      used.formUnion(update.tensorIndices)
    }
    for rows in adapter.tokenRows {
      try replaceRows(rows, number)
      used.insert(rows.tensor)
    }
    try checkNothingIsLost(number)
    // What the adapter's own accounting promises; nothing may be written if it ever did not hold.
    let unused = adapter.header.tensors.count - used.count
    guard unused == 0 else { throw error(.adapterTensorsUnused(count: unused), number, key: nil) }
  }

  /// Whole tensors that an adapter says it trained must be in it: what replaces a tensor of the base leaves no other sign
  /// when it is missing.
  private func checkNothingIsLost(_ number: Int) throws(PlanError) {
    let adapter = adapters[number].adapter
    let replaced = resolvedReplacements[number] ?? []
    // With a new head the adapter's model has parts that the base has not, and the other way round: a part of the base that
    // no key of the adapter names is not one of its model's.
    let parts = Set(
      adapter.replacements.map { UntrainedParts.part($0.target) }
        + adapter.updates.map { UntrainedParts.part($0.module) })
    var untrained: UntrainedParts?
    // A head that is one tensor with the embedding is none of the base's, but was trained like one.
    let shared = adapter.config.tiesWeights ? [] : vocabulary.groups.filter(\.isTied).flatMap(\.absent)
    for name in base.tensorNames + shared where !replaced.contains(name) {
      if let location = base.location(of: name), quantized.owner(at: location) != nil { continue }
      let field =
        adapter.fieldReplacing(name.string)
        ?? resolver.runtimeName(of: name).flatMap { adapter.fieldReplacing($0.string) }
      guard let field else { continue }
      if !added.isEmpty, !parts.contains(UntrainedParts.part(name.string)) { continue }
      let others =
        untrained
        ?? UntrainedParts(adapter, changed: changed(by: number), base: base.tensorNames, config: base.config)
      untrained = others
      if others.hold(name) { continue }
      throw PlanError(path: adapter.weightsPath, tensor: name, .lostReplacement(field: field))
    }
    try checkAddedBiases(number)
    let modules = Set(adapter.updates.map(\.module))
    for update in adapter.updates where update.target == .weight && !exists(TensorName(update.module + ".weight")) {
      let output = update.module + ".out_proj"
      guard exists(TensorName(update.module + ".in_proj_weight")), !modules.contains(output) else { continue }
      throw error(.missingOutProj(output: output), number, key: update.inWitness.tensor)
    }
  }

  /// The bias of a new module fits its weight.
  private func checkAddedBiases(_ number: Int) throws(PlanError) {
    for replacement in adapters[number].adapter.replacements where replacement.target.hasSuffix(".bias") {
      let name = TensorName(replacement.target)
      guard baseTensors.entry(name) == nil, let found = works[name]?.replacement?.shape else { continue }
      let weight = TensorName(replacement.target.dropLast("bias".count) + "weight")
      guard let expected = shape(of: weight) else {
        throw error(
          .noTarget(target: weight.string, candidates: [], otherModules: 0), number, key: replacement.tensor)
      }
      guard found == Array(expected.prefix(1)) else {
        throw error(
          .shape(factor: "the bias", found: found, target: weight.string, expected: expected), number,
          key: replacement.tensor)
      }
    }
  }

  /// The tensors that an adapter changes or replaces.
  private func changed(by number: Int) -> Set<TensorName> {
    Set(
      works.filter { _, work in
        work.replacement?.adapter == number || work.users.contains { $0.adapter == number }
      }.keys)
  }

  /// The tensors with the shapes that they have when deltas are added.
  var tensors: TensorShapes { TensorShapes(base: baseTensors, vocabulary: vocabulary, works: works) }

  /// The shape that a tensor has when deltas are added: the base's, or that of the tensor that replaces it.
  func shape(of name: TensorName) -> [Int]? { tensors.shape(of: name) }

  /// The place in the base of a tensor that an adapter names; nil: the base has no such tensor.
  mutating func resolve(_ name: String, rows: Int?, experts: Int? = nil) -> Resolution? {
    let tensors = tensors
    return resolver.resolve(name, rows: rows, experts: experts, in: tensors)
  }

  /// The dtype of the base's tensor, or of the one that a new head starts from.
  func dtype(of name: TensorName) -> DType? {
    if let entry = baseTensors.entry(name) { return entry.info.dtype }
    if let twin = vocabulary.storedTwin(of: name) { return dtype(of: twin) }
    return works[name]?.replacement?.source.dtype
  }

  /// Whether the base has the tensor, or an adapter brings it.
  func exists(_ name: TensorName) -> Bool {
    baseTensors.entry(name) != nil || works[name]?.replacement != nil
  }

  func checkDType(_ target: TensorName, _ number: Int, key: Int) throws(PlanError) {
    for dtype in [dtype(of: target), works[target]?.replacement?.source.dtype].compactMap({ $0 }) {
      guard dtype.isMergeable else {
        throw error(.targetDType(target: target.string, found: dtype), number, key: key)
      }
    }
  }

  // MARK: - Replacements

  private mutating func replace(_ replacement: AdapterReplacement, _ number: Int) throws(PlanError) {
    let adapter = adapters[number].adapter
    guard adapters[number].weight == 1 else {
      throw error(.weightedReplacement(weight: adapters[number].weight), number, key: replacement.tensor)
    }
    let name = try wholeName(replacement.target, number, key: replacement.tensor) ?? TensorName(replacement.target)
    resolvedReplacements[number, default: []].insert(name)
    let shape = adapter.header.tensors.shape(at: replacement.tensor)
    let dtype = adapter.header.tensors.dtype(at: replacement.tensor)
    guard works[name]?.replacement == nil else {
      throw error(.targetHitTwice(target: name.string, other: replacement.target), number, key: replacement.tensor)
    }
    // A head that the base keeps as one tensor with the embedding is as large as that.
    if baseTensors.entry(name) != nil, let problem = quantized.problem(changing: name) { throw problem }
    if let entry = baseTensors.entry(name) ?? vocabulary.storedTwin(of: name).flatMap({ baseTensors.entry($0) }) {
      guard entry.info.shape == shape || isResize(name, from: entry.info.shape, to: shape) else {
        throw error(
          .shape(factor: "the tensor", found: shape, target: name.string, expected: entry.info.shape), number,
          key: replacement.tensor)
      }
      guard entry.info.dtype == dtype || (entry.info.dtype.isMergeable && dtype.isMergeable) else {
        throw error(
          .replacementDType(target: name.string, found: dtype, expected: entry.info.dtype), number,
          key: replacement.tensor)
      }
    } else {
      if let problem = problemOfCodes(inPlaceOf: name) { throw problem }
      guard options.addsTensors else {
        throw error(
          .newTensor(target: name.string, candidates: NearestNames.find(name.string, in: baseTensors.names)), number,
          key: replacement.tensor)
      }
      added.append((name, max(0, base.files.count - 1)))
    }
    let source = MergePlan.Source(adapter.header, replacement.tensor, input: input(ofAdapter: number))
    if let other = works[name]?.users.first(where: { $0.adapter != number }) {
      throw error(.replacedAndChanged(target: name.string, other: other.module), number, key: replacement.tensor)
    }
    works[name, default: PendingUpdate()].replacement = (source, shape, number)
  }

  /// The tensor of the base that an adapter's name means, which must be the whole of one; nil: there is none.
  private mutating func wholeName(_ name: String, _ number: Int, key: Int) throws(PlanError) -> TensorName? {
    switch resolve(name, rows: nil) {
    case nil: return nil
    case .failure(let problem)?: throw error(.name(problem), number, key: key)
    case .success(let resolved)?:
      guard let whole = resolved.whole else {
        throw error(.slicedChange(target: name, what: "a whole tensor"), number, key: key)
      }
      if let rule = resolved.rule { rules[rule, default: 0] += 1 }
      return whole
    }
  }

  /// Whether a tensor with more or fewer rows than the base's is a vocabulary of another size: only embeddings and heads,
  /// with their biases, may change so.
  private func isResize(_ name: TensorName, from old: [Int], to new: [Int]) -> Bool {
    guard old.count == new.count, !old.isEmpty, old.dropFirst().elementsEqual(new.dropFirst()) else { return false }
    if vocabulary.names.contains(name) { return true }
    guard name.string.hasSuffix(".bias") else { return false }
    let weight = TensorName(name.string.dropLast("bias".count) + "weight")
    return vocabulary.names.contains(weight) || vocabulary.absent(weight) != nil
  }

  private mutating func replaceRows(_ rows: AdapterTokenRows, _ number: Int) throws(PlanError) {
    let adapter = adapters[number].adapter
    guard adapters[number].weight == 1 else {
      throw error(.weightedReplacement(weight: adapters[number].weight), number, key: rows.tensor)
    }
    if let problem = LostUpdates.problem(of: rows, base.config) { throw error(problem, number, key: rows.tensor) }
    let live = rows.module + ".weight"
    var name = try wholeName(live, number, key: rows.tensor) ?? TensorName(live)
    if !exists(name), let twin = vocabulary.storedTwin(of: name) { name = twin }
    guard let shape = shape(of: name) else {
      let candidates = NearestNames.find(name.string, in: baseTensors.names)
      throw error(
        .noTarget(target: name.string, candidates: candidates, otherModules: 0), number, key: rows.tensor)
    }
    if let problem = quantized.problem(changing: name) { throw problem }
    let found = adapter.header.tensors.shape(at: rows.tensor)
    guard shape.count == 2, found.count == 2, found[1] == shape[1] else {
      throw error(
        .shape(factor: "the rows", found: found, target: name.string, expected: shape), number, key: rows.tensor)
    }
    try checkDType(name, number, key: rows.tensor)
    guard works[name]?.interleaveCount ?? 1 == 1 else {
      throw error(.slicedChange(target: name.string, what: "a change of single rows"), number, key: rows.tensor)
    }
    let source = MergePlan.Source(adapter.header, rows.tensor, input: input(ofAdapter: number))
    var replaced = Set(works[name]?.rows.map(\.row) ?? [])
    for (position, row) in rows.indices.enumerated() {
      guard row < shape[0] else {
        throw error(.rowOutside(row: row, target: name.string, rows: shape[0]), number, key: rows.tensor)
      }
      guard replaced.insert(row).inserted else {
        throw error(.rowTwice(row: row, target: name.string), number, key: rows.tensor)
      }
      let values = FactorView(
        source, rows: 1, columns: shape[1], offset: position * shape[1], rowStride: shape[1], columnStride: 1)
      works[name, default: PendingUpdate()].rows.append(RowReplacement(row: row, values: values))
    }
    works[name]?.rows.sort { $0.row < $1.row }
    works[name]?.users.append(PendingUpdate.User(module: rows.module, adapter: number, rows: 0..<shape[0]))
  }
}

extension DType {
  /// Whether tensors of this type can be merged into.
  var isMergeable: Bool { [.f32, .f16, .bf16].contains(self) }
}
