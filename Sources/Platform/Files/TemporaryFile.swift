/// A file in a private folder: it needs no temporary name while it is written, and no flush to disk.
package final class TemporaryFile: Sendable {
  private let descriptor: Int32

  package init(path: String) throws(SystemCalls.Failure) {
    descriptor = try SystemCalls.createExclusively(path, mode: 0o600)
  }

  /// Several threads may write to different places at once.
  package func write(_ bytes: RawSpan, at offset: Int) throws(SystemCalls.Failure) {
    try SystemCalls.write(descriptor, bytes, at: offset)
  }

  /// Sets the file's size. Without `reservesSpace` no blocks are allocated, for a file whose data is not read.
  package func extend(to byteCount: Int, reservesSpace: Bool) throws(SystemCalls.Failure) {
    if reservesSpace {
      try SystemCalls.setSize(descriptor, byteCount: byteCount)
      return try SystemCalls.allocate(descriptor, 0..<byteCount)
    }
    let zero: [UInt8] = [0]
    if byteCount > 0 { try unsafe write(zero.span.bytes, at: byteCount - 1) }
  }

  deinit { try? SystemCalls.close(descriptor) }
}
