import Checkpoints
import JSONText
import Safetensors

/// Numbers of 8 bits that nothing scales: what a cast leaves, without a `quant_method`.
struct PlainFP8: QuantizationMethod {
  static let names: [String] = []
  static let fields: [QuantizationField]? = nil
  static let isWrittenBack = false
  /// What messages call it.
  static let title = "fp8 without scales"
  let search: CodedTensors

  /// Numbers of 8 bits that nothing scales: what a cast leaves.
  func tensors() throws -> FoundTensors {
    guard base.config != nil else { return FoundTensors() }
    var found = FoundTensors()
    for location in search.locations(where: { CodedTensors.float8.contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      guard info.shape.count >= 2, info.name.string.hasSuffix(".weight") else { continue }
      let weight = QuantizedWeight(
        format: .numbers, dtype: dtype, codes: search.source(location), scales: search.source(location), map: nil)
      found.tensors.append(
        QuantizedTensor(
          name: info.name, dtype: dtype, shape: info.shape, weight: weight, location: location, parts: []))
    }
    return found
  }
}
