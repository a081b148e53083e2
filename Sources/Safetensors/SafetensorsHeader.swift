import Platform

/// The header of one safetensors file, checked against every rule of the format.
public struct SafetensorsHeader: Sendable {
  /// The limit of the reference (safetensors 0.8.0), in bytes.
  public static let largestHeaderByteCount = 100_000_000

  /// One key and value of `__metadata__`.
  public struct MetadataEntry: Equatable, Sendable {
    public let key: String
    public let value: String

    public init(key: String, value: String) {
      self.key = key
      self.value = value
    }
  }

  /// `__metadata__` in the order of the file; nil where it is absent or null.
  public let metadata: [MetadataEntry]?
  public private(set) var tensors: TensorTable
  /// N of the format: the JSON text and its padding, in bytes.
  public let headerByteCount: Int
  public let fileByteCount: Int
  /// The identity of the file, checked again when its data is read.
  package let identity: SystemCalls.Identity

  /// Where the data buffer begins in the file.
  public var dataStart: Int { 8 + headerByteCount }
  public var dataByteCount: Int { fileByteCount - dataStart }

  /// Reads and checks the header of the file at `path`; the data is not touched.
  ///
  /// The rules and their order are those of the reference's `SafeTensors::read_metadata` (safetensors 0.8.0). Stricter
  /// than it: a duplicate key, a NUL in a key, an integer beyond Int64, a tensor written as an array, an entry longer
  /// than 64 KiB, a name longer than 1 MiB and more than 65,536 entries of `__metadata__` are refused.
  public init(path: String) throws(SafetensorsError) {
    let file = try SafetensorsError.attempt { () throws(FileError) in try InputFile(path: path) }
    try self.init(file)
  }

  package init(_ file: InputFile) throws(SafetensorsError) {
    var parser = HeaderParser(path: file.path)
    let byteCount = try parser.headerByteCount(file)
    let text = try SafetensorsError.attempt { () throws(FileError) in try file.bytes(8..<8 + byteCount) }
    try parser.parse(text.span, fileByteCount: file.byteCount)
    metadata = parser.metadata
    tensors = parser.table
    headerByteCount = byteCount
    fileByteCount = file.byteCount
    identity = file.identity
  }

  /// The same header with a prefix before every tensor's name, which distinguishes files of one model with equal names.
  package func qualified(by prefix: String) -> SafetensorsHeader {
    var header = self
    header.tensors = tensors.qualified(by: prefix)
    return header
  }

  /// Reads and checks the header at the beginning of a stream. The data behind it is not read, so that the
  /// file's length is taken from the header.
  ///
  /// - Parameters:
  ///   - stream: A descriptor that is open for reading.
  ///   - name: What errors call it.
  package init(stream: Int32, name: String) throws(SafetensorsError) {
    func attempt<Value>(_ body: () throws(SystemCalls.Failure) -> Value) throws(SafetensorsError) -> Value {
      try SafetensorsError.attempt { () throws(FileError) in try FileError.attempt(name, body) }
    }
    func read(_ byteCount: Int) throws(SafetensorsError) -> [UInt8] {
      try attempt { () throws(SystemCalls.Failure) in try SystemCalls.readNext(stream, byteCount: byteCount) }
    }
    var parser = HeaderParser(path: name)
    let length = try read(8)
    guard length.count == 8 else {
      throw SafetensorsError(path: name, .truncated(found: UInt64(length.count), expected: 8))
    }
    let byteCount = try parser.headerByteCount(length, fileByteCount: nil)
    let text = try read(byteCount)
    guard text.count == byteCount else {
      throw SafetensorsError(path: name, .truncated(found: UInt64(8 + text.count), expected: UInt64(8 + byteCount)))
    }
    try parser.parse(text.span, fileByteCount: nil)
    metadata = parser.metadata
    tensors = parser.table
    headerByteCount = byteCount
    fileByteCount = 8 + byteCount + (parser.table.entries.last.map { Int($0.end) } ?? 0)
    identity = try attempt { () throws(SystemCalls.Failure) in try SystemCalls.identity(stream) }
  }
}
