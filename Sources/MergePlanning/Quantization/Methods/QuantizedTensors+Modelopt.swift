import Checkpoints
import JSONText
import Safetensors

/// NVIDIA Model Optimizer's FP8 and NVFP4. Source: `modelopt.torch.export` 0.25 and its readers in vLLM.
extension QuantizedTensors {
  /// `quant_algo`, and what each weight is in by its tensors: F8_E4M3 with `_scale`, or U8 with `_scale` and `_scale_2`.
  func modeloptGroups() throws -> Found {
    let known = ["FP8", "NVFP4", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "MIXED_PRECISION"]
    guard case .string(let algorithm)? = config["quant_algo"], known.contains(algorithm) else {
      var name = "no quant_algo"
      if case .string(let algorithm)? = config["quant_algo"] { name = algorithm }
      throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "modelopt, \(name)"))
    }
    var found = Found()
    for location in locations(where: { [.f8E4M3, .u8].contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      let name = info.name.string
      guard name.hasSuffix(".weight") else { continue }
      try found.add(name) {
        let scales = try scales(of: location, names: ["\(name)_scale"])
        if info.dtype == .u8 {
          guard info.shape.count == 2, info.shape[1] <= Int.max / 2 else {
            throw error(location, .quantizedScheme("codes of shape \(info.shape)"))
          }
          let global = try part("\(name)_scale_2", of: location)
          return try fourBitRowGroup(
            location, scales, group: 16, name: info.name, global: (global, false), dtype: dtype)
        }
        let blocks: [(rows: Int, columns: Int)]? = algorithm == "FP8_PB_WO" ? [(128, 128)] : nil
        let grid = try grid(of: info, location, scales: scales, blocks: blocks)
        return byteGroup(location, grid, scales, dtype: dtype)
      }
    }
    return found
  }

  /// AMD Quark's FP8: `X.weight` with `X.weight_scale` for the tensor, a row, or blocks that divide it.
  func quarkGroups() throws -> Found {
    let weights = config["global_quant_config"]?["weight"]
    guard let weights, case .string(let type)? = weights["dtype"], type == "fp8_e4m3",
      case .string(let scheme)? = weights["qscheme"], ["per_tensor", "per_channel", "per_block"].contains(scheme)
    else { throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "quark, other than fp8_e4m3")) }
    for key in ["layer_quant_config", "layer_type_quant_config"] {
      if let own = config[key], !QuantizationField.isOff(own) {
        throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "quark, \(key)"))
      }
    }
    let configured = try blockSize(weights["block_size"])
    var found = Found()
    for location in locations(where: { $0.header.tensors.dtype(at: $1) == .f8E4M3 }) {
      let info = base.tensor(at: location)
      if isScale(info.name.string) { continue }
      try found.add(info.name.string) {
        let scales = try scales(of: location, names: ["\(info.name.string)_scale"])
        var blocks = configured
        let shape = base.tensor(at: scales).shape
        if blocks == nil, scheme == "per_block", shape.count == 2, info.shape.count == 2,
          shape.allSatisfy({ $0 > 0 })
        {
          // Without a size only blocks that are whole powers of two leave no doubt.
          let sizes = zip(info.shape, shape).map { ($0 / $1, $0 % $1) }
          guard sizes.allSatisfy({ $0.1 == 0 && $0.0 > 0 && $0.0 & ($0.0 - 1) == 0 }) else {
            throw error(location, .quantizedScheme("blocks of a size that nothing says"))
          }
          blocks = [(sizes[0].0, sizes[1].0)]
        }
        return byteGroup(
          location, try grid(of: info, location, scales: scales, blocks: blocks), scales, dtype: dtype)
      }
    }
    return found
  }
}
