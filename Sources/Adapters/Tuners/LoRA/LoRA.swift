import JSONText

/// LoRA and its variants: `W + s B A`.
///
/// Sources: Hu et al., arXiv:2106.09685; PEFT 0.21.2 `LoraConfig`.
public struct LoRA: Tuner {
  static let peftType = "LORA"
  static let name = "LoRA"

  /// The initialization of the factors.
  public enum Initialization: Equatable, Sendable {
    /// PEFT's default, or nothing special.
    case plain
    /// "gaussian", "orthogonal", "eva" or "mica", which leave the base as it is, or one of those of
    /// ``LoRA/decomposition``. PEFT merges "mica" with a rounding more.
    case named(String)
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

  /// `r` and `rank_pattern`, `lora_alpha` and `alpha_pattern`. Where the config has no `r` the factors decide.
  public let ranks: RankSettings
  /// `use_rslora`: whether the scaling is alpha / sqrt(r) and not alpha / r.
  public let usesRankStabilizedScaling: Bool
  /// `use_dora`: whether every layer has magnitudes.
  public let usesDora: Bool
  /// `lora_bias`: whether every lora_B has a bias, to be added to the base's bias times the scaling.
  public let hasLoraBias: Bool
  /// `lora_B_layout`, which Unsloth writes since 2026-09-17; nil: the config does not say.
  public let expertLayout: ExpertLayout?
  /// `use_bdlora`: which factors are block-diagonal.
  public let blockDiagonal: BlockDiagonalRule?
  /// `init_lora_weights`: how the factors began.
  public let initialization: Initialization
  /// What was taken out of the weights of linear layers before training, by ``initialization`` or `kasa_config`; nil:
  /// nothing.
  public let decomposition: Decomposition?
  /// Whether Unsloth wrote the adapter, as far as the config tells.
  public let isFromUnsloth: Bool
  /// The factor of every layer's update, where the config of another trainer states it; nil: alpha and rank make it.
  public let statedScaling: Double?
  /// The variants whose training tensors may be in the file.
  let variants: Set<LoRAVariant>

  /// The factor of a layer's update: alpha / r, or alpha / sqrt(r) with rank-stabilized scaling, in double.
  ///
  /// Source: PEFT 0.21.2 `LoraLayer.update_layer`; Kalajdzievski, rsLoRA, arXiv:2312.03732.
  ///
  /// - Parameters:
  ///   - rank: At least 1.
  ///   - alpha: Finite.
  public func scaling(rank: Int, alpha: Double) -> Double {
    statedScaling ?? (usesRankStabilizedScaling ? alpha / Double(rank).squareRoot() : alpha / Double(rank))
  }

  init(_ reader: ConfigReader) throws(AdapterError) {
    ranks = try RankSettings(reader, alphaField: "lora_alpha")
    statedScaling = reader.statedScaling
    usesRankStabilizedScaling = try reader.bool("use_rslora")
    usesDora = try reader.bool("use_dora")
    hasLoraBias = try reader.bool("lora_bias")
    expertLayout = try reader.choice("lora_B_layout")
    blockDiagonal = try reader.blockDiagonal("use_bdlora")
    if case .string(let name)? = reader.json["init_lora_weights"], Initializations.spelledBoolean(name) == nil {
      initialization = .named(name)
    } else {
      initialization = .plain
    }
    let usesKasa = try reader.isConfigured("kasa_config")
    decomposition = usesKasa ? .kasa : Decomposition(initialization: reader.json["init_lora_weights"])
    // A repository of theirs, the Hugging Face cache of one, or a copy of one of their quantized models under its name.
    isFromUnsloth =
      try reader.string("base_model_name_or_path")?.lowercased().contains("unsloth") == true
      || reader.json["auto_mapping"]?["unsloth_fixed"] == .bool(true)
    variants = try reader.variants()
    try checkCombinations(reader)
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    var assembly = LoRAAssembly(self, tensors)
    return try assembly.assemble()
  }

  /// Refuses what is not, or not known to be, possible beside a change of the base.
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
      throw excluded("lora_bias", .bool(true), "a named initialization (\"init_lora_weights\")")
    }
    try checkDecomposition(reader, excluded)
  }
}
