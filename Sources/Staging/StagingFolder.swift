import Checkpoints
import Platform
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
  /// In it: the files of a run that only that run needs.
  private static let workspaceName = "workspace"

  /// Where the staging folder of a place is.
  public static func path(for place: OutputPlace) -> String {
    path(forOutput: place.path, isMountPoint: place.isMountPoint)
  }

  static func path(forOutput output: String, isMountPoint: Bool) -> String {
    isMountPoint
      ? Paths.join(output, mountedName)
      : Paths.join(Paths.folder(output), ".\(Paths.lastComponent(output)).safemerge")
  }

  /// The lock's file, which goes with the folder.
  public var lockPath: String { lock.path }

  /// Makes the folder, or takes the one that is there, and locks it.
  ///
  /// - Parameters:
  ///   - place: Where the result goes.
  ///   - breaksLock: Whether the lock is taken from a run that is not seen to be alive on this machine.
  /// - Throws: `CheckpointError.Problem.inUse`, or `stagingNotOurs` for a folder that others could
  ///   have put there.
  public convenience init(_ place: OutputPlace, breaksLock: Bool = false) throws(CheckpointError) {
    try self.init(place, breaksLock: breaksLock, usesKernelLock: true)
  }

  init(_ place: OutputPlace, breaksLock: Bool, usesKernelLock: Bool) throws(CheckpointError) {
    self.place = place
    path = Self.path(for: place)
    lock = try Self.lock(path, breaks: breaksLock, usesKernel: usesKernelLock)
  }

  /// Makes the folder if it is not there.
  private static func lock(_ path: String, breaks: Bool, usesKernel: Bool) throws(CheckpointError) -> StagingLock {
    var attempts = 0
    while true {
      try Self.make(path)
      do throws(CheckpointError) {
        return try StagingLock(folder: path, breaks: breaks, usesKernel: usesKernel)
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
    guard isOurs(identity) else { throw CheckpointError(path: path, .stagingNotOurs) }
  }

  /// Whether nobody else could have put a folder there.
  static func isOurs(_ identity: SystemCalls.Identity) -> Bool {
    identity.isDirectory && identity.owner == Machine.userID && identity.mode & 0o022 == 0
  }

  /// Makes an empty folder for files that only this run needs; what a run that was killed left there goes.
  package func makeWorkspace() throws(CheckpointError) -> String {
    let workspace = Paths.join(path, Self.workspaceName)
    FolderTree.remove(workspace)
    try CheckpointError.attempt(workspace) { () throws(SystemCalls.Failure) in
      try SystemCalls.makeFolder(workspace, mode: 0o700)
    }
    return workspace
  }

  /// What is in the folder beside its locks.
  func entries() throws(CheckpointError) -> [String] {
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: path).filter { !$0.hasPrefix("lock") }
    }
  }

  /// Removes everything but the locks, as far as that is possible.
  ///
  /// - Parameter sparesWorkspace: Whether what ``makeWorkspace()`` made stays.
  func clear(sparesWorkspace: Bool = false) {
    for entry in (try? entries()) ?? [] where !(sparesWorkspace && entry == Self.workspaceName) {
      FolderTree.remove(Paths.join(path, entry))
    }
  }

  /// What is in the folder is left to the next run; without anything in it it goes.
  deinit {
    lock.release()
    try? SystemCalls.removeFolder(path)
  }
}
