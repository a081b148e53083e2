import Safetensors

/// Makes layers of an adapter's tensors and its config: every tensor in one layer, every layer complete.
struct LayerAssembly {
  private struct Parts {
    var byRole: [AdapterKey.Role: Int] = [:]
  }

  private let table: TensorTable
  private let config: AdapterConfig
  /// The weights file and the config, for errors.
  private let path: String
  private let configPath: String
  private var budget: MatchBudget

  /// The layers in the order of their modules' bytes.
  private(set) var layers: [AdapterLayer] = []
  /// Patterns that decided no layer.
  private(set) var unusedPatterns: [UnusedPattern] = []

  /// - Parameter budget: What matching patterns against modules may cost.
  init(
    table: TensorTable, config: AdapterConfig, path: String, configPath: String, budget: MatchBudget = MatchBudget()
  ) throws(AdapterError) {
    self.table = table
    self.config = config
    self.path = path
    self.configPath = configPath
    self.budget = budget
    let modules = try modules()
    if modules.isEmpty { throw AdapterError(path: path, .noLayers) }
    var usedRanks = [Bool](repeating: false, count: config.rankPattern.keys.count)
    var usedAlphas = [Bool](repeating: false, count: config.alphaPattern.keys.count)
    for (module, parts) in modules.sorted(by: { $0.key < $1.key }) {
      let rank = try match(config.rankPattern, "rank_pattern", module)
      let alpha = try match(config.alphaPattern, "alpha_pattern", module)
      if let rank { usedRanks[rank] = true }
      if let alpha { usedAlphas[alpha] = true }
      layers.append(try layer(module, parts, rankIndex: rank, alphaIndex: alpha))
    }
    unusedPatterns =
      zip(usedRanks, config.rankPattern.keys).filter { !$0.0 }.map { UnusedPattern(field: "rank_pattern", key: $0.1) }
      + zip(usedAlphas, config.alphaPattern.keys).filter { !$0.0 }
      .map { UnusedPattern(field: "alpha_pattern", key: $0.1) }
  }

  private func modules() throws(AdapterError) -> [TensorName: Parts] {
    var modules: [TensorName: Parts] = [:]
    for index in table.indices {
      let name = table.name(at: index)
      do throws(AdapterError.Problem) {
        let key = try AdapterKey(name)
        modules[key.module, default: Parts()].byRole[key.role] = index
      } catch { throw AdapterError(path: path, error, tensor: name) }
    }
    return modules
  }

  private mutating func match<Value>(
    _ table: PatternTable<Value>, _ field: String, _ module: TensorName
  ) throws(AdapterError) -> Int? {
    do throws(PatternProblem) {
      return try table.firstMatch(module.string, budget: &budget)
    } catch { throw AdapterError(path: configPath, .patterns(field: field, error)) }
  }

  private func layer(
    _ module: TensorName, _ parts: Parts, rankIndex: Int?, alphaIndex: Int?
  ) throws(AdapterError) -> AdapterLayer {
    let a = try half(.factorA, of: module, parts)
    let b = try half(.factorB, of: module, parts)
    let bias = try bias(of: module, parts)
    let rank = rankIndex.map { config.rankPattern.values[$0] } ?? config.rank
    let alpha = alphaIndex.map { config.alphaPattern.values[$0] } ?? config.alpha
    let rankPattern = rankIndex.map { config.rankPattern.keys[$0] }
    let factors = try FactorShapes(
      a: table[a], b: table[b], bias: bias.map { table[$0] }, rank: rank, rankPattern: rankPattern, path: path)
    return AdapterLayer(
      module: module.string, kind: .linear, rank: rank, alpha: alpha,
      scaling: config.scaling(rank: rank, alpha: alpha), rankPattern: rankPattern,
      alphaPattern: alphaIndex.map { config.alphaPattern.keys[$0] }, inFeatures: factors.inFeatures,
      outFeatures: factors.outFeatures, a: a, b: b, bias: bias)
  }

  /// The index of a tensor that every layer has.
  private func half(_ role: AdapterKey.Role, of module: TensorName, _ parts: Parts) throws(AdapterError) -> Int {
    if let index = parts.byRole[role] { return index }
    throw missing(role, of: module, parts)
  }

  private func missing(_ role: AdapterKey.Role, of module: TensorName, _ parts: Parts) -> AdapterError {
    let present = parts.byRole.values.min().map { table.name(at: $0) }
    return AdapterError(
      path: path, .missingHalf(missing: AdapterKey(module: module, role: role).name), tensor: present)
  }

  private func bias(of module: TensorName, _ parts: Parts) throws(AdapterError) -> Int? {
    let bias = parts.byRole[.bias]
    let plainBias = parts.byRole[.plainBias]
    if let bias, let plainBias {
      throw AdapterError(
        path: path, .biasTwice(other: table.name(at: plainBias).string), tensor: table.name(at: bias))
    }
    guard let index = bias ?? plainBias else {
      if config.hasLoraBias { throw missing(.bias, of: module, parts) }
      return nil
    }
    if !config.hasLoraBias { throw AdapterError(path: path, .biasNotDeclared, tensor: table.name(at: index)) }
    return index
  }
}
