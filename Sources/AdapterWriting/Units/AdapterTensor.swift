import Safetensors

/// A tensor of an adapter that is being written, with its data.
public struct AdapterTensor: Sendable {
  /// Its name, dtype and shape.
  public let entry: HeaderEncoder.Tensor
  /// As many as the entry says: little-endian, row-major.
  public let bytes: [UInt8]

  /// - Throws: `SafetensorsError` if the shape has no size, or the data another one.
  public init(name: String, dtype: DType, shape: [Int], bytes: [UInt8]) throws(SafetensorsError) {
    entry = try HeaderEncoder.Tensor(name: TensorName(name), dtype: dtype, shape: shape)
    self.bytes = bytes
    guard bytes.count == entry.byteCount else {
      throw SafetensorsError(
        path: "",
        .sizeMismatch(
          shape: shape.map(UInt64.init), dtype: dtype, expected: UInt64(entry.byteCount), found: UInt64(bytes.count)),
        tensor: entry.name)
    }
  }
}
