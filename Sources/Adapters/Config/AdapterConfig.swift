import JSONText

/// What adapter_config.json says, as far as a merge needs it; everything else in it is known to change nothing.
public struct AdapterConfig: Sendable {
  /// Which biases of the base were trained.
  public enum Bias: String, Sendable {
    case none
    /// Every bias of the model.
    case all
    /// Those of the adapted layers.
    case loraOnly = "lora_only"
  }

  /// How the factors began.
  public enum Initialization: Equatable, Sendable {
    /// PEFT's default, or nothing special.
    case plain
    /// "gaussian", "orthogonal", "eva" or "mica", which leave the base as it is, or one of those of
    /// ``AdapterConfig/decomposition``. PEFT merges "mica" with a rounding more.
    case named(String)
  }

  /// `trainable_token_indices`.
  public enum TokenIndices: Equatable, Sendable {
    /// Of the input embedding.
    case inputEmbedding([Int])
    /// Of the module whose path ends with each name, in the order of the file.
    case modules([(name: String, indices: [Int])])

    public static func == (left: Self, right: Self) -> Bool {
      switch (left, right) {
      case (.inputEmbedding(let one), .inputEmbedding(let other)): one == other
      case (.modules(let one), .modules(let other)): one.elementsEqual(other, by: ==)
      default: false
      }
    }
  }

  /// `use_bdlora`.
  public struct BlockDiagonalRule: Equatable, Sendable {
    /// A is block-diagonal in every module whose path contains one of these.
    public let modulesA: [String]
    /// B is, likewise.
    public let modulesB: [String]
    public let blocks: Int
    /// Whether every module must be in one of the lists.
    public let isStrict: Bool
  }

  /// `r`: the rank of every module that ``rankPattern`` does not name. PEFT's default is 8; where `statesRank` is false
  /// the factors decide.
  public let rank: Int
  /// `lora_alpha`, for every module that ``alphaPattern`` does not name; may be zero or negative. PEFT's default is 8.
  public let alpha: Double
  /// `use_rslora`: whether the scaling is alpha / sqrt(r) and not alpha / r.
  public let usesRankStabilizedScaling: Bool
  /// `rank_pattern`: ranks by module.
  public let rankPattern: PatternTable<Int>
  /// `alpha_pattern`: alphas by module.
  public let alphaPattern: PatternTable<Double>
  /// `use_dora`: whether every layer has magnitudes.
  public let usesDora: Bool
  /// `lora_bias`: whether every lora_B has a bias, to be added to the base's bias times the scaling.
  public let hasLoraBias: Bool
  /// `bias`: which biases of the base were trained.
  public let bias: Bias
  /// `modules_to_save`: names with which the paths of the modules end that were trained whole.
  public let savedModules: [String]
  /// `target_parameters`: ends of the paths of parameters that have updates of their own.
  public let targetParameters: [String]
  /// `lora_B_layout`, which Unsloth writes since 2026-09-17; nil: the config does not say.
  public let expertLayout: ExpertLayout?
  /// `trainable_token_indices`: which rows of embeddings were trained.
  public let trainableTokenIndices: TokenIndices?
  /// `layer_replication`: the base's layers that the model's layers were made of, one range after the other.
  public let layerReplication: [Range<Int>]?
  /// `fan_in_fan_out`: whether weights are stored as (in, out). PEFT saves what held for the last layer it visited: only
  /// where shapes leave it open may this decide.
  public let fanInFanOut: Bool
  /// `ensure_weight_tying`: whether updates and whole modules of tied layers were kept equal.
  public let tiesWeights: Bool
  /// `use_bdlora`: which factors are block-diagonal.
  public let blockDiagonal: BlockDiagonalRule?
  /// `init_lora_weights`: how the factors began.
  public let initialization: Initialization
  /// What was taken out of the weights of linear layers before training, by ``initialization`` or `kasa_config`; nil:
  /// nothing.
  public let decomposition: Decomposition?
  /// `task_type`, such as "CAUSAL_LM" or "SEQ_CLS".
  public let taskType: String?
  /// `peft_version`; PEFT writes it since 0.18.0.
  public let peftVersion: String?
  /// `base_model_name_or_path`: what the adapter was trained on, for comparison only; never opened.
  public let baseModelName: String?
  /// `revision`: the version of the base model on the hub.
  public let revision: String?
  /// Whether Unsloth wrote the adapter, as far as the config tells.
  public let isFromUnsloth: Bool

  /// The factor of every layer's update, where the config states it instead of alpha; nil: alpha and rank make it.
  public let statedScaling: Double?

  /// What the config does not say, or says unusually: see ``ConfigOmissions``.
  let omissions: ConfigOmissions
  /// Whether `target_modules` asks for layers.
  let targetsModules: Bool
  /// The variants whose training tensors may be in the file.
  let variants: Set<AdapterKey.Variant>

  /// The factor of a layer's update: alpha / r, or alpha / sqrt(r) with rank-stabilised scaling, in double.
  ///
  /// Source: PEFT 0.21.2 `LoraLayer.update_layer`; Kalajdzievski, rsLoRA, arXiv:2312.03732.
  ///
  /// - Parameters:
  ///   - rank: At least 1.
  ///   - alpha: Finite.
  public func scaling(rank: Int, alpha: Double) -> Double {
    statedScaling ?? (usesRankStabilizedScaling ? alpha / Double(rank).squareRoot() : alpha / Double(rank))
  }

  /// Reads and checks a parsed adapter_config.json.
  ///
  /// The peft_type is checked first, then every field in the order of the file, then the values that are used.
  ///
  /// - Parameters:
  ///   - path: The file, for errors.
  ///   - scaling: The factor of the updates, where another trainer's config states it.
  package init(_ json: JSONValue, path: String, scaling: Double? = nil) throws(AdapterError) {
    guard case .object(let members) = json else {
      throw AdapterError(path: path, .configNotAnObject(found: json.kindName))
    }
    let reader = ConfigReader(json: json, path: path)
    omissions = try ConfigOmissions(json, path: path)
    statedScaling = scaling
    for member in members { try Self.check(member, path: path) }
    rank = try reader.rank("r") ?? 8
    alpha = try reader.number("lora_alpha") ?? 8
    usesRankStabilizedScaling = try reader.bool("use_rslora")
    rankPattern = try reader.patterns("rank_pattern", "an integer of at least 1", ConfigReader.rank)
    alphaPattern = try reader.patterns("alpha_pattern", "a finite number", ConfigReader.number)
    usesDora = try reader.bool("use_dora")
    hasLoraBias = try reader.bool("lora_bias")
    bias = try reader.choice("bias") ?? .none
    savedModules = try reader.strings("modules_to_save")
    targetParameters = try reader.strings("target_parameters")
    expertLayout = try reader.choice("lora_B_layout")
    trainableTokenIndices = try reader.tokenIndices("trainable_token_indices")
    layerReplication = try reader.ranges("layer_replication")
    fanInFanOut = try reader.bool("fan_in_fan_out")
    tiesWeights = try reader.bool("ensure_weight_tying")
    blockDiagonal = try reader.blockDiagonal("use_bdlora")
    if case .string(let name)? = json["init_lora_weights"], Initializations.spelledBoolean(name) == nil {
      initialization = .named(name)
    } else {
      initialization = .plain
    }
    let usesKasa = try reader.isConfigured("kasa_config")
    decomposition = usesKasa ? .kasa : Decomposition(initialization: json["init_lora_weights"])
    taskType = try reader.string("task_type")
    peftVersion = try reader.string("peft_version")
    baseModelName = try reader.string("base_model_name_or_path")
    revision = try reader.string("revision")
    // A repository of theirs, the hub's cache of one, or a copy of one of their quantized models under its name.
    isFromUnsloth =
      baseModelName?.lowercased().contains("unsloth") == true
      || json["auto_mapping"]?["unsloth_fixed"] == .bool(true)
    targetsModules = !(ConfigField.off + [.string("")]).contains(json["target_modules"] ?? .null)
    variants = try reader.variants()
    try checkCombinations(reader)
  }

  private static func check(_ member: JSONMember, path: String) throws(AdapterError) {
    guard let field = ConfigField.named(member.key) else {
      if member.value == .null { return }
      throw AdapterError(path: path, .unknownField(member.key, value: member.value.summary))
    }
    if field.name == "init_lora_weights", case .string(let name) = member.value,
      Initializations.spelledBoolean(name) != nil
    {
      return
    }
    if field.name == "init_lora_weights", let refusal = Initializations.refusal(of: member.value) {
      throw AdapterError(
        path: path,
        .unsupportedField(field.name, value: member.value.summary, reason: refusal.reason, hint: refusal.hint))
    }
    if field.name == "init_lora_weights", Decomposition(initialization: member.value) != nil { return }
    guard case .refused(let neutral, let reason, let hint) = field.disposition else { return }
    if neutral.contains(member.value) { return }
    throw AdapterError(
      path: path, .unsupportedField(field.name, value: member.value.summary, reason: reason, hint: hint))
  }

  /// Refuses what cannot be, or is not known to be, beside a change of the base.
  private func checkDecomposition(
    _ reader: ConfigReader, _ excluded: (String, JSONValue?, String) -> AdapterError
  ) throws(AdapterError) {
    func unsupported(_ field: String, _ reason: String) -> AdapterError {
      AdapterError(
        path: reader.path,
        .unsupportedField(field, value: (reader.json[field] ?? .null).summary, reason: reason, hint: nil))
    }
    guard let decomposition else { return }
    if decomposition == .kasa {
      for (isUsed, field) in [
        (usesDora, "use_dora"), (blockDiagonal != nil, "use_bdlora"), (variants.contains(.velora), "velora_config"),
        (variants.contains(.monteclora), "monteclora_config"), (initialization == .named("mica"), "init_lora_weights"),
      ] where isUsed { throw excluded(field, reader.json[field], "\"kasa_config\"") }
      if let other = Decomposition(initialization: reader.json["init_lora_weights"]) {
        throw unsupported(
          "kasa_config", "KaSA and \(other.rawValue) would change the base weights one after the other")
      }
    } else if blockDiagonal != nil {
      throw unsupported(
        "use_bdlora", "block-diagonal layers that begin with \(decomposition.rawValue) are not supported")
    }
  }

  /// Refuses what PEFT refuses to build: the tensors could not mean anything.
  private func checkCombinations(_ reader: ConfigReader) throws(AdapterError) {
    func excluded(_ field: String, _ value: JSONValue?, _ other: String) -> AdapterError {
      AdapterError(
        path: reader.path,
        .unsupportedField(
          field, value: (value ?? .null).summary, reason: "PEFT has no LoRA with this and \(other)", hint: nil))
    }
    if usesDora, hasLoraBias { throw excluded("lora_bias", .bool(true), "\"use_dora\"") }
    if blockDiagonal != nil, usesDora { throw excluded("use_bdlora", reader.json["use_bdlora"], "\"use_dora\"") }
    if hasLoraBias, initialization != .plain {
      throw excluded("lora_bias", .bool(true), "a named initialisation (\"init_lora_weights\")")
    }
    try checkDecomposition(reader, excluded)
  }
}
