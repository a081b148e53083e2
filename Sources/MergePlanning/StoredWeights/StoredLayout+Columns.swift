import Checkpoints
import Safetensors

/// GPTQ, AWQ and their relatives: codes in words, packed along the columns or the rows of the weight.
///
/// Sources: GPTQModel 7, AutoAWQ 0.2 (gemm, gemv, gemv_fast), exllamav2, exllamav3.
extension StoredLayout {
  static let columns: [StoredLayout] = [
    StoredLayout(ending: ".qweight", weight: words),
    StoredLayout(ending: ".q_weight", weight: exllama2),
    StoredLayout(ending: ".trellis", weight: exllama3),
  ]

  private static func words(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    guard let scale = search.location(stem + ".scales") else { return nil }
    let values = search.info(codes)
    let scales = search.info(scale).shape
    guard values.shape.count == 2, scales.count == 2 else { return nil }
    let zero = search.location(stem + ".qzeros") ?? search.location(stem + ".scaled_zeros")
    func weight(_ label: String, _ shape: [Int]) -> StoredWeight {
      StoredWeight(
        name: TensorName(stem + ".weight"), label: label, shape: shape, codes: codes,
        parts: [scale] + [zero].compactMap { $0 } + search.locations(stem, [".g_idx"]))
    }
    if values.dtype == .i16, zero != nil, values.shape[0] <= Int.max / 4, scales[1] == values.shape[0] * 4 {
      return weight("AWQ 4-bit gemv_fast", [scales[1], values.shape[1]])
    }
    guard values.dtype == .i32, let zeros = zero.map({ search.info($0).shape }), zeros.count == 2,
      let (label, shape) = shape(values.shape, scales, zeros)
    else { return nil }
    return weight(label, shape)
  }

  /// What words of 32 bits, scales and zero points of these shapes make.
  private static func shape(
    _ values: [Int], _ scales: [Int], _ zeros: [Int]
  ) -> (label: String, shape: [Int])? {
    guard scales[1] > 0, values[0] <= Int.max / 32, values[1] <= Int.max / 32, zeros[1] <= Int.max / 32 else {
      return nil
    }
    if zeros[1] * 32 % scales[1] == 0 {
      let (rows, bits) = (scales[1], zeros[1] * 32 / scales[1])
      if values[1] == rows, (1...16).contains(bits), values[0] * 32 % bits == 0 {
        return ("GPTQ \(bits)-bit", [rows, values[0] * 32 / bits])
      }
    }
    guard scales[1] == zeros[1] * 8, scales[0] == zeros[0] else { return nil }
    // A row of words for a row of the weight; the scales of a row are in that row too, padded.
    if values[0] == scales[0], values[1] > zeros[1] { return ("AWQ 4-bit gemv", [values[0], values[1] * 8]) }
    return values[1] == zeros[1] ? ("AWQ 4-bit", [scales[1], values[0]]) : nil
  }

  /// EXL2: rows of the weight have an order of their own, whose length is the number of inputs.
  private static func exllama2(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    let values = search.info(codes)
    guard values.dtype == .i32, values.shape.count == 2, let scale = search.location(stem + ".q_scale"),
      let order = search.location(stem + ".q_invperm") ?? search.location(stem + ".q_perm")
    else { return nil }
    return StoredWeight(
      name: TensorName(stem + ".weight"), label: "EXL2", shape: [values.shape[1], search.info(order).elementCount],
      codes: codes,
      parts: [scale] + search.locations(stem, [".q_scale_max", ".q_groups", ".q_invperm", ".q_perm", ".q_group_map"]))
  }

  /// EXL3: tiles of 16 by 16, with signs for inputs and outputs.
  private static func exllama3(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    let values = search.info(codes)
    guard values.dtype == .i16, values.shape.count == 3, values.shape[2] % 16 == 0, values.shape[0] <= Int.max / 16,
      values.shape[1] <= Int.max / 16
    else { return nil }
    let parts = search.locations(stem, [".suh", ".svh", ".su", ".sv", ".mcg", ".mul1"])
    guard !parts.isEmpty else { return nil }
    return StoredWeight(
      name: TensorName(stem + ".weight"), label: "EXL3 \(values.shape[2] / 16)-bit",
      shape: [values.shape[1] * 16, values.shape[0] * 16], codes: codes, parts: parts)
  }
}
