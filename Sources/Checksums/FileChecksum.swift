import Platform

/// The SHA-256 of files that are too large to be read at once.
package enum FileChecksum {
  /// Bytes that are read at once: they stay in the second-level cache while they are looked through.
  private static let pieceByteCount = 256 << 10

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
    var buffer: [UInt8] = []
    let checksum = try of(file, 0..<end, through: &buffer, interruption: interruption)
    try file.checkUnchanged()
    return checksum
  }

  /// The checksum of a part of a file that is open.
  ///
  /// - Parameters:
  ///   - buffer: What is read goes through it; it grows as far as it has to.
  ///   - progress: Called with the bytes that were read since the last call.
  /// - Throws: ``FileError``; ``Interrupted``. Whether the file changed meanwhile is for the caller to ask.
  package static func of(
    _ file: InputFile, _ range: Range<Int>, through buffer: inout [UInt8], interruption: Interruption = .never,
    progress: (_ byteCount: Int) -> Void = { _ in }
  ) throws -> SHA256Checksum {
    var stream = SHA256Stream()
    for start in stride(from: range.lowerBound, to: range.upperBound, by: pieceByteCount) {
      try interruption.check()
      let piece = start..<min(start + pieceByteCount, range.upperBound)
      try file.read(piece, into: &buffer)
      unsafe stream.update(buffer.span.bytes.extracting(0..<piece.count))
      progress(piece.count)
    }
    return stream.checksum
  }
}
