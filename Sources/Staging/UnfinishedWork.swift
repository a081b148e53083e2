import Checkpoints
import Platform
import Safetensors

/// The work that an interrupted merge left in its staging folder: listed, and removed if the user asks for it.
public struct UnfinishedWork: Sendable {
  /// The staging folder.
  public let path: String
  /// The output of the merge.
  public let output: String
  /// Bytes that it occupies on disk.
  public let byteCount: Int
  /// Weight files that are complete.
  public let finishedFiles: Int
  /// Weight files that were started.
  public let begunFiles: Int
  /// Whether it holds a model that was to be replaced: removing the work restores it.
  public let holdsReplacedModel: Bool
  /// Whether a running merge uses it.
  public let isInUse: Bool
  /// The process that uses it, if it is recorded.
  public let process: Int?

  private static let suffix = ".safemerge"

  /// The work that was left beside `output`, or inside it for a mount point; nil if this user has none there.
  public init?(output: String) {
    let output = Paths.withoutTrailingSlashes(output)
    guard !Paths.lastComponent(output).isEmpty, ![".", ".."].contains(Paths.lastComponent(output)) else { return nil }
    self.init(at: StagingFolder.path(forOutput: output, isMountPoint: Self.isMountPoint(output)), output: output)
  }

  /// All work that was left directly in `folder`, for any output.
  public static func all(in folder: String) -> [UnfinishedWork] {
    let names = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return names.compactMap { name in
      guard let output = output(ofName: name) else { return nil }
      return UnfinishedWork(at: Paths.join(folder, name), output: Paths.join(folder, output))
    }
  }

  /// The work in the staging folder at `path`; nil if `path` does not have such a name.
  public init?(stagingFolder path: String) {
    let path = Paths.withoutTrailingSlashes(path)
    let name = Paths.lastComponent(path)
    if name == StagingFolder.mountedName {
      self.init(at: path, output: Paths.folder(path))
    } else {
      guard let output = Self.output(ofName: name) else { return nil }
      self.init(at: path, output: Paths.folder(path) == "." ? output : Paths.join(Paths.folder(path), output))
    }
  }

  /// The `OUT` in `.OUT.safemerge`.
  private static func output(ofName name: String) -> String? {
    guard name.hasPrefix("."), name.hasSuffix(suffix), name.utf8.count > suffix.utf8.count + 1 else { return nil }
    return String(name.dropFirst().dropLast(suffix.count))
  }

  private init?(at path: String, output: String) {
    guard let identity = try? SystemCalls.identity(path: path, followingLinks: false),
      StagingFolder.isOurs(identity, in: Paths.folder(path)),
      let entries = try? SystemCalls.entries(ofFolder: path), entries.allSatisfy(Self.isKnown),
      (try? SystemCalls.unreadableEntries(ofFolder: path)) == []
    else { return nil }
    self.path = path
    self.output = output
    byteCount = Self.occupied(path)
    let records = (try? SystemCalls.entries(ofFolder: Paths.join(path, "parts"))) ?? []
    finishedFiles = records.count { $0.hasSuffix(".json") }
    let partial = (try? SystemCalls.entries(ofFolder: Paths.join(path, "partial"))) ?? []
    begunFiles = partial.count { StagingPaths.numberOfPartialFile($0) != nil }
    holdsReplacedModel = entries.contains("old") && (try? SystemCalls.identity(path: output)) == nil
    (isInUse, process) = StagingLock.state(ofFolder: path)
  }

  /// Whether this program, or a file system that keeps open files, gives such a name to something in a staging folder:
  /// a folder with anything else in it belongs to another user.
  private static func isKnown(_ name: String) -> Bool {
    ["plan.json", "result", "partial", "parts", "old", "workspace"].contains(name)
      || ["lock", ".nfs", ".fuse_hidden"].contains(where: name.hasPrefix)
  }

  private static func isMountPoint(_ output: String) -> Bool {
    guard let own = try? SystemCalls.identity(path: output, followingLinks: false), own.isDirectory,
      let parent = try? SystemCalls.identity(path: Paths.folder(output))
    else { return false }
    return own.device != parent.device
  }

  private static func occupied(_ path: String) -> Int {
    guard let identity = try? SystemCalls.identity(path: path, followingLinks: false) else { return 0 }
    let own = (try? SystemCalls.occupiedByteCount(path)) ?? 0
    guard identity.isDirectory else { return own }
    return ((try? SystemCalls.entries(ofFolder: path)) ?? []).reduce(own) { $0 + occupied(Paths.join(path, $1)) }
  }

  /// Removes the work while holding its lock, so that no run can start in it. A model that was moved away is restored
  /// first.
  ///
  /// - Parameter breaksLock: Whether a lock is broken that no process of this machine appears to hold.
  /// - Throws: `CheckpointError.Problem.inUse`; `system` if something could not be removed.
  public func remove(breaksLock: Bool = false) throws(CheckpointError) {
    let isMounted = Paths.lastComponent(path) == StagingFolder.mountedName
    do {
      let lock = try StagingLock(folder: path, breaks: breaksLock)
      defer { lock.release() }
      try Publishing.restore(
        StagingPaths(folder: path, isFolder: true), output: output, isMountPoint: isMounted)
      if isMounted { try? SystemCalls.removeFile(Paths.join(output, ResultMarks.incomplete)) }
      for entry in (try? SystemCalls.entries(ofFolder: path)) ?? [] where !entry.hasPrefix("lock") {
        FolderTree.remove(Paths.join(path, entry))
      }
    }
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in try SystemCalls.removeFolder(path) }
  }
}
