import Platform

/// A few blocks of a file, and its size, as one checksum: tells most files from others of the same size without reading them whole.
///
/// It finds another fine-tune of a model, another model of the same shapes, and a file that was cut or filled with zeros from some
/// place on: they differ almost everywhere, or in the last block. It does not find what changed only between the blocks, such as a
/// single element, one tensor of many, or a header whose size stays the same: ``FileChecksum`` does.
package enum DataSample {
  /// How many blocks are read, at equal distances; the first and the last of the file are two of them.
  package static let blockCount = 32
  /// Bytes of a block.
  package static let blockByteCount = 4 << 10

  /// The sample of a file: of all its bytes, where they are no more than those of the blocks.
  ///
  /// - Parameter identity: What the file must be; nil: whatever it is.
  /// - Throws: ``FileError``, with `changed` if the file is not what it must be.
  package static func of(
    _ path: String, expecting identity: SystemCalls.Identity? = nil
  ) throws(FileError) -> SHA256Checksum {
    let file = try InputFile(path: path)
    if let identity, file.identity != identity { throw FileError(path: path, .changed) }
    var stream = SHA256Stream()
    stream.update(Array("\(file.byteCount)\n".utf8))
    for block in blocks(ofFile: file.byteCount) { stream.update(try file.bytes(block)) }
    return stream.checksum
  }

  /// The blocks of a file of a size.
  static func blocks(ofFile byteCount: Int) -> [Range<Int>] {
    guard byteCount > blockCount * blockByteCount else { return [0..<byteCount] }
    return (0..<blockCount).map { number in
      // Dividing first would leave the last block short of the end.
      let start = (byteCount - blockByteCount) * number / (blockCount - 1)
      return start..<start + blockByteCount
    }
  }
}
