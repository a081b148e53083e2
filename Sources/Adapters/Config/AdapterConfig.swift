import JSONText

/// The contents of adapter_config.json that a merge needs; everything else in it is known to change nothing.
public struct AdapterConfig: Sendable {
  /// The biases of the base that were trained.
  public enum Bias: String, Sendable {
    case none
    /// Every bias of the model.
    case all
    /// Those of the adapted layers.
    case loraOnly = "lora_only"
  }

  /// `trainable_token_indices`.
  public enum TokenIndices: Equatable, Sendable {
    /// Of the input embedding.
    case inputEmbedding([Int])
    /// Of the module whose path ends with each name, in the order of the file.
    case modules([(name: String, indices: [Int])])
    /// Of every embedding that the file has rows of.
    case everyModule([Int])

    public static func == (left: Self, right: Self) -> Bool {
      switch (left, right) {
      case (.inputEmbedding(let one), .inputEmbedding(let other)), (.everyModule(let one), .everyModule(let other)):
        one == other
      case (.modules(let one), .modules(let other)): one.elementsEqual(other, by: ==)
      default: false
      }
    }
  }

  /// What kind of adapter it is, with the settings of that kind; nil: the adapter is one file, whose tensors say it.
  let tuner: (any Tuner)?
  /// The methods that an adapter of one file has, as texts call them.
  private let fileMethods: String
  /// `bias`: which biases of the base were trained.
  public let bias: Bias
  /// `modules_to_save`: names with which the paths of the modules end that were trained whole.
  public let savedModules: [String]
  /// `target_parameters`: ends of the paths of parameters that have updates of their own.
  public let targetParameters: [String]
  /// `trainable_token_indices`: which rows of embeddings were trained.
  public let trainableTokenIndices: TokenIndices?
  /// `layer_replication`: the base's layers that the model's layers were made of, one range after the other.
  public let layerReplication: [Range<Int>]?
  /// `fan_in_fan_out`: whether weights are stored as (in, out). PEFT saves what held for the last layer it visited: only
  /// where shapes leave it open may this decide.
  public let fanInFanOut: Bool
  /// `ensure_weight_tying`: whether updates and whole modules of tied layers were kept equal.
  public let tiesWeights: Bool
  /// `task_type`, such as "CAUSAL_LM" or "SEQ_CLS".
  public let taskType: String?
  /// `peft_version`; PEFT writes it since 0.18.0.
  public let peftVersion: String?
  /// `base_model_name_or_path`: what the adapter was trained on, for comparison only; never opened.
  public let baseModelName: String?
  /// `revision`: the version of the base model on the hub.
  public let revision: String?
  /// What the config does not say, or says unusually: see ``ConfigOmissions``.
  let omissions: ConfigOmissions
  /// Whether `target_modules` asks for layers.
  let targetsModules: Bool

  /// `peft_type` as PEFT writes it; nil: the adapter is one file without a config.
  public var peftType: String? { tuner.map { type(of: $0).peftType } }
  /// What texts call the method.
  public var methodName: String { tuner.map { type(of: $0).name } ?? fileMethods }
  /// The settings of LoRA; nil: the adapter is of another kind.
  public var lora: LoRA? { tuner as? LoRA }

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
    let reader = ConfigReader(json: json, path: path, statedScaling: scaling)
    omissions = try ConfigOmissions(json, path: path)
    for member in members { try Self.check(member, of: omissions.tuner, path: path) }
    let tuner = try omissions.tuner.init(reader)
    (self.tuner, fileMethods) = (tuner, "")
    bias = try reader.bias(of: omissions.tuner)
    savedModules = try reader.strings("modules_to_save")
    targetParameters = try reader.strings("target_parameters")
    if let tokens = tuner.tokens {
      trainableTokenIndices = tokens
    } else {
      trainableTokenIndices = try reader.tokenIndices("trainable_token_indices")
    }
    layerReplication = try reader.ranges("layer_replication")
    fanInFanOut = try reader.bool("fan_in_fan_out")
    tiesWeights = try reader.bool("ensure_weight_tying")
    taskType = try reader.string("task_type")
    peftVersion = try reader.string("peft_version")
    baseModelName = try reader.string("base_model_name_or_path")
    revision = try reader.string("revision")
    targetsModules = !(ConfigField.off + [.string(""), .string(PEFTLayout.noTargets)]).contains(
      json["target_modules"] ?? .null)
  }

  /// What stands for the config of an adapter that is one file: nothing of it but tensors.
  ///
  /// - Parameter methods: What texts call its methods, such as "LoRA" or "LoHa and LoKr".
  init(fileOf methods: String) {
    (tuner, fileMethods, omissions) = (nil, methods, .none)
    (bias, savedModules, targetParameters) = (.none, [], [])
    (trainableTokenIndices, layerReplication) = (nil, nil)
    (fanInFanOut, tiesWeights, targetsModules) = (false, false, false)
    (taskType, peftVersion, baseModelName, revision) = (nil, nil, nil, nil)
  }

  private static func check(
    _ member: JSONMember, of tuner: any Tuner.Type, path: String
  ) throws(AdapterError) {
    guard let field = ConfigField.named(member.key, of: tuner) else {
      if member.value == .null { return }
      if let other = Tuners.all.first(where: { ConfigField.named(member.key, of: $0) != nil }) {
        throw AdapterError(
          path: path,
          .unsupportedField(
            member.key, value: member.value.summary,
            reason: "it is a field of \(other.name), and \"peft_type\" is \"\(tuner.peftType)\"",
            hint: "take the adapter as PEFT saved it, or correct \"peft_type\""))
      }
      throw AdapterError(path: path, .unknownField(member.key, value: member.value.summary))
    }
    guard let refusal = field.refusal(of: member.value) else { return }
    throw AdapterError(
      path: path,
      .unsupportedField(field.name, value: member.value.summary, reason: refusal.reason, hint: refusal.hint))
  }
}
