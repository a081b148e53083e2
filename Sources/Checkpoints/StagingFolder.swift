import Safetensors

/// The folder in which a result comes into being: `.OUT.safemerge` beside OUT, or `.safemerge` inside an OUT that is a
/// mount point.
///
/// Its name is fixed, so that a run finds what one before it left. Nobody else may enter it, and no two runs are in it at once.
public final class StagingFolder: Sendable {
  public let place: OutputPlace
  public let path: String
  private let lock: StagingLock

  static let mountedName = ".safemerge"

  /// Where the staging folder of a place is.
  public static func path(for place: OutputPlace) -> String {
    place.isMountPoint
      ? Paths.join(place.path, mountedName)
      : Paths.join(Paths.folder(place.path), ".\(Paths.lastComponent(place.path)).safemerge")
  }

  /// Makes the folder, or takes the one that is there, and locks it.
  ///
  /// - Parameters:
  ///   - place: Where the result goes.
  ///   - breaksLock: Whether the lock is taken from a run that is not seen to be alive on this machine.
  /// - Throws: ``CheckpointError/Problem/inUse(host:process:isDead:)``, or `stagingNotOurs` for a folder that others could
  ///   have put there.
  public convenience init(_ place: OutputPlace, breaksLock: Bool = false) throws(CheckpointError) {
    try self.init(place, breaksLock: breaksLock, usesKernelLock: true)
  }

  init(_ place: OutputPlace, breaksLock: Bool, usesKernelLock: Bool) throws(CheckpointError) {
    self.place = place
    path = Self.path(for: place)
    var attempts = 0
    while true {
      try Self.make(path)
      do throws(CheckpointError) {
        lock = try StagingLock(folder: path, breaks: breaksLock, usesKernel: usesKernelLock)
        return
      } catch {
        // A run that ended removed the folder between two calls.
        guard case .system(_, SystemCalls.noSuchFile) = error.problem, attempts < 100 else {
          // Of a folder that was made for nothing nothing is left; one in use is not empty.
          try? SystemCalls.removeFolder(path)
          throw error
        }
        attempts += 1
      }
    }
  }

  private static func make(_ path: String) throws(CheckpointError) {
    do throws(SystemCalls.Failure) {
      try SystemCalls.makeFolder(path, mode: 0o700)
      return
    } catch {
      guard error.code == SystemCalls.exists else {
        throw CheckpointError(path: path, .system(call: error.call, code: error.code))
      }
    }
    guard let identity = try OutputPlace.identity(path, followingLinks: false) else { return }
    guard identity.isDirectory, identity.owner == SystemCalls.userID, identity.mode & 0o022 == 0 else {
      throw CheckpointError(path: path, .stagingNotOurs)
    }
  }

  /// What is in the folder beside its locks.
  func entries() throws(CheckpointError) -> [String] {
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: path).filter { !$0.hasPrefix("lock") }
    }
  }

  /// Removes everything but the locks, as far as that is possible.
  func clear() {
    for entry in (try? entries()) ?? [] { FolderTree.remove(Paths.join(path, entry)) }
  }

  /// What is in the folder is left to the next run; without anything in it it goes.
  deinit {
    lock.release()
    try? SystemCalls.removeFolder(path)
  }
}
