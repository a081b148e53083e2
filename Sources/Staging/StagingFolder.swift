import Checkpoints
import Platform
import Safetensors

/// The folder in which a result is built: `.OUT.safemerge` beside OUT, or `.safemerge` inside an OUT that is a
/// mount point.
///
/// Its name is fixed, so that a run finds the work of an earlier one. Only its owner may access it, and one run at a
/// time uses it.
public final class StagingFolder: Sendable {
  public let place: OutputPlace
  public let path: String
  private let lock: StagingLock

  static let mountedName = ".safemerge"
  /// A folder in it with files that only the current run needs.
  private static let workspaceName = "workspace"

  /// The path of the staging folder for a place.
  public static func path(for place: OutputPlace) -> String {
    path(forOutput: place.path, isMountPoint: place.isMountPoint)
  }

  static func path(forOutput output: String, isMountPoint: Bool) -> String {
    isMountPoint
      ? Paths.join(output, mountedName)
      : Paths.join(Paths.folder(output), ".\(Paths.lastComponent(output)).safemerge")
  }

  /// The lock file, which is removed with the folder.
  public var lockPath: String { lock.path }

  /// Creates the folder, or uses an existing one, and locks it.
  ///
  /// - Parameters:
  ///   - place: The place of the result.
  ///   - breaksLock: Whether the lock is taken from a run that does not appear to run on this machine.
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

  /// Creates the folder if it does not exist.
  private static func lock(_ path: String, breaks: Bool, usesKernel: Bool) throws(CheckpointError) -> StagingLock {
    var attempts = 0
    while true {
      try Self.make(path)
      do throws(CheckpointError) {
        return try StagingLock(folder: path, breaks: breaks, usesKernel: usesKernel)
      } catch {
        // Another run may have ended and removed the folder between two calls.
        guard case .system(_, SystemCalls.noSuchFile) = error.problem, attempts < 100 else {
          // A folder that was created in vain is removed; one in use is not empty.
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
      let isThere = (try? SystemCalls.identity(path: path, followingLinks: false)) != nil
      guard isThere || error.code == SystemCalls.exists else {
        throw CheckpointError(path: path, .system(call: error.call, code: error.code))
      }
    }
    guard let identity = try OutputPlace.identity(path, followingLinks: false) else { return }
    guard isOurs(identity, in: Paths.folder(path)) else { throw CheckpointError(path: path, .stagingNotOurs) }
  }

  /// Whether no other user could have created the folder, which lies in `parent`.
  ///
  /// A server may know this user by another number; then a new file beside the folder has the same owner.
  static func isOurs(_ identity: SystemCalls.Identity, in parent: String) -> Bool {
    guard identity.isDirectory, identity.mode & 0o022 == 0 else { return false }
    return identity.owner == Machine.userID || identity.owner == FileOwner.ofNewFiles(in: parent)
  }

  /// Tells this run from all others.
  var token: String { lock.token }

  /// Whether no other run has taken the folder since this one did.
  var isHeld: Bool { lock.isHeld }

  /// Whether a run that used the folder before may still be working in it.
  var hadCompany: Bool { lock.mayHaveCompany }

  /// The error of a run whose folder another run has taken, which file systems without reliable locks let it do.
  var takenOver: CheckpointError {
    let successor = lock.successor
    return CheckpointError(path: path, .takenOver(host: successor?.host, process: successor?.process))
  }

  /// Makes an empty folder for files that only this run needs; leftovers of a killed run are removed.
  package func makeWorkspace() throws(CheckpointError) -> String {
    let workspace = Paths.join(path, Self.workspaceName)
    FolderTree.remove(workspace)
    try CheckpointError.attempt(workspace) { () throws(SystemCalls.Failure) in
      try SystemCalls.ensureFolder(workspace, mode: 0o700)
    }
    return workspace
  }

  /// The entries of the folder except its locks.
  func entries() throws(CheckpointError) -> [String] {
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: path).filter { !$0.hasPrefix("lock") }
    }
  }

  /// Removes everything but the locks, as far as possible; nothing if another run has taken the folder.
  ///
  /// - Parameter sparesWorkspace: Whether to keep the folder that ``makeWorkspace()`` made.
  func clear(sparesWorkspace: Bool = false) {
    guard isHeld else { return }
    for entry in (try? entries()) ?? [] where !(sparesWorkspace && entry == Self.workspaceName) {
      FolderTree.remove(Paths.join(path, entry))
    }
  }

  /// Leaves the folder to the next run, or removes it if it is empty.
  deinit {
    lock.release()
    try? SystemCalls.removeFolder(path)
  }
}
