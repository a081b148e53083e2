import Dispatch
import Platform
import Safetensors
import Synchronization

/// Writes files of tensors with random values, or with holes in their place.
struct CheckpointMaker: Sendable {
  let seed: UInt64
  /// Files have real headers and no data: all elements read as zero, and take no space on a file system with holes.
  let isSparse: Bool
  let workers: Int

  private static let pieceByteCount = 4 << 20

  /// Writes `tensors` to a new file in their order.
  func write(_ tensors: [(tensor: HeaderEncoder.Tensor, values: ValueKind)], to path: String) throws {
    let header = try HeaderEncoder(
      path: path, metadata: [.init(key: "format", value: "pt")], tensors: tensors.map(\.tensor))
    if isSparse {
      try SparseFile.write(path, header: header.bytes, byteCount: header.fileByteCount)
      return
    }
    let file = try OutputFile(path: path, byteCount: header.fileByteCount)
    try file.write(header.bytes.span.bytes, at: 0)
    var tables: [Table: NormalValues] = [:]
    for (number, (tensor, values)) in tensors.enumerated() {
      if case .bytes(let bytes) = values {
        try file.write(bytes.span.bytes, at: header.bytes.count + header.dataOffsets[number].lowerBound)
        continue
      }
      let table = Table(values: values, dtype: tensor.dtype)
      if tables[table] == nil { tables[table] = try NormalValues(values, tensor.dtype) }
    }
    try fill(file, tensors, header, tables)
    try file.commit(replacing: false)
  }

  private struct Table: Hashable {
    let values: ValueKind
    let dtype: DType
  }

  private func fill(
    _ file: OutputFile, _ tensors: [(tensor: HeaderEncoder.Tensor, values: ValueKind)], _ header: HeaderEncoder,
    _ tables: [Table: NormalValues]
  ) throws {
    var pieces: [(tensor: Int, start: Int)] = []
    for (number, element) in tensors.enumerated() {
      if case .bytes = element.values { continue }
      for start in stride(from: 0, to: element.tensor.byteCount, by: Self.pieceByteCount) {
        pieces.append((number, start))
      }
    }
    let next = Atomic<Int>(0)
    let failure = Mutex<FileError?>(nil)
    DispatchQueue.concurrentPerform(iterations: workers) { [pieces] _ in
      let buffer = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: Self.pieceByteCount / 8)
      defer { buffer.deallocate() }
      while failure.withLock({ $0 == nil }) {
        let piece = next.add(1, ordering: .relaxed).oldValue
        guard piece < pieces.count else { return }
        let (number, start) = pieces[piece]
        let (tensor, values) = tensors[number]
        let byteCount = min(Self.pieceByteCount, tensor.byteCount - start)
        guard let table = tables[Table(values: values, dtype: tensor.dtype)] else { return }
        table.fill(buffer, byteCount: byteCount, key: key(tensor.name, piece: start / Self.pieceByteCount))
        let bytes = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(buffer)[..<byteCount])
        do throws(FileError) {
          try file.write(bytes, at: header.bytes.count + header.dataOffsets[number].lowerBound + start)
        } catch { failure.withLock { $0 = $0 ?? error } }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Values depend on the tensor's name, not on the file that it is in.
  private func key(_ name: TensorName, piece: Int) -> UInt64 {
    let hash = NameHash.of(name.string)
    var mixer = SplitMix(state: seed ^ hash &+ UInt64(piece) &* 0xD134_2543_DE82_EF95)
    return mixer.next()
  }
}
