import Checkpoints
import JSONText
import Safetensors

/// AWQ, in words that run along the rows.
struct AWQ: QuantizationMethod {
  static let names = ["awq"]
  static let fields: [QuantizationField]? =
    QuantizationField.used(
      "quant_method", "bits", "w_bit", "group_size", "q_group_size", "version", "format", "checkpoint_format",
      "modules_to_not_convert", "sym", "meta")
    + QuantizationField.harmless(QuantizationField.toldByTensors, "zero_point", "desc_act", "lm_head")
    + QuantizationField.harmless(
      QuantizationField.loadingOnly, "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "exllama_config", "backend",
      "use_exllama")
    + QuantizationField.harmless(
      QuantizationField.makingOnly, "damp_percent", "damp_auto_increment", "true_sequential", "dynamic", "quantizer",
      "mse",
      "model_name_or_path", "model_file_base_name")
    + QuantizationField.refused("method", unless: [.string("awq")], "another method than quant_method says")
    + QuantizationField.refused("pack_dtype", unless: [.string("int32")], "words that are not of 32 bits")
    + AutoRoundFields.making
  let search: CodedTensors

  func tensors() throws -> FoundTensors { try PackedColumnTensors(search: search).tensors() }
}
