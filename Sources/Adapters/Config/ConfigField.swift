import JSONText

/// One field of adapter_config.json and what a merge makes of it.
struct ConfigField: Sendable {
  /// Why a value cannot be merged, and the way out.
  typealias Refusal = (reason: String, hint: String?)

  enum Disposition: Sendable {
    /// Read into ``AdapterConfig`` or by the tuner.
    case used
    /// Has no part in the arithmetic, for the reason given.
    case ignored(because: String)
    /// Refused, for the reason given, unless the value is one of `neutral`.
    case refused(neutral: [JSONValue], because: String, hint: String?)
    /// Refused where the check gives a reason for a value.
    case checked(@Sendable (JSONValue) -> Refusal?)
  }

  let name: String
  let disposition: Disposition

  private init(_ name: String, _ disposition: Disposition) {
    self.name = name
    self.disposition = disposition
  }

  static func used(_ name: String) -> ConfigField { ConfigField(name, .used) }
  static func ignored(_ name: String, because reason: String) -> ConfigField {
    ConfigField(name, .ignored(because: reason))
  }
  static func refused(
    _ name: String, unless neutral: [JSONValue] = off, _ reason: String, hint: String? = nil
  ) -> ConfigField {
    ConfigField(name, .refused(neutral: neutral, because: reason, hint: hint))
  }
  static func checked(_ name: String, _ check: @escaping @Sendable (JSONValue) -> Refusal?) -> ConfigField {
    ConfigField(name, .checked(check))
  }

  /// Why this value cannot be merged; nil: it can.
  func refusal(of value: JSONValue) -> Refusal? {
    switch disposition {
    case .used, .ignored: nil
    case .refused(let neutral, let reason, let hint): neutral.contains(value) ? nil : (reason, hint)
    case .checked(let check): check(value)
    }
  }

  /// The values with which Python code skips an optional feature.
  static let off: [JSONValue] = [.null, .bool(false), .array([]), .object([])]
  static let trainingOnly = "acts in training only"
  private static let keysDecide = "the tensors in the file say what was trained"

  /// The field called `name`, compared by bytes, of an adapter of this kind; nil if no PEFT that is known here writes it.
  static func named(_ name: String, of tuner: any Tuner.Type) -> ConfigField? {
    let isNamed = { (field: ConfigField) in field.name.utf8.elementsEqual(name.utf8) }
    return common.first(where: isNamed) ?? tuner.fields.first(where: isNamed)
  }

  /// The fields that adapters of every kind have, or may have. Sources: PEFT 0.21.2 `PeftConfigMixin`, `PeftConfig`, and
  /// the fields that all its tuners share.
  static let common: [ConfigField] = [
    .used("peft_type"),
    .used("task_type"),
    .used("peft_version"),
    .used("base_model_name_or_path"),
    .used("revision"),
    .used("auto_mapping"),
    .used("target_modules"),
    .used("bias"),
    .used("modules_to_save"),
    .used("fan_in_fan_out"),
    .ignored("exclude_modules", because: keysDecide),
    .ignored("layers_to_transform", because: keysDecide),
    .ignored("layers_pattern", because: keysDecide),
    .ignored("inference_mode", because: trainingOnly),
    .ignored("runtime_config", because: "says where training kept its data"),

    // transformers, whose configs some programs write this one with.
    .ignored("_from_model_config", because: "says how a config of transformers was made"),
    .ignored("transformers_version", because: "names a release"),
  ]
}
