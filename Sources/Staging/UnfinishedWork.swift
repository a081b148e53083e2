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
  /// Modules that are made of an adapter, and not yet in its file.
  public let finishedModules: Int
  /// Weight files that were started.
  public let begunFiles: Int
  /// Whether it holds a model that was to be replaced: removing the work restores it.
  public let holdsReplacedModel: Bool
  /// Whether a running merge uses it.
  public let isInUse: Bool
  /// The process that uses it, if it is recorded.
  public let process: Int?
  /// Whether it is the parts of merges on several machines, of which another machine may still be writing one.
  public let isOfParts: Bool

  private static let suffix = ".safemerge"

  /// The work that was left beside `output`, or inside it for a mount point; nil if this user has none there.
  public init?(output: String) {
    let output = Paths.withoutTrailingSlashes(output)
    guard !Paths.lastComponent(output).isEmpty, ![".", ".."].contains(Paths.lastComponent(output)) else { return nil }
    self.init(at: StagingFolder.path(forOutput: output, isMountPoint: Self.isMountPoint(output)), output: output)
  }

  /// The parts of merges that were left beside `output`; nil if this user has none there.
  public init?(partsOf output: String) {
    let output = Paths.withoutTrailingSlashes(output)
    guard !Paths.lastComponent(output).isEmpty else { return nil }
    self.init(parts: PartsPaths.top(ofOutput: output), output: output)
  }

  /// All work that was left directly in `folder`, for any output.
  public static func all(in folder: String) -> [UnfinishedWork] {
    let names = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return names.compactMap { name in
      let path = Paths.join(folder, name)
      if let output = output(ofName: name, PartsPaths.suffix) {
        return UnfinishedWork(parts: path, output: Paths.join(folder, output))
      }
      guard let output = output(ofName: name, suffix) else { return nil }
      return UnfinishedWork(at: path, output: Paths.join(folder, output))
    }
  }

  /// The work in the staging folder at `path`; nil if `path` does not have such a name.
  public init?(stagingFolder path: String) {
    let path = Paths.withoutTrailingSlashes(path)
    let name = Paths.lastComponent(path)
    if name == StagingFolder.mountedName {
      self.init(at: path, output: Paths.folder(path))
    } else {
      let parts = Self.output(ofName: name, PartsPaths.suffix)
      guard let name = parts ?? Self.output(ofName: name, Self.suffix) else { return nil }
      let output = Paths.folder(path) == "." ? name : Paths.join(Paths.folder(path), name)
      if parts != nil { self.init(parts: path, output: output) } else { self.init(at: path, output: output) }
    }
  }

  /// The `OUT` in `.OUT.safemerge`, or in another name that ends so.
  private static func output(ofName name: String, _ suffix: String) -> String? {
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
    let units = (try? SystemCalls.entries(ofFolder: Paths.join(path, "units"))) ?? []
    finishedModules = units.count { $0.hasSuffix(".safetensors") }
    let partial = (try? SystemCalls.entries(ofFolder: Paths.join(path, "partial"))) ?? []
    begunFiles = partial.count { StagingPaths.numberOfPartialFile($0) != nil }
    holdsReplacedModel = entries.contains("old") && (try? SystemCalls.identity(path: output)) == nil
    (isInUse, process) = StagingLock.state(ofFolder: path)
    isOfParts = false
  }

  private init?(parts path: String, output: String) {
    guard let identity = try? SystemCalls.identity(path: path, followingLinks: false),
      StagingFolder.isOurs(identity, in: Paths.folder(path)),
      let entries = try? SystemCalls.entries(ofFolder: path),
      entries.allSatisfy({ PlanDigest(name: $0) != nil || $0.hasPrefix("finish.") || $0.hasPrefix(".nfs") }),
      (try? SystemCalls.unreadableEntries(ofFolder: path)) == []
    else { return nil }
    self.path = path
    self.output = output
    byteCount = Self.occupied(path)
    let plans = PartsStatus.all(output: output)
    finishedFiles = plans.reduce(0) { $0 + $1.files.count { $0.isComplete } }
    let data = entries.flatMap {
      (try? SystemCalls.entries(ofFolder: Paths.join(Paths.join(path, $0), "work"))) ?? []
    }
    begunFiles = max(0, data.count - finishedFiles)
    (finishedModules, holdsReplacedModel) = (0, false)
    let run = plans.flatMap(\.runs).first(where: \.isAliveHere)
    (isInUse, process) = (run != nil, run?.process)
    isOfParts = true
  }

  /// Whether this program, or a file system that keeps open files, gives such a name to something in a staging folder:
  /// a folder with anything else in it belongs to another user.
  private static func isKnown(_ name: String) -> Bool {
    ["plan.json", "result", "partial", "parts", "units", "old", "workspace"].contains(name)
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
    if isOfParts {
      guard !isInUse || breaksLock else {
        throw CheckpointError(path: path, .inUse(host: Machine.hostName, process: process, isDead: false))
      }
      FolderTree.remove(path)
      if (try? SystemCalls.identity(path: path, followingLinks: false)) == nil { return }
      // For the error.
      return try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
        try SystemCalls.removeFolder(path)
      }
    }
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
