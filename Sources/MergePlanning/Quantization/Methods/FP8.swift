import Checkpoints
import JSONText
import Safetensors

/// Codes of a byte with scales beside them: `fp8`, and what those who write FP8 by other names.
struct FP8: QuantizationMethod {
  static let names = ["fp8"]
  static let fields: [QuantizationField]? =
    QuantizationField.used(
      "quant_method", "weight_block_size", "modules_to_not_convert", "ignored_layers", "scale_fmt", "expert_dtype")
    + QuantizationField.harmless(QuantizationField.inputsOnly, "activation_scheme")
    + QuantizationField.harmless(
      QuantizationField.loadingOnly, "dequantize", "use_deep_gemm", "is_checkpoint_fp8_serialized")
    + QuantizationField.harmless(
      QuantizationField.toldByTensors, "fmt", "modules_to_convert", "qformat_weight", "weight_dtype", "scale_dtype")
    + QuantizationField.harmless(QuantizationField.inputsOnly, "qscheme_act")
    + QuantizationField.kept("kv_cache_scheme", "kv_cache_dtype", "kv_cache_quant_method")

  static func skipList(_ source: QuantizationSource) -> String? {
    // Another name for the list, which transformers reads where the usual one is not there.
    source.hasList("ignored_layers") && !source.hasList("modules_to_not_convert")
      ? "ignored_layers" : "modules_to_not_convert"
  }

  let search: CodedTensors

  func tensors() throws -> FoundTensors {
    let configured = try search.blockSize(config["weight_block_size"])
    return try search.byteTensors(blocks: configured ?? [Self.defaultBlock], isOnlyBlocks: configured != nil)
      + search.fourBitTensors()
  }

  /// What transformers takes where a config says nothing.
  private static let defaultBlock = (rows: 128, columns: 128)
}
