import Checkpoints
import JSONText
import Safetensors

/// Tensor classes of torchao and optimum-quanto, whose names are the parts of one tensor of the model.
///
/// Sources: torchao 0.18 `flatten_tensor_state_dict`, optimum-quanto 0.2.7 `save_to_state_dict`.
extension StoredLayout {
  static let described: [StoredLayout] = [
    StoredLayout(ending: "_qdata", weight: torchao),
    StoredLayout(ending: "._scale", weight: quanto),
  ]

  private static let torchaoParts = [
    "scale", "zero_point", "scale_and_zero", "group_scale", "group_zero", "row_scale", "per_tensor_scale",
    "act_per_tensor_scale", "act_quant_scale", "act_quant_zero_point", "act_pre_scale",
  ]

  /// `X._weight_qdata` and its neighbors are `X.weight`.
  private static func torchao(
    _ search: StoredTensorSearch, _ stem: String, _ codes: Checkpoint.Location
  ) -> StoredWeight? {
    guard let dot = stem.lastIndex(of: "."), stem[dot...].hasPrefix("._"), stem[dot...].count > 2 else { return nil }
    let name = "\(stem[..<dot]).\(stem[dot...].dropFirst(2))"
    let parts = search.locations(stem + "_", torchaoParts)
    guard !parts.isEmpty, search.location(name) == nil else { return nil }
    let values = search.info(codes)
    let description = search.descriptions[TensorName(name)]
    var kind: String?
    if case .string(let type)? = description?["_type"] { kind = type.replacingSuffix("Tensor") }
    let written = StoredTensorSearch.shape(description?["_data"]?["shape"])
    var shape: [Int]? = values.shape
    if let written {
      shape = written
    } else if ["NVFP4", "MX"].contains(kind ?? ""), values.dtype == .u8, let bytes = values.shape.last {
      shape = values.shape.dropLast() + [bytes * 2]
    } else if kind == nil, ![.i8, .f8E4M3, .f8E5M2].contains(values.dtype) {
      // Packed in a way that nothing here says.
      shape = nil
    }
    let isFloat8 = [.f8E4M3, .f8E5M2].contains(values.dtype)
    return StoredWeight(
      name: TensorName(name), label: "torchao \(kind ?? (isFloat8 ? "Float8" : values.dtype.name))", shape: shape,
      codes: codes, parts: parts, zeroCodesAreZero: isFloat8)
  }

  /// `X._data` with `X._scale` is X; of 4 and 2 bits `X._data._data`, packed, with `X._shift`.
  private static func quanto(
    _ search: StoredTensorSearch, _ stem: String, _ scale: Checkpoint.Location
  ) -> StoredWeight? {
    let module = stem.hasSuffix("weight") ? String(stem.dropLast("weight".count)) : stem + "_"
    let others = search.locations(stem, ["._shift"]) + search.locations(module, ["input_scale", "output_scale"])
    if let codes = search.location(stem + "._data") {
      let values = search.info(codes)
      guard values.dtype.bitCount == 8, values.dtype != .bool else { return nil }
      return StoredWeight(
        name: TensorName(stem), label: "quanto \(QuantizedWeight.kind(values.dtype).lowercased())", shape: values.shape,
        codes: codes, parts: [scale] + others, zeroCodesAreZero: others.isEmpty)
    }
    guard let codes = search.location(stem + "._data._data"), search.info(codes).dtype == .u8 else { return nil }
    // Groups of 128 share a scale unless the matrix is narrower; the shape of the weight is lost in the grouping.
    let byteCount = search.info(codes).elementCount
    let grouped = search.info(scale).elementCount.multipliedReportingOverflow(by: 128)
    let bits = [4, 2].first {
      !grouped.overflow && byteCount <= Int.max / 4 && byteCount * 8 / $0 == grouped.partialValue
    }
    return StoredWeight(
      name: TensorName(stem), label: bits.map { "quanto int\($0)" } ?? "quanto", shape: nil,
      elementCount: bits.map { byteCount * 8 / $0 }, codes: codes, parts: [scale] + others)
  }
}

extension String {
  /// Without `suffix`, where it ends so.
  fileprivate func replacingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
  }
}
