import Checkpoints
import Platform
import Safetensors

/// A folder for files that only this run needs and nobody else may see; it goes with the object.
///
/// In a staging folder it has a fixed name, so that the next run to the same output finds what a killed one left. Elsewhere its
/// name is random and it holds a lock: the next run of this user there removes those whose run has ended.
package final class TemporaryFolder: Sendable {
  package let path: String
  private let lock: StagingLock?
  /// Must be there as long as the folder is.
  private let staging: StagingFolder?

  private static let prefix = ".safemerge-combined."
  /// A folder that was just made may not have its lock yet.
  private static let graceSeconds = 60

  /// The one of a run's staging folder.
  package init(in staging: StagingFolder) throws(CheckpointError) {
    self.staging = staging
    lock = nil
    path = try staging.makeWorkspace()
  }

  /// One in a folder that is anybody's.
  package init(in parent: String) throws(CheckpointError) {
    Self.removeOld(in: parent)
    let path = Paths.join(parent, Self.prefix + String(UInt64.random(in: 0 ... .max), radix: 36))
    try CheckpointError.attempt(parent) { () throws(SystemCalls.Failure) in
      try SystemCalls.makeFolder(path, mode: 0o700)
    }
    self.path = path
    staging = nil
    lock = try? StagingLock(folder: path, breaks: false)
  }

  /// Removes what runs that were killed left, where a lock of the kernel tells that they have ended.
  private static func removeOld(in parent: String) {
    for name in (try? SystemCalls.entries(ofFolder: parent)) ?? [] where name.hasPrefix(prefix) {
      let path = Paths.join(parent, name)
      guard let identity = try? SystemCalls.identity(path: path, followingLinks: false), StagingFolder.isOurs(identity),
        Machine.secondsSince1970 - identity.changed > graceSeconds, StagingLock.isAbandoned(folder: path)
      else { continue }
      FolderTree.remove(path)
    }
  }

  deinit {
    lock?.release()
    FolderTree.remove(path)
  }
}
