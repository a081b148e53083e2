/// A new file that is written at offsets and appears under its name only when it is whole.
///
/// The data goes to a temporary file beside the target, made exclusively; ``commit(replacing:)``
/// brings it to the disk, gives it the permissions that the user's umask leaves, and names it. An object that goes away before that removes it.
package final class OutputFile: Sendable {
  package let path: String
  private let temporaryPath: String
  private let descriptor: Int32
  private nonisolated(unsafe) var isFinished = false

  /// Reserves `byteCount` bytes beside `path`.
  package init(path: String, byteCount: Int) throws(SafetensorsError) {
    self.path = path
    let temporaryPath = "\(path).tmp.\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    self.temporaryPath = temporaryPath
    let descriptor = try InputFile.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.createExclusively(temporaryPath, mode: 0o600)
    }
    self.descriptor = descriptor
    try InputFile.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.allocate(descriptor, byteCount: byteCount)
    }
  }

  /// Writes all of `bytes` at `offset`; several threads may write different places at once.
  package func write(_ bytes: RawSpan, at offset: Int) throws(SafetensorsError) {
    do throws(SystemCalls.Failure) { try SystemCalls.write(descriptor, bytes, at: offset) } catch {
      throw SafetensorsError(path: path, .system(call: error.call, code: error.code))
    }
  }

  /// Makes the file visible under its name, complete and on the disk. Called once, when nobody writes any more.
  ///
  /// - Parameter replacing: Whether a file that has the name may be replaced; otherwise `system` with EEXIST.
  package func commit(replacing: Bool) throws(SafetensorsError) {
    try InputFile.attempt(path) { [descriptor, temporaryPath, path] () throws(SystemCalls.Failure) in
      try SystemCalls.synchronizeData(descriptor)
      try SystemCalls.setMode(descriptor, 0o666 & ~SystemCalls.userMask)
      if replacing {
        try SystemCalls.rename(temporaryPath, to: path)
      } else {
        try SystemCalls.renameWithoutReplacing(temporaryPath, to: path)
      }
    }
    unsafe isFinished = true
  }

  deinit {
    try? SystemCalls.close(descriptor)
    if unsafe !isFinished { try? SystemCalls.removeFile(temporaryPath) }
  }
}
