import Checkpoints
import Checksums
import Platform

extension SideFiles.File {
  /// Copies the file byte for byte; returns its checksum.
  ///
  /// - Parameters:
  ///   - path: Where to.
  ///   - temporary: Its name until it is complete.
  /// - Throws: `FileError` with `changed` if the source changes meanwhile.
  func copy(to path: String, through temporary: String, _ interruption: Interruption) throws -> SHA256Checksum {
    let source = try InputFile(path: sourcePath)
    let file = try OutputFile(path: path, temporaryPath: temporary, byteCount: source.byteCount)
    try file.reserve(0..<source.byteCount)
    var stream = SHA256Stream()
    var offset = 0
    while offset < source.byteCount {
      try interruption.check()
      let end = min(offset + (4 << 20), source.byteCount)
      let chunk = try source.bytes(offset..<end)
      stream.update(chunk)
      try unsafe file.write(chunk.span.bytes, at: offset)
      offset = end
    }
    try source.checkUnchanged()
    try file.commit(replacing: true)
    return stream.checksum
  }
}
