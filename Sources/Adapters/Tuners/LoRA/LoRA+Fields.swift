import JSONText

/// The fields of PEFT 0.21.2's `LoraConfig`, those that older releases wrote, and some of other programs.
extension LoRA {
  static let fields: [ConfigField] =
    RankSettings.fields(alpha: "lora_alpha") + [
      // What the arithmetic, or the meaning of the tensors, needs.
      .used("use_rslora"),
      .used("use_dora"),
      .used("lora_bias"),
      .used("target_parameters"),
      .used("lora_B_layout"),
      .used("trainable_token_indices"),
      .used("layer_replication"),
      .used("ensure_weight_tying"),
      .used("use_bdlora"),
      .used("velora_config"),
      .used("monteclora_config"),
      .used("kasa_config"),

      // What cannot be merged.
      .checked("init_lora_weights", Initializations.refusal),
      .refused(
        "megatron_config", "the tensors belong to Megatron's parallel layers, whose names are not those of the base"),
      .refused(
        "alora_invocation_tokens", unless: [.null],
        "an aLoRA adapter acts on part of the tokens only and cannot be merged",
        hint: "run it with PEFT or a server that knows aLoRA"),
      .refused("arrow_config", "Arrow routes between adapters at run time and cannot be merged"),
      .refused("use_qalora", "a QALoRA adapter belongs to GPTQ weights and cannot be merged"),
      .refused("enable_lora", "LoRA on part of a fused layer (MergedLinear of PEFT 0.2) is not supported"),

      // What does not matter.
      .ignored("lora_dropout", because: ConfigField.trainingOnly),
      .ignored("megatron_core", because: "names a Python module; megatron_config says whether it is used"),
      .ignored("qalora_group_size", because: "has a meaning with use_qalora only"),
      .ignored("loftq_config", because: initializationReason),
      .ignored("eva_config", because: initializationReason),
      .ignored("corda_config", because: initializationReason),
      .ignored("lora_ga_config", because: initializationReason),

      // ms-swift.
      .ignored("lora_dtype", because: "is the dtype of training; the file has the factors in theirs"),
      .ignored("lorap_lr_ratio", because: ConfigField.trainingOnly),
      .ignored("lorap_emb_lr", because: ConfigField.trainingOnly),

      // PEFT 0.1 and 0.2.
      .ignored("merge_weights", because: "says what a model in memory did when it left training"),
    ]

  private static let initializationReason =
    "concerns the start of training; init_lora_weights says whether the base changed"
}
