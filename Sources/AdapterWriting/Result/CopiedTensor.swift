import Platform
import Safetensors

/// A tensor of an adapter that is the bytes of a tensor of an input, under another name perhaps.
public struct CopiedTensor: Sendable {
  /// Its entry in the adapter.
  public let entry: HeaderEncoder.Tensor
  /// The input.
  public let path: String
  /// What the input was when its header was read.
  let identity: SystemCalls.Identity?
  /// The data in the input.
  let range: Range<Int>

  /// - Parameters:
  ///   - name: In the adapter.
  ///   - tensor: In the input.
  ///   - path: The input.
  ///   - header: The input's.
  ///   - shape: In the adapter, where it is another one of as many elements; nil: the tensor's.
  /// - Throws: `SafetensorsError` if the shape has another size than the tensor.
  public init(
    name: String, _ tensor: TensorInfo, path: String, header: SafetensorsHeader, shape: [Int]? = nil
  ) throws(SafetensorsError) {
    entry = try HeaderEncoder.Tensor(name: TensorName(name), dtype: tensor.dtype, shape: shape ?? tensor.shape)
    self.path = path
    identity = header.identity
    range = header.dataStart + tensor.dataOffsets.lowerBound..<header.dataStart + tensor.dataOffsets.upperBound
    guard entry.byteCount == range.count else {
      throw SafetensorsError(
        path: path,
        .sizeMismatch(
          shape: entry.shape.map(UInt64.init), dtype: entry.dtype, expected: UInt64(entry.byteCount),
          found: UInt64(range.count)), tensor: entry.name)
    }
  }
}
