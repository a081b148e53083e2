import Safetensors

/// Makes layers of an adapter's factors and its config, every layer complete.
struct ModuleUpdates {
  /// The tensors of one update.
  struct Parts {
    /// One of its keys, for the names of others.
    let key: AdapterKey
    var byRole: [AdapterKey.Role: Int] = [:]

    subscript(role: AdapterKey.Role) -> Int? { byRole[role] }
    var isEmbedding: Bool { byRole[.embeddingA] != nil || byRole[.embeddingB] != nil }
    var first: Int? { byRole.values.min() }
  }

  /// One update and what it belongs to.
  struct Update {
    let module: TensorName
    let parts: Parts
    let target: AdapterLayer.Target
    /// The path that patterns are matched against.
    let patternName: String
    /// Whether this is the input projection of a MultiheadAttention.
    var isAttentionInput = false
    /// Whether the keys name a parameter that stacks experts.
    var isNamedByParameter = false
  }

  let table: TensorTable
  let config: AdapterConfig
  /// The weights file and the config, for errors.
  let path: String
  private let configPath: String
  private let nesting: ParameterNesting
  private var budget: MatchBudget
  /// Of the tables of patterns, by the names of their fields.
  private var memories: [String: PatternAutomaton.Memory] = [:]
  var parts: [TensorName: [Int: Parts]] = [:]
  var transposedFactors: Set<Int> = []
  private var undeclaredBiases: [Int] = []
  private var usedRanks: [Bool]
  private var usedAlphas: [Bool]

  /// The layers in the order of their modules' bytes.
  private(set) var layers: [AdapterLayer] = []
  /// Factors' companions that PEFT never applies.
  var ignored: [IgnoredTensor] = []
  /// Patterns that decided no layer.
  private(set) var unusedPatterns: [UnusedPattern] = []
  /// Factors that the experts of a module share, and that are written once.
  var sharedFactors: Set<Int> = []
  var warnings: [String] = []

  /// - Parameter budget: What matching patterns against modules may cost.
  init(
    table: TensorTable, keys: AdapterKeys, config: AdapterConfig, path: String, configPath: String,
    budget: MatchBudget = MatchBudget()
  ) throws(AdapterError) {
    self.table = table
    self.config = config
    self.path = path
    self.configPath = configPath
    self.budget = budget
    nesting = ParameterNesting(config.targetParameters)
    usedRanks = [Bool](repeating: false, count: config.rankPattern.keys.count)
    usedAlphas = [Bool](repeating: false, count: config.alphaPattern.keys.count)
    try collect(keys)
    dropEmptyPairs()
    try handOutSharedFactors()
    for update in try updates() { layers.append(try layer(update)) }
    if let first = undeclaredBiases.first {
      warnings.append(
        "\(path): \(undeclaredBiases.count) modules have a bias of lora_B although \"lora_bias\" is not true, such as "
          + "\(table.name(at: first)); they are added, unscaled as their factors are")
    }
    unusedPatterns =
      zip(usedRanks, config.rankPattern.keys).filter { !$0.0 }.map { UnusedPattern(field: "rank_pattern", key: $0.1) }
      + zip(usedAlphas, config.alphaPattern.keys).filter { !$0.0 }
      .map { UnusedPattern(field: "alpha_pattern", key: $0.1) }
  }

  func failure(_ problem: AdapterError.Problem, at index: Int?) -> AdapterError {
    AdapterError(path: path, problem, tensor: index.map { table.name(at: $0) })
  }

  private mutating func collect(_ keys: AdapterKeys) throws(AdapterError) {
    for (index, key) in keys.keys.enumerated() {
      switch key.role {
      case .factorA, .factorB, .bias, .plainBias, .embeddingA, .embeddingB, .magnitude, .diagonal: break
      default: continue
      }
      var found = parts[key.module, default: [:]][key.depth] ?? Parts(key: key)
      // The same module inside a wrapped one and outside.
      if !found.key.path.utf8.elementsEqual(key.path.utf8), let other = found.first {
        throw failure(.sameMeaning(other: table.name(at: other).string), at: index)
      }
      found.byRole[key.role] = index
      if key.leniencies.contains(.transposedFactor) { transposedFactors.insert(index) }
      parts[key.module, default: [:]][key.depth] = found
    }
  }

  // MARK: What each update belongs to

  private mutating func updates() throws(AdapterError) -> [Update] {
    // In a fixed order, so that of two errors always the same one is reported.
    let modules = parts.sorted { $0.key < $1.key }
    var parameters: [TensorName: [String]] = [:]
    for (module, wrappers) in modules {
      if let leaves = try parameterLeaves(of: module, wrappers) { parameters[module] = leaves }
    }
    var attentions: Set<TensorName> = []
    for (_, wrappers) in modules {
      guard let key = wrappers[0]?.key, let container = key.container, parameters[container] == nil else { continue }
      guard key.module.string.utf8.elementsEqual("\(container.string).out_proj".utf8), key.depth == 0 else {
        throw failure(.unknownContainer(container.string), at: wrappers[0]?.first)
      }
      guard parts[container]?[0] != nil else {
        throw failure(
          .missingFactor(missing: "\(AdapterKey.prefix)\(container.string).lora_A.weight"), at: wrappers[0]?.first)
      }
      attentions.insert(container)
    }
    var updates: [Update] = []
    for (module, wrappers) in modules {
      let outermost = wrappers.count - 1
      for (depth, parts) in wrappers.sorted(by: { $0.key > $1.key }) {
        if parameters[module] == nil, wrappers.count == 1, depth == 0, let stack = try stack(module, parts) {
          updates.append(
            Update(
              module: stack.module, parts: parts, target: .parameter(stack.projection), patternName: module.string,
              isNamedByParameter: true))
        } else if let leaves = parameters[module] {
          let leaf = leaves[outermost - depth]
          updates.append(
            Update(
              module: module, parts: parts, target: .parameter(leaf), patternName: "\(module.string).\(leaf)"))
        } else if depth > 0 {
          throw failure(.nestedUpdate(depth: depth), at: parts.first)
        } else if let container = parts.key.container, attentions.contains(container) {
          updates.append(
            Update(module: module, parts: parts, target: .attentionOutput, patternName: container.string))
        } else {
          updates.append(
            Update(
              module: module, parts: parts, target: .weight, patternName: module.string,
              isAttentionInput: attentions.contains(module)))
        }
      }
    }
    return updates
  }

  /// The parameters that a module's wrappers belong to, the innermost first; nil if its weight is adapted as a whole.
  private mutating func parameterLeaves(
    of module: TensorName, _ wrappers: [Int: Parts]
  ) throws(AdapterError) -> [String]? {
    let candidates = nesting.candidates(of: module)
    var leaves = candidates.filter(\.namesModule).map(\.leaf)
    let others = candidates.filter { !$0.namesModule }.map(\.leaf)
    if !others.isEmpty, wrappers.count > max(leaves.count, 1) {
      leaves += others
    } else if leaves.isEmpty, let leaf = others.first {
      // A name without a module's may mean any module: only the tensors say whether it is this one.
      if !config.targetsModules {
        leaves = others
      } else if let outer = wrappers[0], let a = outer[.factorA] {
        let rank =
          try match(config.rankPattern, "rank_pattern", "\(module.string).\(leaf)")
          .map { config.rankPattern.values[$0] } ?? config.rank
        let rows = table.shape(at: a).first ?? 0
        if rows > rank, rows % rank == 0 { leaves = others }
      }
    }
    if leaves.isEmpty { return nil }
    do throws(AdapterError.Problem) {
      return try nesting.leaves(leaves, depths: Set(wrappers.keys))
    } catch { throw failure(error, at: wrappers.values.compactMap(\.first).min()) }
  }

  mutating func match<Value>(
    _ table: PatternTable<Value>, _ field: String, _ name: String
  ) throws(AdapterError) -> Int? {
    do throws(PatternProblem) {
      return try table.firstMatch(name, memory: &memories[field, default: PatternAutomaton.Memory()], budget: &budget)
    } catch { throw AdapterError(path: configPath, .patterns(field: field, error)) }
  }

  // MARK: One layer

  private mutating func layer(_ update: Update) throws(AdapterError) -> AdapterLayer {
    let rankIndex = try match(config.rankPattern, "rank_pattern", update.patternName)
    let alphaIndex = try match(config.alphaPattern, "alpha_pattern", update.patternName)
    if let rankIndex { usedRanks[rankIndex] = true }
    if let alphaIndex { usedAlphas[alphaIndex] = true }
    let alpha = alphaIndex.map { config.alphaPattern.values[$0] } ?? config.alpha

    let parts = update.parts
    let isEmbedding = parts.isEmbedding
    if isEmbedding, let other = parts[.factorA] ?? parts[.factorB] { throw failure(.embeddingAndLinear, at: other) }
    let a = try half(isEmbedding ? .embeddingA : .factorA, of: parts)
    let b = try half(isEmbedding ? .embeddingB : .factorB, of: parts)
    let areTransposed = try areTransposed(update, a, b)
    let (infoA, infoB) = (factor(a, areTransposed), factor(b, areTransposed))
    // What the config does not say the factors do, but for stacks of experts, whose number is not known either.
    var statedRank = rankIndex.map { config.rankPattern.values[$0] } ?? config.rank
    if rankIndex == nil, !config.omissions.hasRank, config.statedScaling == nil,
      let found = infoA.shape.dropFirst(infoA.shape.count == 3 && update.isNamedByParameter ? 1 : 0).first, found > 0
    {
      if update.target == .weight || infoA.shape.count == 3 { statedRank = found }
    }
    let rank = FactorShapes.Rank(value: statedRank, pattern: rankIndex.map { config.rankPattern.keys[$0] })
    let bias = try bias(
      of: update, isEmbedding: isEmbedding, scaling: config.scaling(rank: rank.value, alpha: alpha))
    let magnitude = try magnitude(of: update)
    var isParameter = false
    if case .parameter = update.target { isParameter = true }
    let diagonal = try diagonal(of: update)
    let blocks = try blockDiagonal(of: update, isEmbedding: isEmbedding)
    if isEmbedding, update.target != .weight { throw failure(.embeddingAndLinear, at: a) }
    let shapes =
      update.isNamedByParameter && infoA.shape.count == 3
      ? try FactorShapes(stackedA: infoA, b: infoB, rank: rank, path: path)
      : try FactorShapes(
        a: infoA, b: infoB, rank: rank, isEmbedding: isEmbedding, stacksExperts: isParameter, blocks: blocks,
        path: path)
    if areTransposed, shapes.kind != .linear || blocks != nil {
      throw failure(.shape(expected: "two dimensions", found: table.shape(at: a)), at: a)
    }
    if let bias { try shapes.checkVector(table[bias], isMagnitude: false) }
    if let magnitude { try shapes.checkVector(table[magnitude], isMagnitude: true) }
    if let diagonal { try shapes.checkDiagonal(table[diagonal], rank: rank) }
    if case .convolution = shapes.kind, blocks != nil || update.target != .weight || update.isAttentionInput {
      throw failure(.shape(expected: "two dimensions", found: table.shape(at: a)), at: a)
    }
    let decomposition = try decomposition(of: update, shapes.kind)
    return AdapterLayer(
      module: update.module.string, kind: shapes.kind, target: update.target, rank: rank.value, alpha: alpha,
      scaling: config.scaling(rank: rank.value, alpha: alpha), rankPattern: rank.pattern,
      alphaPattern: alphaIndex.map { config.alphaPattern.keys[$0] }, inFeatures: shapes.inFeatures,
      outFeatures: shapes.outFeatures, groups: shapes.groups, expertLayout: config.expertLayout ?? .rankMajor,
      factorStack: shapes.stack, areFactorsTransposed: areTransposed, isNamedByParameter: update.isNamedByParameter,
      blockDiagonal: blocks, a: a, b: b, bias: update.isAttentionInput ? nil : bias, magnitude: magnitude,
      diagonal: diagonal, decomposition: decomposition)
  }

  /// The index of a tensor that every layer of its kind has.
  private func half(_ role: AdapterKey.Role, of parts: Parts) throws(AdapterError) -> Int {
    if let index = parts[role] { return index }
    throw missing(role, of: parts)
  }

  private func missing(_ role: AdapterKey.Role, of parts: Parts) -> AdapterError {
    failure(.missingFactor(missing: parts.key.name(of: role)), at: parts.first)
  }

  private mutating func bias(of update: Update, isEmbedding: Bool, scaling: Double) throws(AdapterError) -> Int? {
    let parts = update.parts
    let bias = parts[.bias]
    let plainBias = parts[.plainBias]
    if let bias, let plainBias {
      throw failure(.biasTwice(other: table.name(at: plainBias).string), at: bias)
    }
    if config.hasLoraBias {
      if isEmbedding { throw failure(.impossible("lora_bias", of: "an embedding"), at: parts.first) }
      if case .parameter = update.target { throw failure(.impossible("lora_bias", of: "a parameter"), at: parts.first) }
    }
    guard let index = bias ?? plainBias else {
      if config.hasLoraBias { throw missing(.bias, of: parts) }
      return nil
    }
    // mergekit writes the change of a bias as it is: only where nothing scales it that is what PEFT would add.
    if !config.hasLoraBias, scaling != 1 { throw failure(.biasNotDeclared, at: index) }
    if !config.hasLoraBias { undeclaredBiases.append(index) }
    if update.isAttentionInput {
      ignored.append(
        IgnoredTensor(
          tensor: index,
          reason: "PEFT never applies the bias of lora_B in the input projection of a MultiheadAttention"))
    }
    return index
  }

  private func magnitude(of update: Update) throws(AdapterError) -> Int? {
    let index = update.parts[.magnitude]
    if !config.usesDora {
      if let index { throw failure(.magnitudeNotDeclared, at: index) }
      return nil
    }
    if update.target != .weight || update.isAttentionInput {
      var owner = "a MultiheadAttention"
      if case .parameter = update.target { owner = "a parameter" }
      throw failure(.impossible("use_dora", of: owner), at: update.parts.first)
    }
    if let index { return index }
    throw missing(.magnitude, of: update.parts)
  }

  /// KaSA's diagonal, which every layer of such an adapter has.
  private func diagonal(of update: Update) throws(AdapterError) -> Int? {
    let index = update.parts[.diagonal]
    if config.decomposition != .kasa {
      if let index { throw failure(.diagonalNotDeclared, at: index) }
      return nil
    }
    if let index { return index }
    throw missing(.diagonal, of: update.parts)
  }

  /// What the adapter's initialization took out of the weight of this module: of linear layers only.
  ///
  /// Source: PEFT 0.21.2: `Embedding.update_layer` does not look for "pissa" and "olora" and begins with zeros;
  /// `_ConvNd.update_layer` and the weight that a MultiheadAttention does not have stop it.
  private func decomposition(
    of update: Update, _ kind: AdapterLayer.Kind
  ) throws(AdapterError) -> Decomposition? {
    guard let change = config.decomposition else { return nil }
    let owner: String
    switch (update.target, kind) {
    case (.parameter, _): owner = "a parameter"
    case (.attentionOutput, _): owner = "a MultiheadAttention"
    case (.weight, _) where update.isAttentionInput: owner = "a MultiheadAttention"
    case (.weight, .linear): return change
    case (.weight, .embedding):
      if change != .kasa { return nil }
      owner = "an embedding"
    case (.weight, .convolution): owner = "a convolution"
    case (.weight, .experts): owner = "stacked experts"
    }
    throw failure(.decomposition(change, of: owner), at: update.parts.first)
  }

  /// Which factor of a module is block-diagonal.
  ///
  /// Source: PEFT 0.21.2 `BdLoraLinearVariant.init`.
  private func blockDiagonal(of update: Update, isEmbedding: Bool) throws(AdapterError) -> BlockDiagonal? {
    guard let rule = config.blockDiagonal else { return nil }
    if isEmbedding || update.target != .weight || update.isAttentionInput {
      throw failure(.impossible("use_bdlora", of: "anything but a linear layer"), at: update.parts.first)
    }
    let a = rule.modulesA.contains(where: update.module.string.containsBytes)
    let b = rule.modulesB.contains(where: update.module.string.containsBytes)
    if a, b { throw failure(.blocksInBoth, at: update.parts.first) }
    if !a, !b, rule.isStrict { throw failure(.blocksInNeither, at: update.parts.first) }
    return a || b ? BlockDiagonal(a: a, b: b, blocks: rule.blocks) : nil
  }
}
