import Adapters
import LinearAlgebra
import MergeEngine
import MergePlanning
import Safetensors

/// Which factors of which adapters make up each module of the combined adapter, found from headers alone.
struct CombinationLayout {
  /// One adapter's part of a module.
  struct Part: Sendable {
    /// The place of the adapter in the request.
    let adapter: Int
    let update: ModuleUpdate
    /// w, which multiplies the scaling.
    let weight: Double
    let rank: Int
    /// s.
    let scaling: Double

    /// Where A and B are in the adapter's tensor table.
    var a: Int { update.inWitness.tensor }
    var b: Int { update.outWitness.tensor }
  }

  struct Module: Sendable {
    /// The factors' names in the combined file.
    let nameA: String
    let nameB: String
    let shapeA: [Int]
    let shapeB: [Int]
    let rank: Int
    /// What its rank is looked up by in the config.
    let patternName: String
    /// In the order of the request; at least one.
    let parts: [Part]
    /// Places in ``CombinationLayout/modules`` of embeddings that the module may be tied to.
    fileprivate(set) var embeddings: [Int] = []
  }

  /// A tensor that the combined adapter takes over from one of the adapters.
  struct Copy: Sendable {
    let name: String
    let adapter: Int
    let tensor: Int
  }

  let method: CombinationMethod
  let uses: [AdapterUse]
  /// In the order of the modules' bytes.
  private(set) var modules: [Module] = []
  private(set) var copies: [Copy] = []

  /// Whether a module that ``CombinationMethod/concatenation`` makes has the sum of all adapters' ranks, with zeros where an
  /// adapter has no factors for it or fewer; else the sum of its own.
  private let padsRanks: Bool

  /// - Parameter padsRanks: Whether ``CombinationMethod/concatenation`` makes all modules of one rank, as PEFT does.
  init(_ uses: [AdapterUse], method: CombinationMethod, padsRanks: Bool = true) throws(CombinationError) {
    self.uses = uses
    self.method = method
    self.padsRanks = padsRanks
    var parts: [TensorName: [Part]] = [:]
    for (number, use) in uses.enumerated() {
      try check(use.adapter)
      for update in use.adapter.updates {
        let part = try part(update, number)
        parts[TensorName(update.module), default: []].append(part)
      }
    }
    for (_, parts) in parts.sorted(by: { $0.key < $1.key }) { modules.append(try module(parts)) }
    if uses.contains(where: \.adapter.config.tiesWeights) {
      for place in modules.indices { modules[place].embeddings = embeddings(of: modules[place]) }
    }
    try collectCopies()
  }

  /// The embeddings whose factors a module has exchanged, by their shapes: adapters that tie both (`ensure_weight_tying`) have
  /// equal factors, and a merge requires that those of the combined adapter are equal too.
  private func embeddings(of module: Module) -> [Int] {
    guard case .linear = module.parts[0].update.layout else { return [] }
    return modules.indices.filter { place in
      let other = modules[place]
      guard case .embedding = other.parts[0].update.layout, other.parts.count == module.parts.count else {
        return false
      }
      return module.shapeA == other.shapeB.reversed() && module.shapeB == other.shapeA.reversed()
        && zip(module.parts, other.parts).allSatisfy { part, another in
          part.adapter == another.adapter && part.rank == another.rank && part.scaling == another.scaling
            && uses[part.adapter].adapter.config.tiesWeights
        }
    }
  }

  private func error(_ adapter: Adapter, _ tensor: Int?, _ problem: CombinationError.Problem) -> CombinationError {
    CombinationError(
      path: tensor == nil ? adapter.configPath : adapter.weightsPath,
      tensor: tensor.map { adapter.header.tensors.name(at: $0).string }, method, problem)
  }

  // MARK: - What cannot be combined

  private func check(_ adapter: Adapter) throws(CombinationError) {
    let config = adapter.config
    func refuse(_ what: String) -> CombinationError { error(adapter, nil, .unsupported(what)) }
    guard let lora = config.lora else {
      throw refuse(
        config.methodName + (config.peftType.map { " (\"peft_type\": \"\($0)\")" } ?? " in a file without a config"))
    }
    if !config.targetParameters.isEmpty { throw refuse("\"target_parameters\"") }
    if let change = lora.decomposition { throw error(adapter, nil, .decomposition(change)) }
    if lora.usesDora { throw refuse("DoRA (\"use_dora\")") }
    if lora.hasLoraBias { throw refuse("\"lora_bias\"") }
    if lora.blockDiagonal != nil { throw refuse("BD-LoRA (\"use_bdlora\")") }
    if config.layerReplication != nil { throw refuse("\"layer_replication\"") }
    if config.bias != .none { throw refuse("trained biases (\"bias\": \"\(config.bias.rawValue)\")") }
    if config.trainableTokenIndices != nil { throw refuse("\"trainable_token_indices\"") }
  }

  private func part(_ update: ModuleUpdate, _ number: Int) throws(CombinationError) -> Part {
    let adapter = uses[number].adapter
    let part = Part(
      adapter: number, update: update, weight: uses[number].weight, rank: update.rank ?? 1,
      scaling: update.scaling ?? 1)
    if case .parameter(let leaf) = update.target {
      throw error(adapter, part.a, .unsupported("the parameter \(update.module).\(leaf)"))
    }
    if update.bias != nil { throw error(adapter, part.a, .unsupported("a bias of lora_B")) }
    if update.hasTransposedFactors {
      throw error(adapter, part.a, .unsupported("a factor that is stored transposed"))
    }
    if adapter.config.lora?.statedScaling != nil {
      throw error(adapter, part.a, .unsupported("a scaling that the config states itself"))
    }
    for index in [part.a, part.b] {
      let dtype = adapter.header.tensors.dtype(at: index)
      if dtype.elementType == nil { throw error(adapter, index, .unsupported("a factor of \(dtype.name)")) }
      let shape = adapter.header.tensors.shape(at: index)
      if shape.count == 3, update.layout == .linear {
        throw error(adapter, index, .unsupported("a factor that several experts share"))
      }
      guard shape.reduce(1, &*) < TorchTopK.limit else { throw error(adapter, index, .tooLarge(shape)) }
    }
    return part
  }

  // MARK: - Modules

  private func module(_ parts: [Part]) throws(CombinationError) -> Module {
    let first = parts[0]
    let adapter = uses[first.adapter].adapter
    let isSum = method == .concatenation
    let mayDiffer = isSum || method.needsDecompositions
    let ranks = parts.map(\.rank)
    if !mayDiffer, let other = parts.first(where: { $0.rank != ranks[0] }) {
      throw CombinationError(
        path: uses[other.adapter].adapter.weightsPath, tensor: other.update.module, method, .ranks(ranks))
    }
    for part in parts.dropFirst() {
      let other = uses[part.adapter].adapter
      guard part.update.layout == first.update.layout, part.update.target == first.update.target else {
        throw error(other, part.a, .kinds(other: adapter.path))
      }
      for (index, firstIndex, axis) in [(part.a, first.a, 0), (part.b, first.b, 1)] {
        var (shape, expected) = (other.header.tensors.shape(at: index), adapter.header.tensors.shape(at: firstIndex))
        let found = (shape, expected)
        if mayDiffer { (shape[axis], expected[axis]) = (0, 0) }
        guard shape == expected else { throw error(other, index, .shapes(found.0, other: adapter.path, found.1)) }
      }
    }
    var rank = !isSum ? ranks[0] : padsRanks ? concatenatedRank : ranks.reduce(0, +)
    if case .svd(_, let wanted, let clamp) = method {
      rank = wanted ?? largestRank
      try checkDecomposition(of: parts, rank: rank, clamps: clamp != nil)
    }
    var (shapeA, shapeB) = (
      adapter.header.tensors.shape(at: first.a), adapter.header.tensors.shape(at: first.b)
    )
    if mayDiffer { (shapeA[0], shapeB[1]) = (rank, rank) }
    if mayDiffer, case .convolution(_, let groups) = first.update.layout, groups > 1 {
      throw error(adapter, first.b, .unsupported("a grouped convolution"))
    }
    let names = Self.names(first.update)
    return Module(
      nameA: names.a, nameB: names.b, shapeA: shapeA, shapeB: shapeB, rank: rank, patternName: names.pattern,
      parts: parts)
  }

  /// The rank of every module that `cat` makes: unused rows and columns are 0.
  private var concatenatedRank: Int {
    uses.reduce(0) { $0 + $1.adapter.largestRank }
  }

  /// The largest rank that an adapter's configuration has.
  private var largestRank: Int {
    uses.map(\.adapter.largestRank).reduce(0, max)
  }

  /// Refuses a module whose updates cannot be made into a matrix and decomposed.
  private func checkDecomposition(of parts: [Part], rank: Int, clamps: Bool) throws(CombinationError) {
    let first = parts[0]
    let adapter = uses[first.adapter].adapter
    if case .convolution(let kernel, _) = first.update.layout, kernel.count != 2 {
      let what = "a convolution of \(kernel.count) dimensions (PEFT 0.21.2 fails there)"
      throw error(adapter, first.a, .unsupported(what))
    }
    let (rows, columns) = (first.update.outFeatures ?? 0, first.update.inFeatures ?? 0)
    guard LinearAlgebra.isAddressable(rows: rows, columns: columns) else {
      throw error(adapter, first.a, .tooLarge([rows, columns]))
    }
    guard rank <= min(rows, columns) else {
      throw error(adapter, first.a, .rankTooLarge(rank, rows: rows, columns: columns))
    }
    let count = rank * (rows + columns)
    guard !clamps || count <= CombinationDecomposition.quantileLimit else {
      throw error(adapter, first.a, .tooManyToClamp(count))
    }
  }

  private static func names(_ update: ModuleUpdate) -> (a: String, b: String, pattern: String) {
    var (path, pattern) = (update.module, update.module)
    // A MultiheadAttention is wrapped as a whole: its output projection is inside of the wrapper.
    if update.target == .attentionOutput {
      let container = update.module.split(separator: ".", omittingEmptySubsequences: false).dropLast()
      pattern = container.joined(separator: ".")
      path = pattern + ".base_layer.out_proj"
    }
    return update.layout == .embedding
      ? ("\(PEFTLayout.prefix)\(path).lora_embedding_A", "\(PEFTLayout.prefix)\(path).lora_embedding_B", pattern)
      : ("\(PEFTLayout.prefix)\(path).lora_A.weight", "\(PEFTLayout.prefix)\(path).lora_B.weight", pattern)
  }

  // MARK: - Whole tensors

  /// Tensors that one adapter replaces are replaced by the combined adapter; PEFT leaves the base's.
  private mutating func collectCopies() throws(CombinationError) {
    var seen: [TensorName: (adapter: Int, tensor: Int)] = [:]
    for (number, use) in uses.enumerated() {
      for replacement in use.adapter.replacements {
        let isBaseLayer = replacement.kind == .baseLayer
        if !isBaseLayer, use.weight != 1 {
          throw error(use.adapter, replacement.tensor, .weightedReplacement(use.weight))
        }
        if let other = seen[TensorName(replacement.target)] {
          let isSame = try isSame(number, replacement.tensor, as: other)
          guard isBaseLayer, isSame else {
            throw error(
              use.adapter, replacement.tensor, .replacedTwice(other: uses[other.adapter].adapter.path))
          }
          continue
        }
        seen[TensorName(replacement.target)] = (number, replacement.tensor)
        var name = replacement.target
        if isBaseLayer, let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) {
          name = String(Substring(name.utf8[..<dot])) + ".base_layer" + String(Substring(name.utf8[dot...]))
        }
        copies.append(Copy(name: PEFTLayout.prefix + name, adapter: number, tensor: replacement.tensor))
      }
    }
  }

  private func isSame(
    _ adapter: Int, _ tensor: Int, as other: (adapter: Int, tensor: Int)
  ) throws(CombinationError) -> Bool {
    let (one, another) = (uses[adapter].adapter, uses[other.adapter].adapter)
    let (info, otherInfo) = (one.header.tensors[tensor], another.header.tensors[other.tensor])
    guard info.dtype == otherInfo.dtype, info.shape == otherInfo.shape else { return false }
    return try FactorFile(one, method).isEqual(info, to: otherInfo, in: try FactorFile(another, method))
  }
}

extension Adapter {
  /// The largest rank that the configuration gives to a module.
  fileprivate var largestRank: Int {
    guard let ranks = config.lora?.ranks else { return 0 }
    return (ranks.rankPattern.values + [ranks.rank]).reduce(0, max)
  }
}

extension ModuleUpdate {
  /// Whether the factors are stored with rows and columns exchanged, as MLX writes them.
  fileprivate var hasTransposedFactors: Bool {
    steps.flatMap(\.terms).contains { term in
      if case .product(let left, _, _) = term.formula { left.columns > 1 && left.columnStride != 1 } else { false }
    }
  }
}
