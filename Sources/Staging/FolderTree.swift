import Checkpoints
import Platform
import Safetensors

/// What is done with a folder and all that is in it: removing, listing its folders, and flushing names to disk.
enum FolderTree {
  /// Removes a file, or a folder with its contents, as far as possible; links are not followed.
  static func remove(_ path: String) {
    guard let identity = try? SystemCalls.identity(path: path, followingLinks: false) else { return }
    guard identity.isDirectory else {
      try? SystemCalls.removeFile(path)
      return
    }
    for entry in (try? SystemCalls.entries(ofFolder: path)) ?? [] { remove(Paths.join(path, entry)) }
    try? SystemCalls.removeFolder(path)
  }

  /// A folder and all folders in it, the innermost first.
  static func folders(_ path: String) throws(CheckpointError) -> [String] {
    let entries = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: path)
    }
    var found: [String] = []
    for entry in entries {
      let child = Paths.join(path, entry)
      if try OutputPlace.identity(child, followingLinks: false)?.isDirectory == true { found += try folders(child) }
    }
    return found + [path]
  }

  /// Flushes the entries of a folder to disk.
  static func synchronize(_ folder: String) throws(CheckpointError) {
    try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.synchronizeFolder(folder)
    }
  }
}
