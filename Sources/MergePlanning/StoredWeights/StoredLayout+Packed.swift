import Checkpoints
import JSONText
import Safetensors

/// Several codes in a byte or a word, along the rows of the weight.
///
/// Sources: compressed-tensors 0.20, transformers 5.24 (MXFP4), bitsandbytes 0.48, mlx, nunchaku.
extension StoredLayout {
  static let packed: [StoredLayout] = [
    StoredLayout(ending: "_packed", weight: packedRows),
    StoredLayout(ending: "_blocks", weight: microscaled),
    StoredLayout(ending: ".absmax", weight: fourBits),
    StoredLayout(ending: ".scales", weight: mlxWords),
    StoredLayout(ending: ".wscales", weight: nunchaku),
    StoredLayout(ending: ".bitmask", weight: sparse),
  ]

  /// compressed-tensors: integers in words of 32 bits, or pairs of E2M1.
  private static func packedRows(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    let values = search.info(codes)
    guard values.shape.count >= 2, let words = values.shape.last, let scale = search.location(stem + "_scale") else {
      return nil
    }
    let module = stem.hasSuffix("weight") ? String(stem.dropLast("weight".count)) : stem + "_"
    let parts =
      [scale] + search.locations(stem, ["_shape", "_zero_point", "_g_idx", "_global_scale"])
      + search.locations(module, ["input_global_scale", "input_scale", "input_zero_point", "pre_quant_scale"])
    func weight(_ label: String, _ shape: [Int]?, zero: Bool) -> StoredWeight {
      StoredWeight(
        name: TensorName(stem), label: label, shape: shape, codes: codes, parts: parts, zeroCodesAreZero: zero)
    }
    if values.dtype == .u8 {
      let isMX = [.u8, .f8E8M0].contains(search.info(scale).dtype)
      let label = isMX ? "MXFP4" : search.location(stem + "_global_scale") == nil ? "FP4" : "NVFP4"
      return weight(label, values.shape.dropLast() + [words * 2], zero: true)
    }
    guard values.dtype == .i32 else { return nil }
    guard let shape = search.shape(search.location(stem + "_shape")), shape.count == values.shape.count,
      shape.dropLast() == values.shape.dropLast(), let columns = shape.last, columns > 0
    else { return weight("packed", nil, zero: false) }
    // 32 / bits values a word, and a last word that is not full.
    let bits = (1...16).first { 32 % $0 == 0 && (columns + 32 / $0 - 1) / (32 / $0) == words }
    return weight(bits.map { "INT\($0) packed" } ?? "packed", shape, zero: false)
  }

  /// MXFP4: 32 numbers of four bits and a scale for them; stacks of experts are stored with the last two dimensions
  /// exchanged.
  private static func microscaled(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    guard let scale = search.location(stem + "_scales") else { return nil }
    let (blocks, scales) = (search.info(codes), search.info(scale))
    guard blocks.dtype == .u8, [.u8, .f8E8M0].contains(scales.dtype), blocks.shape.last == 16,
      blocks.shape.dropLast().elementsEqual(scales.shape), scales.shape.count >= 2, let count = scales.shape.last
    else { return nil }
    var shape = scales.shape.dropLast() + [count * 32]
    if shape.count >= 3 { shape.swapAt(shape.endIndex - 1, shape.endIndex - 2) }
    return StoredWeight(
      name: TensorName(stem), label: "MXFP4", shape: Array(shape), codes: codes, parts: [scale], zeroCodesAreZero: true)
  }

  /// bitsandbytes: pairs of NF4 or FP4 in bytes, which may be kept as another dtype (`bnb_4bit_quant_storage`); the shape
  /// stands in JSON that is kept as a tensor.
  private static func fourBits(
    _ search: StoredTensorSearch, _ stem: String, _ maxima: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem), [.u8, .i8, .bf16, .f16, .f32].contains(search.info(codes).dtype) else {
      return nil
    }
    let kind = ["nf4", "fp4"].first { search.location("\(stem).quant_state.bitsandbytes__\($0)") != nil }
    let state = kind.flatMap { search.location("\(stem).quant_state.bitsandbytes__\($0)") }
    // Without any of the other parts the name alone says too little of a tensor of numbers.
    guard state != nil || search.location("\(stem).quant_map") != nil else { return nil }
    let parts =
      [maxima] + search.locations(stem, [".quant_map", ".nested_absmax", ".nested_quant_map"])
      + [state].compactMap { $0 }
    let text = state.flatMap(search.bytes).flatMap { try? JSONParser.parse($0.span) }
    let byteCount = search.info(codes).byteCount
    let shape = StoredTensorSearch.shape(text?["shape"]).flatMap { shape in
      (shape.reduce(1, &*) + 1) / 2 == byteCount ? shape : nil
    }
    return StoredWeight(
      name: TensorName(stem), label: kind?.uppercased() ?? "4-bit", shape: shape,
      elementCount: shape == nil ? byteCount * 2 : nil, codes: codes, parts: parts)
  }

  /// MLX: integers in words of 32 bits with scales and biases, or E2M1 and E4M3 with scales alone.
  private static func mlxWords(
    _ search: StoredTensorSearch, _ stem: String, _ scale: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem + ".weight") else { return nil }
    let (values, scales) = (search.info(codes), search.info(scale))
    guard values.dtype == .u32, values.shape.count >= 2, values.shape.dropLast() == scales.shape.dropLast(),
      let words = values.shape.last, let groups = scales.shape.last, groups > 0
    else { return nil }
    let biases = search.locations(stem, [".biases"])
    // A module may have a scheme of its own.
    let scheme = search.mlx.map { all in all[stem].map { $0["bits"] == nil ? all : $0 } ?? all }
    let said = StoredTensorSearch.integer(scheme?["bits"])
    var label = "MLX"
    var bits = said
    if biases.isEmpty, scales.dtype == .u8 {
      // The scales of the floating-point modes are bytes: of 32 numbers, or 16 for nvfp4.
      let modes = [("MXFP4", 4, 32), ("NVFP4", 4, 16), ("MXFP8", 8, 32)]
      guard let mode = modes.first(where: { words * 32 == groups * $0.1 * $0.2 }) else { return nil }
      (label, bits) = ("MLX \(mode.0)", mode.1)
    } else if let said {
      label = "MLX \(said)-bit"
    }
    let shape = bits.flatMap { bits -> [Int]? in
      guard (1...32).contains(bits), words <= Int.max / 32, words * 32 % bits == 0 else { return nil }
      let columns = words * 32 / bits
      return columns % groups == 0 ? values.shape.dropLast() + [columns] : nil
    }
    return StoredWeight(
      name: values.name, label: label, shape: shape, codes: codes, parts: [scale] + biases,
      zeroCodesAreZero: label == "MLX MXFP4" || label == "MLX NVFP4" || label == "MLX MXFP8")
  }

  /// SVDQuant: pairs of integers in bytes; its low-rank part stays tensors of numbers.
  private static func nunchaku(
    _ search: StoredTensorSearch, _ stem: String, _ scale: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem + ".qweight"), search.info(codes).dtype == .i8,
      search.info(codes).shape.count == 2
    else { return nil }
    let shape = search.info(codes).shape
    return StoredWeight(
      name: TensorName(stem + ".weight"), label: "SVDQuant 4-bit", shape: [shape[0], shape[1] * 2], codes: codes,
      parts: [scale] + search.locations(stem, [".smooth_factor", ".smooth_factor_orig", ".wtscale", ".wcscales"]))
  }

  /// compressed-tensors, `sparse-24-bitmask` and `sparse-bitmask`: the numbers that are not 0, and where they are.
  private static func sparse(
    _ search: StoredTensorSearch, _ stem: String, _ mask: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem + ".compressed"), search.info(mask).dtype == .u8,
      let shape = search.shape(search.location(stem + ".shape"))
    else { return nil }
    let dtype = search.info(codes).dtype
    let kind = dtype.bitCount == 8 ? QuantizedWeight.kind(dtype) : dtype.name
    return StoredWeight(
      name: TensorName(stem + ".weight"), label: "\(kind) sparse", shape: shape, codes: codes,
      parts: [mask] + search.locations(stem, [".shape", ".row_offsets", ".weight_scale", ".input_scale"]))
  }
}
