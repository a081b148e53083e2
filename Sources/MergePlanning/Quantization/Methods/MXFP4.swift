import Checkpoints
import JSONText
import Safetensors

/// MXFP4 of gpt-oss.
struct MXFP4: QuantizationMethod {
  static let names = ["mxfp4"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "modules_to_not_convert")
    + QuantizationField.harmless(QuantizationField.loadingOnly, "dequantize")
  let search: CodedTensors

  /// MXFP4 of gpt-oss: `X_blocks` (experts, out, groups, 16) and `X_scales` (experts, out, groups) are X, (experts, in,
  /// out).
  func tensors() throws -> FoundTensors {
    var found = FoundTensors()
    for location in search.locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix("_blocks") }) {
      let name = String(base.tensor(at: location).name.string.dropLast("_blocks".count))
      try found.add(name) { try mxfp4Group(location, name) }
    }
    return found
  }

  private func mxfp4Group(_ location: Checkpoint.Location, _ name: String) throws(PlanError) -> QuantizedTensor {
    let info = base.tensor(at: location)
    let shape = info.shape
    guard info.dtype == .u8, shape.count == 4, shape[3] == 16, shape[2] <= Int.max / 32,
      base.location(of: TensorName(name)) == nil
    else {
      throw search.error(location, .quantizedScheme("blocks of \(info.dtype.name) \(shape)"))
    }
    let scales = try search.part(name + "_scales", of: location)
    try search.check(scales, dtypes: [.u8], shapes: [Array(shape.dropLast())], of: location)
    let weight = QuantizedWeight(
      format: .mxfp4, dtype: dtype, codes: search.source(location), scales: search.source(scales), map: nil)
    return QuantizedTensor(
      name: TensorName(name), dtype: dtype, shape: [shape[0], shape[2] * 32, shape[1]], weight: weight,
      location: location, parts: [scales])
  }
}
