import AdapterWriting
import MergePlanning
import Safetensors

/// A tensor of numbers in a file.
struct StoredTensor: Sendable {
  /// Where it is among the inputs of its plan.
  let source: MergePlan.Source
  let shape: [Int]
  let path: String
  let header: SafetensorsHeader

  init(_ source: MergePlan.Source, shape: [Int], path: String, header: SafetensorsHeader) {
    (self.source, self.shape, self.path, self.header) = (source, shape, path, header)
  }

  /// The tensor in an adapter under this name.
  func copy(as name: String) throws(SafetensorsError) -> CopiedTensor {
    let start = source.range.lowerBound - header.dataStart
    let info = TensorInfo(
      name: TensorName(name), dtype: source.dtype, shape: shape, dataOffsets: start..<start + source.range.count)
    return try CopiedTensor(name: name, info, path: path, header: header)
  }
}
