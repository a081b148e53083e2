import JSONText

/// One field of adapter_config.json and what a merge makes of it.
struct ConfigField: Sendable {
  enum Disposition: Sendable {
    /// Read into ``AdapterConfig``.
    case used
    /// Has no part in the arithmetic, for the reason given.
    case ignored(because: String)
    /// Refused, for the reason given, unless the value is one of `neutral`.
    case refused(neutral: [JSONValue], because: String, hint: String? = nil)
  }

  let name: String
  let disposition: Disposition

  private init(_ name: String, _ disposition: Disposition) {
    self.name = name
    self.disposition = disposition
  }

  /// The values with which Python code skips an optional feature.
  private static let off: [JSONValue] = [.null, .bool(false), .array([]), .object([])]
  private static let initialisation = "concerns the start of training; init_lora_weights says whether the base changed"
  private static let keysDecide = "the tensors in the file say what was trained"
  private static let trainingOnly = "acts in training only"

  private static func refused(
    _ name: String, unless neutral: [JSONValue] = off, _ reason: String, hint: String? = nil
  ) -> ConfigField {
    ConfigField(name, .refused(neutral: neutral, because: reason, hint: hint))
  }

  /// The field called `name`, compared by bytes; nil if no PEFT that is known here writes it.
  static func named(_ name: String) -> ConfigField? { all.first { $0.name.utf8.elementsEqual(name.utf8) } }

  /// Every field of PEFT 0.21.2's `LoraConfig`, and those that older releases wrote.
  static let all: [ConfigField] = [
    // What the arithmetic needs.
    ConfigField("peft_type", .used),
    ConfigField("r", .used),
    ConfigField("lora_alpha", .used),
    ConfigField("rank_pattern", .used),
    ConfigField("alpha_pattern", .used),
    ConfigField("use_rslora", .used),
    ConfigField("lora_bias", .used),
    ConfigField("base_model_name_or_path", .used),

    // What changes the arithmetic, or the set of tensors.
    refused("use_dora", "DoRA is not supported yet"),
    refused("bias", unless: [.null, .string("none")], "trained biases are not supported yet"),
    refused("modules_to_save", "fully trained modules are not supported yet"),
    refused("target_parameters", "LoRA on parameters (experts) is not supported yet"),
    refused("trainable_token_indices", "trained token rows are not supported yet"),
    refused("layer_replication", "replicated layers are not supported yet"),
    refused("fan_in_fan_out", "weights stored transposed (Conv1D) are not supported yet"),
    refused("ensure_weight_tying", "tied trained modules are not supported yet"),
    refused("use_bdlora", "block-diagonal LoRA (BD-LoRA) is not supported yet"),
    refused("kasa_config", "KaSA is not supported yet"),
    refused("velora_config", "VeLoRA is not supported yet"),
    refused("monteclora_config", "MonteCLoRA is not supported yet"),
    refused("megatron_config", "Megatron's parallel layers are not supported yet"),
    refused(
      "alora_invocation_tokens", unless: [.null],
      "an aLoRA adapter acts on part of the tokens only and cannot be merged"),
    refused("arrow_config", "Arrow routes between adapters at run time and cannot be merged"),
    refused("use_qalora", "a QALoRA adapter belongs to GPTQ weights and cannot be merged"),
    refused(
      "init_lora_weights",
      unless: [.null, .bool(true), .bool(false)] + ["gaussian", "orthogonal", "eva"].map(JSONValue.string),
      "an initialisation that may have changed the base weights, so that the adapter does not fit the original base; "
        + "plain are true, false, \"gaussian\", \"orthogonal\" and \"eva\"",
      hint: "let PEFT convert it: save_pretrained(..., path_initial_model_for_weight_conversion=...)"),

    // What does not.
    ConfigField("target_modules", .ignored(because: keysDecide)),
    ConfigField("exclude_modules", .ignored(because: keysDecide)),
    ConfigField("layers_to_transform", .ignored(because: keysDecide)),
    ConfigField("layers_pattern", .ignored(because: keysDecide)),
    ConfigField("task_type", .ignored(because: keysDecide)),
    ConfigField("lora_dropout", .ignored(because: trainingOnly)),
    ConfigField("inference_mode", .ignored(because: trainingOnly)),
    ConfigField("runtime_config", .ignored(because: "says where training kept its data")),
    ConfigField("auto_mapping", .ignored(because: "names the class of the base model")),
    ConfigField("peft_version", .ignored(because: "the rules used are those of 0.15 and later")),
    ConfigField("revision", .ignored(because: "names a version of the base model on the hub")),
    ConfigField("megatron_core", .ignored(because: "names a Python module; megatron_config says whether it is used")),
    ConfigField("qalora_group_size", .ignored(because: "has a meaning with use_qalora only")),
    ConfigField("loftq_config", .ignored(because: initialisation)),
    ConfigField("eva_config", .ignored(because: initialisation)),
    ConfigField("corda_config", .ignored(because: initialisation)),
    ConfigField("lora_ga_config", .ignored(because: initialisation)),

    // PEFT 0.1 and 0.2.
    ConfigField("merge_weights", .ignored(because: "says what a live model did when it left training")),
    refused("enable_lora", "LoRA on part of a fused layer (MergedLinear) is not supported yet"),
  ]
}
