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
  static let off: [JSONValue] = [.null, .bool(false), .array([]), .object([])]
  /// The values of `init_lora_weights` after which the base is what it was.
  private static let plainInitializations: [JSONValue] =
    [.null, .bool(true), .bool(false)]
    + ["gaussian", "orthogonal", "eva", "mica"].map(JSONValue.string)
  private static let initialization = "concerns the start of training; init_lora_weights says whether the base changed"
  private static let keysDecide = "the tensors in the file say what was trained"
  private static let trainingOnly = "acts in training only"

  private static func refused(
    _ name: String, unless neutral: [JSONValue] = off, _ reason: String, hint: String? = nil
  ) -> ConfigField {
    ConfigField(name, .refused(neutral: neutral, because: reason, hint: hint))
  }

  /// The field called `name`, compared by bytes; nil if no PEFT that is known here writes it.
  static func named(_ name: String) -> ConfigField? { all.first { $0.name.utf8.elementsEqual(name.utf8) } }

  /// Every field of PEFT 0.21.2's `LoraConfig`, those that older releases wrote, and one of Unsloth's.
  static let all: [ConfigField] = [
    // What the arithmetic, or the meaning of the tensors, needs.
    ConfigField("peft_type", .used),
    ConfigField("r", .used),
    ConfigField("lora_alpha", .used),
    ConfigField("rank_pattern", .used),
    ConfigField("alpha_pattern", .used),
    ConfigField("use_rslora", .used),
    ConfigField("use_dora", .used),
    ConfigField("lora_bias", .used),
    ConfigField("bias", .used),
    ConfigField("modules_to_save", .used),
    ConfigField("target_parameters", .used),
    ConfigField("lora_B_layout", .used),
    ConfigField("trainable_token_indices", .used),
    ConfigField("layer_replication", .used),
    ConfigField("fan_in_fan_out", .used),
    ConfigField("ensure_weight_tying", .used),
    ConfigField("use_bdlora", .used),
    ConfigField("task_type", .used),
    ConfigField("peft_version", .used),
    ConfigField("base_model_name_or_path", .used),
    ConfigField("revision", .used),
    ConfigField("auto_mapping", .used),
    ConfigField("target_modules", .used),
    ConfigField("velora_config", .used),
    ConfigField("monteclora_config", .used),
    ConfigField("kasa_config", .used),

    // What cannot be merged.
    refused(
      "init_lora_weights", unless: plainInitializations,
      "an initialisation that this program does not know and that may have changed the base weights; known are true, "
        + "false, \"gaussian\", \"orthogonal\", \"eva\", \"mica\", \"pissa\" and \"olora\"",
      hint: Initializations.conversion),
    refused(
      "megatron_config", "the tensors belong to Megatron's parallel layers, whose names are not those of the base"),
    refused(
      "alora_invocation_tokens", unless: [.null],
      "an aLoRA adapter acts on part of the tokens only and cannot be merged",
      hint: "run it with PEFT or a server that knows aLoRA"),
    refused("arrow_config", "Arrow routes between adapters at run time and cannot be merged"),
    refused("use_qalora", "a QALoRA adapter belongs to GPTQ weights and cannot be merged"),
    refused("enable_lora", "LoRA on part of a fused layer (MergedLinear of PEFT 0.2) is not supported"),

    // What does not matter.
    ConfigField("exclude_modules", .ignored(because: keysDecide)),
    ConfigField("layers_to_transform", .ignored(because: keysDecide)),
    ConfigField("layers_pattern", .ignored(because: keysDecide)),
    ConfigField("lora_dropout", .ignored(because: trainingOnly)),
    ConfigField("inference_mode", .ignored(because: trainingOnly)),
    ConfigField("runtime_config", .ignored(because: "says where training kept its data")),
    ConfigField("megatron_core", .ignored(because: "names a Python module; megatron_config says whether it is used")),
    ConfigField("qalora_group_size", .ignored(because: "has a meaning with use_qalora only")),
    ConfigField("loftq_config", .ignored(because: initialization)),
    ConfigField("eva_config", .ignored(because: initialization)),
    ConfigField("corda_config", .ignored(because: initialization)),
    ConfigField("lora_ga_config", .ignored(because: initialization)),

    // ms-swift.
    ConfigField("lora_dtype", .ignored(because: "is the dtype of training; the file has the factors in theirs")),
    ConfigField("lorap_lr_ratio", .ignored(because: trainingOnly)),
    ConfigField("lorap_emb_lr", .ignored(because: trainingOnly)),

    // transformers, whose configs some programs write this one with.
    ConfigField("_from_model_config", .ignored(because: "says how a config of transformers was made")),
    ConfigField("transformers_version", .ignored(because: "names a release")),

    // PEFT 0.1 and 0.2.
    ConfigField("merge_weights", .ignored(because: "says what a live model did when it left training")),
  ]
}
