import JSONText
import Platform

/// Lays tensors out in a file and writes the header that describes them.
public struct HeaderEncoder: Sendable {
  /// A tensor to be written: its entry without the offsets.
  public struct Tensor: Equatable, Sendable {
    public let name: TensorName
    public let dtype: DType
    public let shape: [Int]
    public let byteCount: Int

    /// - Throws: `overflow` or `partialByte` if the elements of `shape` do not take a whole number of bytes below 2^61,
    ///   `schema` if a dimension is negative.
    public init(name: TensorName, dtype: DType, shape: [Int]) throws(SafetensorsError) {
      self.name = name
      self.dtype = dtype
      self.shape = shape
      guard shape.allSatisfy({ $0 >= 0 }) else {
        throw SafetensorsError(path: "", .schema("shape \(shape) holds a negative number"), tensor: name)
      }
      switch dtype.extent(shape: shape) {
      case .bytes(let count): byteCount = count
      case .overflow:
        throw SafetensorsError(path: "", .overflow(shape: shape.map(UInt64.init), dtype: dtype), tensor: name)
      case .partialByte:
        throw SafetensorsError(path: "", .partialByte(shape: shape.map(UInt64.init), dtype: dtype), tensor: name)
      }
    }
  }

  /// The file's first bytes: N, the JSON text, and spaces up to a multiple of 8.
  public let bytes: [UInt8]
  /// Where each tensor's data goes, in the order given, counted from the start of the data buffer.
  public let dataOffsets: [Range<Int>]

  /// The block of file systems that can share parts of files (XFS, btrfs) on the usual page size.
  public static let blockByteCount = SystemCalls.blockByteCount

  public var dataByteCount: Int { dataOffsets.last?.upperBound ?? 0 }
  public var fileByteCount: Int { bytes.count + dataByteCount }

  /// Describes `tensors` in the order given, without gaps.
  ///
  /// The bytes are those of `safetensors` 0.8.0 `serialize` for the same order: compact JSON, `__metadata__` first,
  /// then dtype, shape and data_offsets of each tensor.
  ///
  /// - Parameters:
  ///   - path: The file, for errors.
  ///   - metadata: Written in the given order; nil for none.
  ///   - tensors: In the order of their data.
  ///   - phase: Where the data should start, modulo ``blockByteCount``: the JSON text is then padded with more spaces,
  ///     so that data copied from a file with the same phase can share that file's blocks. It is ignored if it is not a
  ///     multiple of 8. Nil: only the padding that the format requires.
  /// - Throws: `headerTooLarge` if the header does not fit the format's limit.
  public init(
    path: String, metadata: [SafetensorsHeader.MetadataEntry]?, tensors: [Tensor], phase: Int? = nil
  ) throws(SafetensorsError) {
    var writer = JSONWriter()
    var offsets: [Range<Int>] = []
    offsets.reserveCapacity(tensors.count)
    writer.beginObject()
    if let metadata {
      writer.key("__metadata__")
      writer.beginObject()
      for entry in metadata {
        writer.key(entry.key)
        writer.value(entry.value)
      }
      writer.end()
    }
    var begin = 0
    for tensor in tensors {
      let range = begin..<begin + tensor.byteCount
      begin = range.upperBound
      offsets.append(range)
      writer.key(tensor.name.string)
      writer.beginObject()
      writer.key("dtype")
      writer.value(tensor.dtype.name)
      writer.key("shape")
      writer.value(tensor.shape)
      writer.key("data_offsets")
      writer.value([range.lowerBound, range.upperBound])
      writer.end()
    }
    writer.end()
    var padding = (8 - writer.bytes.count % 8) % 8
    if let phase, phase % 8 == 0 {
      let start = 8 + writer.bytes.count + padding
      padding += ((phase - start) % Self.blockByteCount + Self.blockByteCount) % Self.blockByteCount
    }
    let byteCount = writer.bytes.count + padding
    guard byteCount <= SafetensorsHeader.largestHeaderByteCount else {
      throw SafetensorsError(path: path, .headerTooLarge(byteCount: UInt64(byteCount), lookalike: nil))
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + byteCount)
    for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: byteCount >> shift)) }
    bytes.append(contentsOf: writer.bytes)
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: padding))
    self.bytes = bytes
    dataOffsets = offsets
  }

  /// The order in which `safetensors` 0.8.0 writes tensors: by dtype, the widest first, then by name.
  public static func precedes(_ left: Tensor, _ right: Tensor) -> Bool {
    left.dtype == right.dtype ? left.name < right.name : left.dtype > right.dtype
  }
}
