import Checkpoints
import JSONText
import Safetensors

/// Numbers of 8 bits that nothing scales: what a cast leaves, without a `quant_method`.
///
/// In a folder of diffusers too, such as one that was saved with layerwise casting: each tensor is converted from its own dtype when it
/// is loaded. Scales beside them have no reader there. Source: diffusers 0.42.1 `load_model_dict_into_meta`.
struct PlainFP8: QuantizationMethod {
  static let names: [String] = []
  static let fields: [QuantizationField]? = nil
  static let isWrittenBack = false
  /// What messages call it.
  static let title = "fp8 without scales"
  let search: CodedTensors

  /// Numbers of 8 bits that nothing scales: what a cast leaves.
  func tensors() throws -> FoundTensors {
    guard base.config != nil || base.layout == .pipeline else { return FoundTensors() }
    var found = FoundTensors()
    for location in search.locations(where: { CodedTensors.float8.contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      guard info.shape.count >= 2, info.name.string.hasSuffix(".weight") else { continue }
      let dtype = dtype(of: location)
      let weight = QuantizedWeight(
        format: .numbers, dtype: dtype, codes: search.source(location), scales: search.source(location), map: nil)
      found.tensors.append(
        QuantizedTensor(
          name: info.name, dtype: dtype, shape: info.shape, weight: weight, location: location, parts: []))
    }
    return found
  }

  /// What the numbers are written as: the dtype of config.json, or in diffusers, whose configs have none, that of their neighbors.
  private func dtype(of location: Checkpoint.Location) -> DType {
    guard base.layout == .pipeline || base.config?["_class_name"] != nil else { return dtype }
    let part = base.files[location.file].part
    return search.mostCommonDType(inPart: part)
  }
}
