import Platform

/// Writes whole safetensors files from tensors in memory.
public enum SafetensorsWriter {
  /// Writes `tensors` to `path` in the reference's order and with its header bytes (safetensors 0.8.0 `save_file`).
  ///
  /// The file appears under its name when it is complete, with the permissions that the umask leaves; a file that was
  /// there is replaced.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - metadata: Written in the given order; nil for none.
  ///   - tensors: The entry of each tensor and its bytes, little-endian and row-major.
  /// - Throws: `sizeMismatch` if a tensor's bytes are not as many as its entry says, `duplicateKey` (also for a tensor
  ///   called `__metadata__`), `system`.
  public static func write(
    path: String, metadata: [SafetensorsHeader.MetadataEntry]? = nil,
    tensors: [(tensor: HeaderEncoder.Tensor, bytes: [UInt8])]
  ) throws(SafetensorsError) {
    let ordered = tensors.sorted { HeaderEncoder.precedes($0.tensor, $1.tensor) }
    var keys: Set<TensorName> = []
    for entry in metadata ?? [] where !keys.insert(TensorName(entry.key)).inserted {
      throw SafetensorsError(path: path, .duplicateKey(entry.key))
    }
    var names: Set<TensorName> = ["__metadata__"]
    for (tensor, bytes) in ordered {
      guard names.insert(tensor.name).inserted else {
        throw SafetensorsError(path: path, .duplicateKey(tensor.name.string), tensor: tensor.name)
      }
      guard tensor.byteCount == bytes.count else {
        throw SafetensorsError(
          path: path,
          .sizeMismatch(
            shape: tensor.shape.map(UInt64.init), dtype: tensor.dtype, expected: UInt64(tensor.byteCount),
            found: UInt64(bytes.count)),
          tensor: tensor.name)
      }
    }
    let header = try HeaderEncoder(path: path, metadata: metadata, tensors: ordered.map(\.tensor))
    try SafetensorsError.attempt { () throws(FileError) in
      let file = try OutputFile(path: path, byteCount: header.fileByteCount)
      try unsafe file.write(header.bytes.span.bytes, at: 0)
      for (range, element) in zip(header.dataOffsets, ordered) {
        try unsafe file.write(element.bytes.span.bytes, at: header.bytes.count + range.lowerBound)
      }
      try file.commit(replacing: true)
    }
  }
}
