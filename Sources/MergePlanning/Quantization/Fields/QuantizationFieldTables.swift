import JSONText

/// Every field that the quantization configs of transformers 5.24, compressed-tensors 0.20, GPTQModel, AutoGPTQ, AutoAWQ,
/// AutoRound, Model Optimizer, Quark and MLX write, and what it means for a merge.
extension QuantizationFields {
  private typealias Field = QuantizationField
  private static let loading = "says how to load or run the codes, not what they stand for"
  private static let making = "says how the codes were found"
  private static let inputs = "rounds the inputs of layers that are quantized; a layer that is merged has none"
  private static let tensors = "the tensors say it"

  static let tables: [String: [QuantizationField]] = [
    "fp8": fp8, "fbgemm_fp8": fbgemm, "compressed-tensors": compressed, "gptq": gptq, "awq": awq,
    "auto-round": autoRound, "bitsandbytes": bitsandbytes, "mxfp4": mxfp4, "torchao": torchao, "modelopt": modelopt,
    "quark": quark,
  ]

  private static let fp8 =
    Field.used(
      "quant_method", "weight_block_size", "modules_to_not_convert", "ignored_layers", "scale_fmt", "expert_dtype")
    + Field.harmless(inputs, "activation_scheme")
    + Field.harmless(loading, "dequantize", "use_deep_gemm", "is_checkpoint_fp8_serialized")
    + Field.harmless(tensors, "fmt", "modules_to_convert", "qformat_weight", "weight_dtype", "scale_dtype")
    + Field.harmless(inputs, "qscheme_act")
    + Field.kept("kv_cache_scheme", "kv_cache_dtype", "kv_cache_quant_method")

  private static let fbgemm =
    Field.used("quant_method", "modules_to_not_convert") + Field.harmless(inputs, "activation_scale_ub")

  private static let compressed =
    Field.used("quant_method", "config_groups", "format", "ignore", "transform_config")
    + Field.harmless(tensors, "quantization_status", "global_compression_ratio", "version")
    + Field.harmless(loading, "run_compressed", "dequantize", "use_optimized_inference")
    + Field.kept("kv_cache_scheme")
    + Field.refused(
      "sparsity_config", unless: [.object([JSONMember(key: "format", value: .string("dense"))])],
      "codes from which zeros are left out, which are not decoded")
    + Field.refused("moe_sparsity_config", "zeros that are left out of experts")

  /// Of one of `config_groups`.
  static let compressedScheme =
    Field.used("targets", "weights", "format") + Field.harmless(inputs, "input_activations")
    + Field.refused("output_activations", "the outputs of quantized layers are rounded when the model runs")

  /// Of a group's `weights`.
  static let compressedWeights =
    Field.used("num_bits", "type", "symmetric", "group_size", "strategy", "block_structure")
    + Field.refused("dynamic", unless: [.bool(false)], "weights that are quantized when the model runs")
    + Field.harmless(tensors, "actorder", "scale_dtype", "zp_dtype")
    + Field.harmless(making, "observer", "observer_kwargs")

  /// What AutoRound adds to the configs of whatever format it writes.
  private static let autoRoundMaking =
    Field.harmless(
      making, "autoround_version", "provider", "amp", "enable_quanted_input", "enable_minmax_tuning",
      "enable_norm_bias_tuning", "to_quant_block_names", "iters", "lr", "minmax_lr", "nsamples", "seqlen",
      "batch_size", "low_gpu_mem_usage", "low_cpu_mem_usage", "not_use_best_mse", "dataset",
      "gradient_accumulate_steps",
      "enable_torch_compile", "enable_alg_ext", "enable_deterministic_algorithms", "momentum", "lr_scheduler",
      "sampler", "train_bs", "eval_bs", "device", "scale_dtype", "quant_block_list", "block_name_to_quantize",
      "static_groups")
    + Field.refused("data_type", unless: [.string("int")], "codes that are no integers")
    + Field.harmless(inputs, "act_bits", "act_group_size", "act_sym", "act_dynamic", "act_data_type")
    + Field.refused("super_bits", "scales that are codes themselves")
    + Field.refused("super_group_size", "scales that are codes themselves")
    + Field.refused("rotation_config", "a rotation that is applied when the model runs")
    + Field.refused("transform_config", "a transform that is applied when the model runs")
    + Field.refused("hadamard_config", "a rotation that is applied when the model runs")

  private static let gptq =
    Field.used(
      "quant_method", "bits", "group_size", "desc_act", "sym", "checkpoint_format", "format", "dynamic", "meta",
      "modules_to_not_convert")
    + Field.harmless(
      making, "damp_percent", "damp_auto_increment", "true_sequential", "tokenizer", "model_seqlen",
      "module_name_preceding_first_block", "pad_token_id", "max_input_length", "cache_block_outputs",
      "modules_in_block_to_quantize", "inside_layer_modules", "model_name_or_path", "model_file_base_name", "mse",
      "act_group_aware", "hyb_act", "parallel_packing", "quantizer", "offload_to_disk", "offload_to_disk_path", "uri")
    + Field.harmless(tensors, "lm_head")
    + Field.harmless(
      loading, "use_exllama", "disable_exllama", "exllama_config", "use_cuda_fp16", "use_cuda_kernel", "backend",
      "use_triton")
    + Field.refused("method", unless: [.string("gptq")], "another method than quant_method says")
    + Field.refused("pack_dtype", unless: [.string("int32")], "words that are not of 32 bits")
    + Field.refused("is_marlin_format", unless: [.bool(false)], "Marlin's order of the words")
    + Field.refused("adapter", "a correction of low rank that is added when the model runs")
    + Field.refused("lora", "a correction of low rank that is added when the model runs")
    + Field.refused("rotation", "a rotation of the model's inputs and outputs")
    + autoRoundMaking

  private static let awq =
    Field.used(
      "quant_method", "bits", "w_bit", "group_size", "q_group_size", "version", "format", "checkpoint_format",
      "modules_to_not_convert", "sym", "meta")
    + Field.harmless(tensors, "zero_point", "desc_act", "lm_head")
    + Field.harmless(
      loading, "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "exllama_config", "backend", "use_exllama")
    + Field.harmless(
      making, "damp_percent", "damp_auto_increment", "true_sequential", "dynamic", "quantizer", "mse",
      "model_name_or_path", "model_file_base_name")
    + Field.refused("method", unless: [.string("awq")], "another method than quant_method says")
    + Field.refused("pack_dtype", unless: [.string("int32")], "words that are not of 32 bits")
    + autoRoundMaking

  private static let autoRound =
    Field.used("quant_method", "bits", "group_size", "sym", "packing_format", "backend", "extra_config")
    + Field.harmless(tensors, "lm_head", "desc_act", "zero_point", "modules_to_not_convert")
    + Field.harmless(making, "damp_percent", "true_sequential")
    + autoRoundMaking

  private static let bitsandbytes =
    Field.used("quant_method", "llm_int8_skip_modules", "modules_to_not_convert")
    + Field.harmless(
      tensors, "load_in_4bit", "load_in_8bit", "_load_in_4bit", "_load_in_8bit", "bnb_4bit_quant_type",
      "bnb_4bit_use_double_quant", "bnb_4bit_quant_storage", "bnb_4bit_blocksize")
    + Field.harmless(
      loading, "bnb_4bit_compute_dtype", "llm_int8_enable_fp32_cpu_offload", "llm_int8_has_fp16_weight",
      "llm_int8_threshold", "bnb_4bit_target_parameters", "target_parameters")

  private static let mxfp4 =
    Field.used("quant_method", "modules_to_not_convert") + Field.harmless(loading, "dequantize")

  private static let torchao =
    Field.used("quant_method", "modules_to_not_convert")
    + Field.harmless(
      "the metadata of the files says it", "quant_type", "quant_type_kwargs", "include_input_output_embeddings",
      "include_embedding", "untie_embedding_weights")

  private static let modelopt =
    Field.used("quant_method", "quant_algo", "ignore", "exclude_modules", "group_size")
    + Field.harmless(making, "producer")
    + Field.harmless(tensors, "config_groups", "targets", "quantized_layers")
    + Field.kept("kv_cache_quant_algo", "kv_cache_scheme")
    + Field.refused("has_zero_point", unless: [.bool(false)], "zero points")
    + Field.refused(
      "pre_quant_scale", unless: [.bool(false)], "a scale of the inputs that is applied when the model runs")

  private static let quark =
    Field.used("quant_method", "exclude", "global_quant_config", "layer_quant_config", "layer_type_quant_config")
    + Field.harmless(loading, "export", "pack_method", "weight_format", "custom_mode")
    + Field.harmless(making, "quant_mode", "version", "log_severity_level", "min_kv_scale")
    + Field.refused("algo_config", "an algorithm that may rotate or scale the inputs when the model runs")
    + Field.refused("softmax_quant_spec", "a softmax that is quantized when the model runs")
    + Field.kept("kv_cache_quant_config", "kv_cache_post_rope")
}
