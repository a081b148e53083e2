import Platform

/// The SHA-256 of files that are too large to be read at once.
package enum FileChecksum {
  private static let pieceByteCount = 1 << 20

  /// The checksum of a file, or of its first bytes.
  ///
  /// - Parameters:
  ///   - identity: What the file must be; nil: whatever it is, but the same from the first byte to the last.
  ///   - byteCount: Nil: all of it.
  ///   - drops: Whether its pages are taken out of the page cache first, so that the disk is read.
  /// - Throws: ``FileError``, with `changed` if the file is not or does not stay what it was; ``Interrupted``.
  package static func of(
    _ path: String, expecting identity: SystemCalls.Identity? = nil, byteCount: Int? = nil, drops: Bool = false,
    interruption: Interruption = .never
  ) throws -> SHA256Checksum {
    let file = try InputFile(path: path)
    if let identity, file.identity != identity { throw FileError(path: path, .changed) }
    let end = byteCount ?? file.byteCount
    guard end <= file.byteCount else { throw FileError(path: path, .changed) }
    if drops { file.drop(0..<file.byteCount) }
    var stream = SHA256Stream()
    var buffer: [UInt8] = []
    var offset = 0
    while offset < end {
      try interruption.check()
      let range = offset..<min(offset + pieceByteCount, end)
      try file.read(range, into: &buffer)
      unsafe stream.update(buffer.span.bytes.extracting(0..<range.count))
      offset = range.upperBound
    }
    try file.checkUnchanged()
    return stream.checksum
  }
}
