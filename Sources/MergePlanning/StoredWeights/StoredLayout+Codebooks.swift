import Checkpoints
import Safetensors

/// Codes into tables of numbers, and integers with their shape beside them.
///
/// Sources: aqlm 1.1, hqq 0.2.
extension StoredLayout {
  static let codebooks: [StoredLayout] = [
    StoredLayout(ending: ".codebooks", weight: additive),
    StoredLayout(ending: ".W_q", weight: halfQuadratic),
  ]

  /// AQLM: codes (out / group, in / group, books), books (books, entries, out group, in group).
  private static func additive(
    _ search: StoredTensorSearch, _ stem: String, _ books: Checkpoint.Location
  ) -> StoredWeight? {
    guard let codes = search.location(stem + ".codes"), let scale = search.location(stem + ".scales") else {
      return nil
    }
    let (values, tables) = (search.info(codes).shape, search.info(books).shape)
    guard values.count == 3, tables.count == 4, values[2] == tables[0], values[0] <= Int.max / max(tables[2], 1),
      values[1] <= Int.max / max(tables[3], 1)
    else { return nil }
    return StoredWeight(
      name: TensorName(stem + ".weight"), label: "AQLM", shape: [values[0] * tables[2], values[1] * tables[3]],
      codes: codes, parts: [books, scale])
  }

  /// HQQ: its settings are next to the codes, each in a tensor.
  private static func halfQuadratic(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    let names = [
      "scale", "zero", "shape", "nbits", "axis", "group_size", "packing", "unpack_view_dtype", "view_as_float",
      "compute_dtype", "quant_scale", "quant_zero", "channel_wise", "optimize", "round_zero", "stores_quant_config",
      "encoded_state_dict", "offload_meta",
    ]
    guard let scale = search.location(stem + ".scale"), let shape = search.location(stem + ".shape") else { return nil }
    let bits = search.location(stem + ".nbits").flatMap { search.shape($0) }?.first
    return StoredWeight(
      name: TensorName(stem + ".weight"), label: bits.map { "HQQ \($0)-bit" } ?? "HQQ", shape: search.shape(shape),
      codes: codes,
      parts: [scale] + search.locations(stem + ".", names).filter { $0 != scale })
  }
}
