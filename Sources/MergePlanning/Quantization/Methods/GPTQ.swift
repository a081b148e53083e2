import Checkpoints
import JSONText
import Safetensors

/// GPTQ, in words that run down the columns.
struct GPTQ: QuantizationMethod {
  static let names = ["gptq"]
  static let fields: [QuantizationField]? =
    QuantizationField.used(
      "quant_method", "bits", "group_size", "desc_act", "sym", "checkpoint_format", "format", "dynamic", "meta",
      "modules_to_not_convert")
    + QuantizationField.harmless(
      QuantizationField.makingOnly, "damp_percent", "damp_auto_increment", "true_sequential", "tokenizer",
      "model_seqlen",
      "module_name_preceding_first_block", "pad_token_id", "max_input_length", "cache_block_outputs",
      "modules_in_block_to_quantize", "inside_layer_modules", "model_name_or_path", "model_file_base_name", "mse",
      "act_group_aware", "hyb_act", "parallel_packing", "quantizer", "offload_to_disk", "offload_to_disk_path", "uri")
    + QuantizationField.harmless(QuantizationField.toldByTensors, "lm_head")
    + QuantizationField.harmless(
      QuantizationField.loadingOnly, "use_exllama", "disable_exllama", "exllama_config", "use_cuda_fp16",
      "use_cuda_kernel", "backend",
      "use_triton")
    + QuantizationField.refused("method", unless: [.string("gptq")], "another method than quant_method says")
    + QuantizationField.refused("pack_dtype", unless: [.string("int32")], "words that are not of 32 bits")
    + QuantizationField.refused("is_marlin_format", unless: [.bool(false)], "Marlin's order of the words")
    + QuantizationField.refused("adapter", "a correction of low rank that is added when the model runs")
    + QuantizationField.refused("lora", "a correction of low rank that is added when the model runs")
    + QuantizationField.refused("rotation", "a rotation of the model's inputs and outputs")
    + AutoRoundFields.making

  static let decodesAllTogether = true

  static func skipList(_ source: QuantizationSource) -> String? { nil }

  let search: CodedTensors

  func tensors() throws -> FoundTensors { try PackedColumnTensors(search: search).tensors() }
}
