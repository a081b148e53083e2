/// One tensor of a file: what its header entry says.
public struct TensorInfo: Equatable, Sendable {
  public let name: TensorName
  public let dtype: DType
  /// Elements by dimension, row-major; empty for a single element.
  public let shape: [Int]
  /// Bytes from the start of the data buffer.
  public let dataOffsets: Range<Int>

  public init(name: TensorName, dtype: DType, shape: [Int], dataOffsets: Range<Int>) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.dataOffsets = dataOffsets
  }

  public var byteCount: Int { dataOffsets.count }
  /// Fits Int: the header's rules keep the bits of every tensor within 64 bits.
  public var elementCount: Int { shape.reduce(1, &*) }
}

/// The tensors of one file in the order of their data.
///
/// Names and shapes share two buffers: about 50 bytes a tensor beside its name, so that a header of a million tensors
/// costs little more than its own bytes.
public struct TensorTable: RandomAccessCollection, Sendable {
  struct Entry {
    var nameStart: Int
    var begin: UInt64
    var end: UInt64
    var shapeStart: Int
    var nameByteCount: UInt32
    var rank: UInt16
    var dtype: DType
  }

  var entries: [Entry] = []
  var nameBytes: [UInt8] = []
  var dimensions: [UInt64] = []

  public var startIndex: Int { 0 }
  public var endIndex: Int { entries.count }

  public subscript(index: Int) -> TensorInfo {
    TensorInfo(
      name: name(at: index), dtype: dtype(at: index), shape: shape(at: index), dataOffsets: dataOffsets(at: index))
  }

  public func dtype(at index: Int) -> DType { entries[index].dtype }

  public func shape(at index: Int) -> [Int] { shape(of: entries[index]).map(Int.init) }

  public func dataOffsets(at index: Int) -> Range<Int> { Int(entries[index].begin)..<Int(entries[index].end) }

  public func name(at index: Int) -> TensorName { name(of: entries[index]) }

  /// The dimensions, without allocating an array.
  package func dimensions(at index: Int) -> ArraySlice<UInt64> { shape(of: entries[index]) }

  /// Calls `body` with the bytes of a name, without creating a ``TensorName``.
  package func withNameBytes<Value>(at index: Int, _ body: (Span<UInt8>) throws -> Value) rethrows -> Value {
    try body(nameBytes.span.extracting(nameRange(entries[index])))
  }

  func name(of entry: Entry) -> TensorName {
    TensorName(String(decoding: nameBytes[nameRange(entry)], as: UTF8.self))
  }

  /// The `hashValue` of every name, in the order of the table, without making the names.
  package func nameHashes() -> [Int] {
    entries.map { entry in
      var hasher = Hasher()
      unsafe nameBytes.withUnsafeBytes { names in
        unsafe hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: names[nameRange(entry)]))
      }
      return hasher.finalize()
    }
  }

  /// The same tensors with a prefix before every name, in a table of its own.
  package func qualified(by prefix: String) -> TensorTable {
    let prefix = Array(prefix.utf8)
    var table = self
    table.nameBytes = []
    table.nameBytes.reserveCapacity(nameBytes.count + entries.count * prefix.count)
    for (index, entry) in entries.enumerated() {
      table.entries[index].nameStart = table.nameBytes.count
      table.entries[index].nameByteCount = entry.nameByteCount + UInt32(prefix.count)
      table.nameBytes += prefix
      table.nameBytes += nameBytes[nameRange(entry)]
    }
    return table
  }

  func nameRange(_ entry: Entry) -> Range<Int> { entry.nameStart..<entry.nameStart + Int(entry.nameByteCount) }

  func shape(of entry: Entry) -> ArraySlice<UInt64> {
    dimensions[entry.shapeStart..<entry.shapeStart + Int(entry.rank)]
  }

  /// The bytes that `entries` and the shared buffers hold.
  public var memoryByteCount: Int {
    entries.capacity * MemoryLayout<Entry>.stride + nameBytes.capacity
      + dimensions.capacity * MemoryLayout<UInt64>.stride
  }
}
