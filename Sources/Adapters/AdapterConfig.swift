import JSONText

/// What adapter_config.json says, as far as a merge needs it; everything else in it is known to change nothing.
public struct AdapterConfig: Sendable {
  /// `r`: the rank of every module that ``rankPattern`` does not name. PEFT's default is 8.
  public let rank: Int
  /// `lora_alpha`, for every module that ``alphaPattern`` does not name; may be zero or negative. PEFT's default is 8.
  public let alpha: Double
  /// `use_rslora`: whether the scaling is alpha / sqrt(r) and not alpha / r.
  public let usesRankStabilizedScaling: Bool
  /// `rank_pattern`: ranks by module.
  public let rankPattern: PatternTable<Int>
  /// `alpha_pattern`: alphas by module.
  public let alphaPattern: PatternTable<Double>
  /// `lora_bias`: whether every lora_B has a bias, to be added to the base's bias times the scaling.
  public let hasLoraBias: Bool
  /// `base_model_name_or_path`: what the adapter was trained on, for comparison only; never opened.
  public let baseModelName: String?

  /// The factor of a layer's update: alpha / r, or alpha / sqrt(r) with rank-stabilised scaling, in double.
  ///
  /// Source: PEFT 0.21.2 `LoraLayer.update_layer`; Kalajdzievski, rsLoRA, arXiv:2312.03732.
  ///
  /// - Parameters:
  ///   - rank: At least 1.
  ///   - alpha: Finite.
  public func scaling(rank: Int, alpha: Double) -> Double {
    usesRankStabilizedScaling ? alpha / Double(rank).squareRoot() : alpha / Double(rank)
  }

  /// Reads and checks a parsed adapter_config.json.
  ///
  /// The peft_type is checked first, then every field in the order of the file, then the values that are used.
  ///
  /// - Parameter path: The file, for errors.
  package init(_ json: JSONValue, path: String) throws(AdapterError) {
    guard case .object(let members) = json else {
      throw AdapterError(path: path, .configNotAnObject(found: json.kindName))
    }
    let reader = ConfigReader(json: json, path: path)
    guard json["peft_type"] == .string("LORA") else {
      throw AdapterError(path: path, .peftType(found: json["peft_type"]?.summary))
    }
    for member in members { try Self.check(member, path: path) }
    rank = try reader.rank("r") ?? 8
    alpha = try reader.number("lora_alpha") ?? 8
    usesRankStabilizedScaling = try reader.bool("use_rslora")
    hasLoraBias = try reader.bool("lora_bias")
    rankPattern = try reader.patterns("rank_pattern", "an integer of at least 1", ConfigReader.rank)
    alphaPattern = try reader.patterns("alpha_pattern", "a finite number", ConfigReader.number)
    baseModelName = try reader.string("base_model_name_or_path")
  }

  private static func check(_ member: JSONMember, path: String) throws(AdapterError) {
    guard let field = ConfigField.named(member.key) else {
      if member.value == .null { return }
      throw AdapterError(path: path, .unknownField(member.key, value: member.value.summary))
    }
    guard case .refused(let neutral, let reason, let hint) = field.disposition else { return }
    if neutral.contains(member.value) { return }
    throw AdapterError(
      path: path, .unsupportedField(field.name, value: member.value.summary, reason: reason, hint: hint))
  }
}
