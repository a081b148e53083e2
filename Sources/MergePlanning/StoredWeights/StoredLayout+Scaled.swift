import Checkpoints
import Safetensors

/// Codes of 8 or 4 bits in a tensor of the weight's name, with scales beside it.
///
/// Sources: transformers 5.24 (fp8, fbgemm_fp8, bitnet, eetq), compressed-tensors, modelopt, quark, AutoFP8, DeepSeek-V4,
/// mistral-common, ComfyUI, bitsandbytes.
extension StoredLayout {
  static let scaled: [StoredLayout] = [
    StoredLayout(ending: "_scale_inv") { scaled($0, codes: $1, scale: $2) },
    StoredLayout(ending: "_scale") { scaled($0, codes: $1, scale: $2) },
    StoredLayout(ending: ".scale_weight") { scaled($0, codes: $1 + ".weight", scale: $2) },
    StoredLayout(ending: ".qscale_weight") { scaled($0, codes: $1 + ".weight", scale: $2) },
    StoredLayout(ending: ".scale") { scaled($0, codes: $1 + ".weight", scale: $2) },
    StoredLayout(ending: ".weight_scales", weight: columnsOfBytes),
    StoredLayout(ending: ".SCB", weight: rowsOfBytes),
  ]

  private static let float8: Set<DType> = [.f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ]

  /// What else formats keep beside the codes, by the endings of the weight's module.
  private static let companions = [
    "input_scale", "activation_scale", "input_scale_ub", "output_scale", "weight_zero_point", "weight_scale_2",
    "pre_quant_scale", "scale_input", "qscale_act", "comfy_quant", "weight_global_scale", "input_global_scale",
  ]

  private static func scaled(
    _ search: StoredTensorSearch, codes name: String, scale: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(name), codes != scale else { return nil }
    let (values, scales) = (search.info(codes), search.info(scale))
    let module = name.hasSuffix("weight") ? String(name.dropLast("weight".count)) : name + "_"
    let others = search.locations(module, companions).filter { $0 != scale && $0 != codes }
    func weight(_ label: String, _ shape: [Int], zero: Bool = true) -> StoredWeight {
      StoredWeight(
        name: values.name, label: label, shape: shape, codes: codes, parts: [scale] + others,
        zeroCodesAreZero: zero && search.location(module + "weight_zero_point") == nil)
    }
    if let (label, shape) = pairs(values, scales) { return weight(label, shape) }
    if search.method == "bitnet", values.dtype == .u8, values.shape.count == 2, scales.elementCount == 1 {
      return weight("BitNet 2-bit", [values.shape[0] * 4, values.shape[1]], zero: false)
    }
    guard float8.contains(values.dtype) || values.dtype == .i8, values.shape.count >= 2,
      let blocks = blocks(values.shape, scales.shape)
    else { return nil }
    return weight("\(QuantizedWeight.kind(values.dtype)) \(blocks)", values.shape)
  }

  /// Two numbers of E2M1 in a byte: NVFP4 with a scale for 16, MXFP4 with one for 32.
  private static func pairs(_ values: TensorInfo, _ scales: TensorInfo) -> (label: String, shape: [Int])? {
    guard values.dtype == .u8 || values.dtype == .i8, values.shape.count >= 2, let bytes = values.shape.last,
      values.shape.dropLast() == scales.shape.dropLast(), let count = scales.shape.last, count > 0
    else { return nil }
    let shape = Array(values.shape.dropLast()) + [bytes * 2]
    switch scales.dtype {
    case .f8E4M3 where bytes == count * 8: return ("NVFP4", shape)
    case .f8E8M0 where bytes == count * 16, .u8 where bytes == count * 16: return ("MXFP4", shape)
    default: return nil
    }
  }

  /// What shares a scale; nil: the shapes do not fit.
  private static func blocks(_ shape: [Int], _ scales: [Int]) -> String? {
    let count = scales.reduce(1, &*)
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    let leading = shape.dropLast(2).reduce(1, &*)
    if count == 1 { return "per tensor" }
    if scales.count == 1 {
      return count == rows && shape.count == 2 ? "per row" : count == leading ? "per expert" : nil
    }
    guard scales.count == shape.count, scales.dropLast(2) == shape.dropLast(2) else {
      return count == leading && shape.count > 2 ? "per expert" : nil
    }
    let (scaleRows, scaleColumns) = (scales[scales.count - 2], scales[scales.count - 1])
    guard (1...max(rows, 1)).contains(scaleRows), (1...max(columns, 1)).contains(scaleColumns) else { return nil }
    if scaleRows == rows, scaleColumns == 1 { return "per row" }
    if scaleRows == 1, scaleColumns == columns { return "per column" }
    if scaleRows == 1, scaleColumns == 1 { return "per expert" }
    return "\(side(rows, scaleRows))x\(side(columns, scaleColumns))"
  }

  /// The smallest power of two that makes as many blocks, the last of which may be ragged; else what divides evenly.
  private static func side(_ size: Int, _ count: Int) -> Int {
    var side = 1
    while (size + side - 1) / side > count { side *= 2 }
    return (size + side - 1) / side == count || size % count != 0 ? side : size / count
  }

  /// bitsandbytes LLM.int8: bytes and a scale per row.
  private static func rowsOfBytes(
    _ search: StoredTensorSearch, _ stem: String, _ scale: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem + ".weight"), search.info(codes).dtype == .i8,
      search.info(scale).elementCount == search.info(codes).shape.first
    else { return nil }
    return StoredWeight(
      name: search.info(codes).name, label: "LLM.int8", shape: search.info(codes).shape, codes: codes,
      parts: [scale] + search.locations(stem, [".weight_format"]), zeroCodesAreZero: true)
  }

  /// EETQ: bytes, stored transposed, and a scale per stored column.
  private static func columnsOfBytes(
    _ search: StoredTensorSearch, _ stem: String, _ scale: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem + ".weight") else { return nil }
    let values = search.info(codes)
    guard values.dtype == .i8, values.shape.count == 2, search.info(scale).shape == [values.shape[1]] else {
      return nil
    }
    return StoredWeight(
      name: values.name, label: "EETQ int8", shape: values.shape.reversed(), codes: codes, parts: [scale],
      zeroCodesAreZero: true)
  }
}
