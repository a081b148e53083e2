import Checkpoints
import Checksums
import Platform

/// How a weight file is completed.
package struct FileCompletion {
  /// The state of the base's files when they were read.
  package let inputs: [InputState]
  /// The file's checksum, if it was computed.
  package var checksum: SHA256Checksum?
  /// Whether its pages are taken out of the page cache.
  package var drops = false
  /// Whether it is read back from disk and compared with ``checksum``.
  package var verifies = false
  /// Can stop the verification.
  package var interruption = Interruption.never
  /// Called with the file's path before the verification.
  package var beforeVerification: ((String) -> Void)?

  package init(inputs: [InputState], checksum: SHA256Checksum? = nil) {
    self.inputs = inputs
    self.checksum = checksum
  }

  /// Commits a file.
  ///
  /// - Returns: What it is on disk.
  /// - Throws: `CheckpointError` with `notAsWritten` if it is read back and is not what was written; it is removed then.
  package func complete(_ file: OutputFile, name: String) throws -> PartRecord {
    let path = file.path
    try file.commit(replacing: true, drops: drops)
    if verifies, let checksum {
      beforeVerification?(path)
      let found = try FileChecksum.of(path, drops: true, interruption: interruption)
      guard found == checksum else {
        try? SystemCalls.removeFile(path)
        throw CheckpointError(
          path: path, .notAsWritten(expected: checksum.description, found: found.description))
      }
    }
    guard let identity = try OutputPlace.identity(path, followingLinks: false) else {
      throw CheckpointError(path: path, .notFound)
    }
    return PartRecord(file: InputState(name: name, identity, checksum: checksum), inputs: inputs)
  }
}
