import JSONText

/// The fields that AutoRound adds to the configs of every format.
enum AutoRoundFields {
  static let making =
    QuantizationField.harmless(
      QuantizationField.makingOnly, "autoround_version", "provider", "amp", "enable_quanted_input",
      "enable_minmax_tuning",
      "enable_norm_bias_tuning", "to_quant_block_names", "iters", "lr", "minmax_lr", "nsamples", "seqlen",
      "batch_size", "low_gpu_mem_usage", "low_cpu_mem_usage", "not_use_best_mse", "dataset",
      "gradient_accumulate_steps",
      "enable_torch_compile", "enable_alg_ext", "enable_deterministic_algorithms", "momentum", "lr_scheduler",
      "sampler", "train_bs", "eval_bs", "device", "scale_dtype", "quant_block_list", "block_name_to_quantize",
      "static_groups")
    + QuantizationField.refused("data_type", unless: [.string("int")], "codes that are no integers")
    + QuantizationField.harmless(
      QuantizationField.inputsOnly, "act_bits", "act_group_size", "act_sym", "act_dynamic", "act_data_type")
    + QuantizationField.refused("super_bits", "scales that are codes themselves")
    + QuantizationField.refused("super_group_size", "scales that are codes themselves")
    + QuantizationField.refused("rotation_config", "a rotation that is applied when the model runs")
    + QuantizationField.refused("transform_config", "a transform that is applied when the model runs")
    + QuantizationField.refused("hadamard_config", "a rotation that is applied when the model runs")
}
