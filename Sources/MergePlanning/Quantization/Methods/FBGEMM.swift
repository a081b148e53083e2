import Checkpoints
import JSONText
import Safetensors

/// `fbgemm_fp8`: codes of a byte with a scale for each row.
struct FBGEMM: QuantizationMethod {
  static let names = ["fbgemm_fp8"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "modules_to_not_convert")
    + QuantizationField.harmless(QuantizationField.inputsOnly, "activation_scale_ub")
  let search: CodedTensors

  func tensors() throws -> FoundTensors {
    try search.byteTensors(blocks: nil) + search.fourBitTensors()
  }
}
