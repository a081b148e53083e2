import Checkpoints
import Platform
import Safetensors

/// A folder that is shared through a file system.
package struct FolderOnDisk: SharedFolder {
  package init() {}

  private func attempt<Value>(
    _ path: String, _ body: () throws(SystemCalls.Failure) -> Value
  ) throws(CheckpointError) -> Value { try CheckpointError.attempt(path, body) }

  package func list(_ folder: String) throws(CheckpointError) -> [String] {
    do throws(CheckpointError) {
      return try attempt(folder) { () throws(SystemCalls.Failure) in try SystemCalls.entries(ofFolder: folder) }
    } catch {
      if PartsError.isGone(error) { return [] }
      throw error
    }
  }

  package func makeFolder(_ path: String) throws(CheckpointError) {
    try attempt(path) { () throws(SystemCalls.Failure) in try SystemCalls.ensureFolder(path, mode: 0o700) }
    try checkPrivate(path)
  }

  package func checkPrivate(_ path: String) throws(CheckpointError) {
    guard let identity = try OutputPlace.identity(path, followingLinks: false) else { return }
    guard StagingFolder.isOurs(identity, in: Paths.folder(path)) else {
      throw CheckpointError(path: path, .stagingNotOurs)
    }
  }

  package func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    let descriptor = try attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.createExclusively(path, mode: 0o600)
    }
    do throws(CheckpointError) {
      try attempt(path) { () throws(SystemCalls.Failure) in
        try unsafe SystemCalls.write(descriptor, bytes.span.bytes, at: 0)
        try SystemCalls.synchronizeData(descriptor)
        try SystemCalls.setMode(descriptor, 0o666 & ~SystemCalls.userMask)
      }
    } catch {
      try? SystemCalls.close(descriptor)
      try? SystemCalls.removeFile(path)
      throw error
    }
    try attempt(path) { () throws(SystemCalls.Failure) in try SystemCalls.close(descriptor) }
  }

  package func create(_ path: String) throws(CheckpointError) -> Bool {
    do throws(SystemCalls.Failure) {
      try SystemCalls.close(try SystemCalls.createExclusively(path, mode: 0o600))
      return true
    } catch {
      if error.code == SystemCalls.exists { return false }
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
  }

  package func start(
    of path: String, byteCount: Int
  ) throws(CheckpointError) -> (fileByteCount: Int, bytes: [UInt8])? {
    do throws(FileError) {
      let file = try InputFile(path: path)
      return (file.byteCount, try file.bytes(0..<min(byteCount, file.byteCount)))
    } catch {
      switch error.problem {
      case .system(_, let code) where PartsError.gone.contains(code): return nil
      case .system(let call, let code): throw CheckpointError(path: path, .system(call: call, code: code))
      case .changed: throw CheckpointError(path: path, .changed)
      case .notARegularFile: throw CheckpointError(path: path, .sideFileNotRegular)
      }
    }
  }

  package func link(_ path: String, to name: String) throws(CheckpointError) -> Bool {
    try attempt(name) { () throws(SystemCalls.Failure) in try Renaming.linkIfPossible(path, to: name) }
  }

  package func rename(_ path: String, to name: String) throws(CheckpointError) {
    try attempt(name) { () throws(SystemCalls.Failure) in try Renaming.rename(path, to: name) }
  }

  package func renameFolder(_ path: String, to name: String) throws(CheckpointError) {
    try attempt(name) { () throws(SystemCalls.Failure) in try Renaming.rename(path, to: name) }
  }

  package func flush(_ folder: String) throws(CheckpointError) { try FolderTree.synchronize(folder) }

  package func remove(_ path: String) { FolderTree.remove(path) }

  package func removeIfEmpty(_ folder: String) { try? SystemCalls.removeFolder(folder) }

  package func complete(_ folder: String) throws(CheckpointError) {
    for folder in try FolderTree.folders(folder) {
      try attempt(folder) { () throws(SystemCalls.Failure) in
        try SystemCalls.setMode(path: folder, 0o777 & ~SystemCalls.userMask)
      }
      try FolderTree.synchronize(folder)
    }
  }
}
