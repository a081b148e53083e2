import Checkpoints
import JSONText
import Safetensors

/// AutoRound, which writes the words of GPTQ or of AWQ.
struct AutoRound: QuantizationMethod {
  static let names = ["auto-round"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "bits", "group_size", "sym", "packing_format", "backend", "extra_config")
    + QuantizationField.harmless(
      QuantizationField.toldByTensors, "lm_head", "desc_act", "zero_point", "modules_to_not_convert")
    + QuantizationField.harmless(QuantizationField.makingOnly, "damp_percent", "true_sequential")
    + AutoRoundFields.making

  static let decodesAllTogether = true

  static func skipList(_ source: QuantizationSource) -> String? { nil }

  let search: CodedTensors

  func tensors() throws -> FoundTensors { try PackedColumnTensors(search: search).tensors() }
}
