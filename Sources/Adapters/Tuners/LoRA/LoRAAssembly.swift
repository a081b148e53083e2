import Safetensors

/// Makes updates of LoRA's factors and its config, every one complete.
struct LoRAAssembly {
  /// The tensors of one update.
  struct Parts {
    /// One of its keys, for the names of others.
    let key: AdapterKey
    var byRole: [FactorRole: Int] = [:]

    subscript(role: FactorRole) -> Int? { byRole[role] }
    var isEmbedding: Bool { byRole[.embeddingA] != nil || byRole[.embeddingB] != nil }
    var first: Int? { byRole.values.min() }
  }

  /// One update and what it belongs to.
  struct Update {
    let module: TensorName
    let parts: Parts
    let target: ModuleUpdate.Target
    /// The path that patterns are matched against.
    let patternName: String
    /// Whether this is the input projection of a MultiheadAttention.
    var isAttentionInput = false
    /// Whether the keys name a parameter that stacks experts.
    var isNamedByParameter = false
  }

  let lora: LoRA
  let tensors: AdapterTensors
  private let nesting: ParameterNesting
  private var lookup: RankLookup
  var parts: [TensorName: [Int: Parts]] = [:]
  var transposedFactors: Set<Int> = []
  private var undeclaredBiases: [Int] = []
  var result = ModuleUpdates()

  var table: TensorTable { tensors.table }
  private var config: AdapterConfig { tensors.config }

  init(_ lora: LoRA, _ tensors: AdapterTensors) {
    self.lora = lora
    self.tensors = tensors
    nesting = ParameterNesting(tensors.config.targetParameters)
    lookup = RankLookup(lora.ranks, configPath: tensors.configPath)
  }

  mutating func assemble() throws(AdapterError) -> ModuleUpdates {
    try collect()
    dropEmptyPairs()
    try handOutSharedFactors()
    for update in try updates() { result.updates.append(try layer(update)) }
    if let first = undeclaredBiases.first {
      result.warnings.append(
        "\(tensors.path): \(undeclaredBiases.count) modules have a bias of lora_B although \"lora_bias\" is not true, such "
          + "as \(table.name(at: first)); they are added, unscaled as their factors are")
    }
    result.unusedPatterns = lookup.unusedPatterns
    return result
  }

  func failure(_ problem: AdapterError.Problem, at index: Int?) -> AdapterError { tensors.failure(problem, at: index) }

  private mutating func collect() throws(AdapterError) {
    for (index, key) in tensors.keys.keys.enumerated() {
      guard case .factor(let role) = key.role else { continue }
      if let variant = LoRAVariant.training(role) {
        guard lora.variants.contains(variant) else { throw failure(.variantNotDeclared(variant.field), at: index) }
        result.ignored.append(
          IgnoredTensor(tensor: index, reason: "\(variant.title) uses it in training only; PEFT's merge does not"))
        continue
      }
      var found = parts[key.module, default: [:]][key.depth] ?? Parts(key: key)
      // The same module inside a wrapped one and outside.
      if !found.key.path.utf8.elementsEqual(key.path.utf8), let other = found.first {
        throw failure(.sameMeaning(other: table.name(at: other).string), at: index)
      }
      found.byRole[role] = index
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
      } else if let outer = wrappers[0], let a = outer[.loraA] {
        let rank = try lookup.rank(of: "\(module.string).\(leaf)")
        let rows = table.shape(at: a).first ?? 0
        if rows > rank, rows % rank == 0 { leaves = others }
      }
    }
    if leaves.isEmpty { return nil }
    do throws(AdapterError.Problem) {
      return try nesting.leaves(leaves, depths: Set(wrappers.keys))
    } catch { throw failure(error, at: wrappers.values.compactMap(\.first).min()) }
  }

  /// The rank that the config gives to a module.
  mutating func statedRank(of name: String) throws(AdapterError) -> Int { try lookup.rank(of: name) }

  // MARK: One layer

  private mutating func layer(_ update: Update) throws(AdapterError) -> ModuleUpdate {
    let strength = try lookup.strength(of: update.patternName)
    let parts = update.parts
    let isEmbedding = parts.isEmbedding
    if isEmbedding, let other = parts[.loraA] ?? parts[.loraB] { throw failure(.embeddingAndLinear, at: other) }
    let a = try half(isEmbedding ? .embeddingA : .loraA, of: parts)
    let b = try half(isEmbedding ? .embeddingB : .loraB, of: parts)
    // Of stacks MLX stores the factors as they are.
    let areMLX = try areTransposed(update, a, b)
    let isMLXStack = areMLX && table.shape(at: b).count == 3
    let areTransposed = areMLX && !isMLXStack
    let isMLXEmbedding =
      areTransposed && update.target == .weight && EmbeddingNames.isEmbedding("\(update.module.string).weight")
    let infoA = isMLXStack ? try stackedA(a, experts: table.shape(at: b)[0]) : factor(a, areTransposed)
    let infoB = factor(b, areTransposed)
    // What the config does not say the factors do, but for stacks of experts, whose number is not known either.
    var statedRank = strength.rank
    if strength.rankPattern == nil, !config.omissions.hasRank, lora.statedScaling == nil,
      let found = infoA.shape.dropFirst(infoA.shape.count == 3 && update.isNamedByParameter ? 1 : 0).first, found > 0
    {
      if update.target == .weight || infoA.shape.count == 3 { statedRank = found }
    }
    let rank = FactorShapes.Rank(value: statedRank, pattern: strength.rankPattern)
    let scaling = lora.scaling(rank: rank.value, alpha: strength.alpha)
    let bias = try bias(of: update, isEmbedding: isEmbedding, scaling: scaling)
    let magnitude = try magnitude(of: update)
    var isParameter = false
    if case .parameter = update.target { isParameter = true }
    let diagonal = try diagonal(of: update)
    let blocks = try blockDiagonal(of: update, isEmbedding: isEmbedding)
    if isEmbedding, update.target != .weight { throw failure(.embeddingAndLinear, at: a) }
    let shapes =
      (update.isNamedByParameter || isMLXStack) && infoA.shape.count == 3
      ? try FactorShapes(stackedA: infoA, b: infoB, rank: rank, path: tensors.path)
      : try FactorShapes(
        a: infoA, b: infoB, rank: rank, isEmbedding: isEmbedding || isMLXEmbedding, stacksExperts: isParameter,
        blocks: blocks, path: tensors.path)
    if areTransposed, (shapes.kind != .linear && !isMLXEmbedding) || blocks != nil {
      throw failure(.shape(expected: "two dimensions", found: table.shape(at: a)), at: a)
    }
    if let bias { try shapes.checkVector(table[bias], isMagnitude: false) }
    if let magnitude {
      if isMLXStack { throw failure(.impossible("fine_tune_type", of: "a stack of experts"), at: magnitude) }
      try shapes.checkVector(table[magnitude], isMagnitude: true, areOfColumns: isMLXEmbedding)
    }
    if let diagonal { try shapes.checkDiagonal(table[diagonal], rank: rank) }
    if case .convolution = shapes.kind, blocks != nil || update.target != .weight || update.isAttentionInput {
      throw failure(.shape(expected: "two dimensions", found: table.shape(at: a)), at: a)
    }
    let decomposition = try decomposition(of: update, shapes.kind)
    let factors = LoRAFactors(
      a: a, b: b, rank: rank.value, shapes: shapes, areTransposed: areTransposed, blocks: blocks, diagonal: diagonal,
      magnitude: magnitude, expertLayout: lora.expertLayout ?? .rankMajor,
      decomposition: decomposition.map { DecompositionStep(change: $0, rank: rank.value, scaling: Float(scaling)) })
    let usedBias = update.isAttentionInput ? nil : bias
    var made = ModuleUpdate(
      module: update.module.string, layout: factors.layout, outFeatures: shapes.outFeatures,
      inFeatures: shapes.inFeatures, outWitness: ModuleUpdate.Witness(b, "B"), inWitness: ModuleUpdate.Witness(a, "A"),
      steps: factors.steps, tensorIndices: [a, b] + [usedBias, magnitude, diagonal].compactMap { $0 })
    made.target = update.target
    made.bias = usedBias.map { index in
      let values = Factor.rowMajor(index, rows: 1, columns: shapes.outFeatures)
      let term = Term(rows: 0..<1, columns: 0..<shapes.outFeatures, .matrix(values), scaling: 1)
      return ModuleUpdate.Bias(
        [.add(Addition([term]))], count: shapes.outFeatures, witness: ModuleUpdate.Witness(index, "lora_bias"),
        isRequired: true)
    }
    made.roundsDelta = roundsDelta(update, shapes.kind, magnitude: magnitude)
    (made.rank, made.alpha, made.scaling) = (rank.value, strength.alpha, scaling)
    (made.rankPattern, made.alphaPattern) = (strength.rankPattern, strength.alphaPattern)
    if case .experts(let count, .some) = made.layout, lora.expertLayout == nil, rank.value > 1, count > 1,
      lora.isFromUnsloth || update.isNamedByParameter
    {
      result.isExpertLayoutAmbiguous = true
    }
    return made
  }

  /// Whether PEFT rounds the delta before it adds it.
  ///
  /// Source: PEFT 0.21.2, by comparing bits. BD-LoRA and MiCA are variants of the whole adapter: modules that BD-LoRA's
  /// lists do not name are merged by it too.
  private func roundsDelta(_ update: Update, _ kind: FactorShapes.Kind, magnitude: Int?) -> Bool {
    if magnitude != nil { return false }
    if case .parameter = update.target { return true }
    if lora.blockDiagonal != nil || lora.decomposition == .kasa || lora.initialization == .named("mica") { return true }
    switch kind {
    case .embedding, .experts: return true
    case .linear, .convolution: return false
    }
  }

  /// The index of a tensor that every layer of its kind has.
  private func half(_ role: FactorRole, of parts: Parts) throws(AdapterError) -> Int {
    if let index = parts[role] { return index }
    throw missing(role, of: parts)
  }

  private func missing(_ role: FactorRole, of parts: Parts) -> AdapterError {
    failure(.missingFactor(missing: parts.key.name(of: .factor(role))), at: parts.first)
  }

  private mutating func bias(of update: Update, isEmbedding: Bool, scaling: Double) throws(AdapterError) -> Int? {
    let parts = update.parts
    let bias = parts[.loraBias]
    let plainBias = parts[.plainBias]
    if let bias, let plainBias {
      throw failure(.biasTwice(other: table.name(at: plainBias).string), at: bias)
    }
    if lora.hasLoraBias {
      if isEmbedding { throw failure(.impossible("lora_bias", of: "an embedding"), at: parts.first) }
      if case .parameter = update.target { throw failure(.impossible("lora_bias", of: "a parameter"), at: parts.first) }
    }
    guard let index = bias ?? plainBias else {
      if lora.hasLoraBias { throw missing(.loraBias, of: parts) }
      return nil
    }
    // mergekit writes the change of a bias as it is: only where nothing scales it that is what PEFT would add.
    if !lora.hasLoraBias, scaling != 1 { throw failure(.biasNotDeclared, at: index) }
    if !lora.hasLoraBias { undeclaredBiases.append(index) }
    if update.isAttentionInput {
      result.ignored.append(
        IgnoredTensor(
          tensor: index,
          reason: "PEFT never applies the bias of lora_B in the input projection of a MultiheadAttention"))
    }
    return index
  }

  private func magnitude(of update: Update) throws(AdapterError) -> Int? {
    let index = update.parts[.magnitude]
    if !lora.usesDora {
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
    if lora.decomposition != .kasa {
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
    of update: Update, _ kind: FactorShapes.Kind
  ) throws(AdapterError) -> Decomposition? {
    guard let change = lora.decomposition else { return nil }
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
}
