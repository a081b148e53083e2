import Checkpoints
import JSONText
import Safetensors

/// AMD Quark's FP8.
struct Quark: QuantizationMethod {
  static let names = ["quark"]
  static let fields: [QuantizationField]? =
    QuantizationField.used(
      "quant_method", "exclude", "global_quant_config", "layer_quant_config", "layer_type_quant_config")
    + QuantizationField.harmless(QuantizationField.loadingOnly, "export", "pack_method", "weight_format", "custom_mode")
    + QuantizationField.harmless(
      QuantizationField.makingOnly, "quant_mode", "version", "log_severity_level", "min_kv_scale")
    + QuantizationField.refused("algo_config", "an algorithm that may rotate or scale the inputs when the model runs")
    + QuantizationField.refused("softmax_quant_spec", "a softmax that is quantized when the model runs")
    + QuantizationField.kept("kv_cache_quant_config", "kv_cache_post_rope")
  static let isWrittenBack = false
  static let hasDefaultSkips = false

  static func skipList(_ source: QuantizationSource) -> String? { "exclude" }

  let search: CodedTensors

  /// AMD Quark's FP8: `X.weight` with `X.weight_scale` for the tensor, a row, or blocks that divide it.
  func tensors() throws -> FoundTensors {
    let weights = config["global_quant_config"]?["weight"]
    guard let weights, case .string(let type)? = weights["dtype"], type == "fp8_e4m3",
      case .string(let scheme)? = weights["qscheme"], ["per_tensor", "per_channel", "per_block"].contains(scheme)
    else { throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "quark, other than fp8_e4m3")) }
    for key in ["layer_quant_config", "layer_type_quant_config"] {
      if let own = config[key], !QuantizationField.isOff(own) {
        throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "quark, \(key)"))
      }
    }
    let configured = try search.blockSize(weights["block_size"])
    var found = FoundTensors()
    for location in search.locations(where: { $0.header.tensors.dtype(at: $1) == .f8E4M3 }) {
      let info = base.tensor(at: location)
      if search.isScale(info.name.string) { continue }
      try found.add(info.name.string) {
        let scales = try search.scales(of: location, names: ["\(info.name.string)_scale"])
        var blocks = configured
        let shape = base.tensor(at: scales).shape
        if blocks == nil, scheme == "per_block", shape.count == 2, info.shape.count == 2,
          shape.allSatisfy({ $0 > 0 })
        {
          // Without a size only blocks that are whole powers of two leave no doubt.
          let sizes = zip(info.shape, shape).map { ($0 / $1, $0 % $1) }
          guard sizes.allSatisfy({ $0.1 == 0 && $0.0 > 0 && $0.0 & ($0.0 - 1) == 0 }) else {
            throw search.error(location, .quantizedScheme("blocks of a size that nothing says"))
          }
          blocks = [(sizes[0].0, sizes[1].0)]
        }
        return search.byteGroup(
          location, try search.grid(of: info, location, scales: scales, blocks: blocks), scales, dtype: dtype)
      }
    }
    return found
  }
}
