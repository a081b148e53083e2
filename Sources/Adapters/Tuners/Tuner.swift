import Safetensors

/// One kind of adapter: all that it has of its own is in its file or folder, and a line in ``Tuners/all`` makes it known.
protocol Tuner: Sendable {
  /// `peft_type` in adapter_config.json.
  static var peftType: String { get }
  /// What texts call it.
  static var name: String { get }
  /// Its fields of adapter_config.json beside ``ConfigField/common``: used, ignored because, or refused unless.
  static var fields: [ConfigField] { get }
  /// How the keys of its tensors end.
  static var endings: [KeyEnding] { get }
  /// The tensors that all its modules share.
  static var shared: [FactorRole] { get }
  /// The tensors that groups of its modules share: behind each of these names stands a number.
  static var numbered: [FactorRole] { get }
  /// Whether it makes updates of modules; if not, all that it has replaces something of the base.
  static var hasUpdates: Bool { get }
  /// The value of `bias` with which the biases of the adapted modules were trained.
  static var ownBiases: String { get }
  /// The rows of embeddings that were trained; nil: none were.
  var tokens: AdapterConfig.TokenIndices? { get }

  /// Reads and checks its fields.
  ///
  /// - Throws: A field with another type, or a combination that cannot be.
  init(_ reader: ConfigReader) throws(AdapterError)

  /// Makes the updates of all modules from names and shapes alone. Every tensor with one of ``endings`` is used or ignored
  /// with a reason.
  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates

  /// The field of the config by which this tensor of the runtime model must be replaced or changed; nil: no field.
  func field(replacing tensor: String) -> String?
}

extension Tuner {
  static var shared: [FactorRole] { [] }
  static var numbered: [FactorRole] { [] }
  static var hasUpdates: Bool { true }
  static var ownBiases: String { AdapterConfig.Bias.loraOnly.rawValue }
  var tokens: AdapterConfig.TokenIndices? { nil }
  func field(replacing tensor: String) -> String? { nil }
}

/// A tuner whose modules have nothing to do with each other.
protocol ModuleTuner: Tuner {
  /// What the tensors of one module do.
  func update(_ module: ModuleTensors) throws(AdapterError) -> ModuleUpdate
}

/// A tuner whose modules have a rank and an alpha each, and nothing to do with each other.
protocol RankedTuner: Tuner {
  var ranks: RankSettings { get }

  /// What the tensors of one module do.
  ///
  /// - Parameter strength: Its rank and alpha, by the patterns too.
  func update(_ module: ModuleTensors, _ strength: ModuleStrength) throws(AdapterError) -> ModuleUpdate
}

extension ModuleTuner {
  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    var result = ModuleUpdates()
    for module in try ModuleTensors.all(tensors) { result.updates.append(try update(module)) }
    return result
  }
}

extension RankedTuner {
  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    var lookup = RankLookup(ranks, configPath: tensors.configPath)
    var result = ModuleUpdates()
    for module in try ModuleTensors.all(tensors) {
      let strength = try lookup.strength(of: module.name.string)
      var made = try update(module, strength)
      (made.rank, made.alpha) = (strength.rank, ranks.hasAlpha ? strength.alpha : nil)
      (made.rankPattern, made.alphaPattern) = (strength.rankPattern, strength.alphaPattern)
      result.updates.append(made)
    }
    result.unusedPatterns = lookup.unusedPatterns
    return result
  }
}
