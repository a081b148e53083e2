import Checkpoints
import Platform
import Safetensors

/// A private folder for files that only this run needs; it is removed with the object.
///
/// In a staging folder it has a fixed name, so that the next run to the same output finds the leftovers of a killed
/// one. Elsewhere its name is random and it holds a lock: this user's next run there removes folders whose run has
/// ended.
package final class TemporaryFolder: Sendable {
  package let path: String
  private let lock: StagingLock?
  /// Must exist as long as the folder does.
  private let staging: StagingFolder?

  private static let prefix = ".safemerge-combined."
  /// A folder that was just made may not have its lock yet.
  private static let graceSeconds = 60

  /// The temporary folder in a run's staging folder.
  package init(in staging: StagingFolder) throws(CheckpointError) {
    self.staging = staging
    lock = nil
    path = try staging.makeWorkspace()
  }

  /// A temporary folder in a shared folder.
  package init(in parent: String) throws(CheckpointError) {
    Self.removeOld(in: parent)
    let path = Paths.join(parent, Self.prefix + String(UInt64.random(in: 0 ... .max), radix: 36))
    try CheckpointError.attempt(parent) { () throws(SystemCalls.Failure) in
      try SystemCalls.ensureFolder(path, mode: 0o700)
    }
    self.path = path
    staging = nil
    lock = try? StagingLock(folder: path, breaks: false)
  }

  /// Removes the leftovers of killed runs, if a lock of the kernel shows that they have ended.
  private static func removeOld(in parent: String) {
    for name in (try? SystemCalls.entries(ofFolder: parent)) ?? [] where name.hasPrefix(prefix) {
      let path = Paths.join(parent, name)
      guard let identity = try? SystemCalls.identity(path: path, followingLinks: false),
        StagingFolder.isOurs(identity, in: parent),
        Machine.secondsSince1970 - identity.changed > graceSeconds, StagingLock.isAbandoned(folder: path)
      else { continue }
      FolderTree.remove(path)
    }
  }

  deinit {
    lock?.release()
    if staging?.isHeld != false { FolderTree.remove(path) }
  }
}
