import Checkpoints
import JSONText
import Safetensors

/// NVIDIA Model Optimizer's FP8 and NVFP4. Source: `modelopt.torch.export` 0.25 and its readers in vLLM.
struct ModelOptimizer: QuantizationMethod {
  static let names = ["modelopt"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "quant_algo", "ignore", "exclude_modules", "group_size")
    + QuantizationField.harmless(QuantizationField.makingOnly, "producer")
    + QuantizationField.harmless(QuantizationField.toldByTensors, "config_groups", "targets", "quantized_layers")
    + QuantizationField.kept("kv_cache_quant_algo", "kv_cache_scheme")
    + QuantizationField.refused("has_zero_point", unless: [.bool(false)], "zero points")
    + QuantizationField.refused(
      "pre_quant_scale", unless: [.bool(false)], "a scale of the inputs that is applied when the model runs")
  static let isWrittenBack = false
  static let hasDefaultSkips = false

  /// config.json has one list, hf_quant_config.json the other.
  static func skipList(_ source: QuantizationSource) -> String? {
    source.hasList("exclude_modules") || source.file != "config.json" ? "exclude_modules" : "ignore"
  }

  let search: CodedTensors

  /// `quant_algo`, and what each weight is in by its tensors: F8_E4M3 with `_scale`, or U8 with `_scale` and `_scale_2`.
  func tensors() throws -> FoundTensors {
    let known = ["FP8", "NVFP4", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "MIXED_PRECISION"]
    guard case .string(let algorithm)? = config["quant_algo"], known.contains(algorithm) else {
      var name = "no quant_algo"
      if case .string(let algorithm)? = config["quant_algo"] { name = algorithm }
      throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "modelopt, \(name)"))
    }
    var found = FoundTensors()
    for location in search.locations(where: { [.f8E4M3, .u8].contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      let name = info.name.string
      guard name.hasSuffix(".weight") else { continue }
      try found.add(name) {
        let scales = try search.scales(of: location, names: ["\(name)_scale"])
        if info.dtype == .u8 {
          guard info.shape.count == 2, info.shape[1] <= Int.max / 2 else {
            throw search.error(location, .quantizedScheme("codes of shape \(info.shape)"))
          }
          let global = try search.part("\(name)_scale_2", of: location)
          return try search.fourBitRowGroup(
            location, scales, group: 16, name: info.name, global: (global, false), dtype: dtype)
        }
        let blocks: [(rows: Int, columns: Int)]? = algorithm == "FP8_PB_WO" ? [(128, 128)] : nil
        let grid = try search.grid(of: info, location, scales: scales, blocks: blocks)
        return search.byteGroup(location, grid, scales, dtype: dtype)
      }
    }
    return found
  }
}
