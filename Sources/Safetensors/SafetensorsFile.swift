import Platform

/// One safetensors file, opened for reading: its header in memory, its data mapped.
public final class SafetensorsFile: Sendable {
  public let path: String
  public let header: SafetensorsHeader
  private let map: MappedFile
  private let indexByName: [TensorName: Int]

  /// Opens the file at `path` and checks its header; see ``SafetensorsHeader/init(path:)``.
  public init(path: String) throws(SafetensorsError) {
    let file = try SafetensorsError.attempt { () throws(FileError) in try InputFile(path: path) }
    self.path = path
    header = try SafetensorsHeader(file)
    map = try SafetensorsError.attempt { () throws(FileError) in try MappedFile(file) }
    indexByName = Dictionary(
      uniqueKeysWithValues: header.tensors.indices.map { [header] in (header.tensors.name(at: $0), $0) })
  }

  /// The header's entry for the tensor called `name`; nil if there is none.
  public func tensor(_ name: TensorName) -> TensorInfo? { indexByName[name].map { header.tensors[$0] } }

  /// Calls `body` with the tensor's bytes as stored in the file: little-endian, row-major, at any alignment.
  ///
  /// - Throws: `noSuchTensor`, or what `body` throws.
  public func withBytes<Result: ~Copyable>(
    of name: TensorName, _ body: (RawSpan) throws(SafetensorsError) -> Result
  ) throws(SafetensorsError) -> Result {
    guard let tensor = tensor(name) else { throw SafetensorsError(path: path, .noSuchTensor, tensor: name) }
    let range = header.dataStart + tensor.dataOffsets.lowerBound..<header.dataStart + tensor.dataOffsets.upperBound
    return try map.withBytes(range, body)
  }
}
