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
  /// The machines on which parts of merges on several machines began that are not known to have ended.
  public let hosts: [String]
  private let kind: Kind
  /// The folders of plans that are removed.
  private let plans: [String]

  private enum Kind {
    case merge, parts
    case plan(PlanDigest)
  }

  private static let suffix = ".safemerge"

  /// Finds the work that an earlier run left beside `output`, or inside it for a mount point; nil if it left none.
  ///
  /// - Throws: `CheckpointError` for a folder that this user may not look into, or that another user could have made.
  public init?(output: String) throws(CheckpointError) {
    let output = Paths.withoutTrailingSlashes(output)
    guard !Paths.lastComponent(output).isEmpty, !ResolvedPath.endsInDots(output) else { return nil }
    try self.init(at: StagingFolder.path(forOutput: output, isMountPoint: Self.isMountPoint(output)), output: output)
  }

  /// The parts of merges that were left beside `output`; nil if there are none.
  ///
  /// - Throws: `CheckpointError` for a folder that this user may not look into, or that another user could have made.
  public init?(partsOf output: String) throws(CheckpointError) {
    let output = Paths.withoutTrailingSlashes(output)
    guard !Paths.lastComponent(output).isEmpty, !ResolvedPath.endsInDots(output) else { return nil }
    try self.init(parts: PartsPaths.top(ofOutput: output), output: output)
  }

  /// All work that this user left directly in `folder`, for any output.
  ///
  /// - Throws: `CheckpointError` for a folder that this user may not list.
  public static func all(in folder: String) throws(CheckpointError) -> [UnfinishedWork] {
    guard try OutputPlace.identity(folder)?.isDirectory == true else { return [] }
    let names = try FolderOnDisk().list(folder)
    return names.compactMap { name in
      let path = Paths.join(folder, name)
      // Another user's are that user's matter.
      if let output = output(ofName: name, PartsPaths.suffix) {
        return try? UnfinishedWork(parts: path, output: Paths.join(folder, output))
      }
      guard let output = output(ofName: name, suffix) else { return nil }
      return try? UnfinishedWork(at: path, output: Paths.join(folder, output))
    }
  }

  /// The work in the staging folder at `path`, the parts in such a folder, or those of one plan in it; nil if `path` does not
  /// have such a name.
  ///
  /// - Throws: `CheckpointError` for a folder that this user may not look into, or that another user could have made.
  public init?(stagingFolder path: String) throws(CheckpointError) {
    let path = Paths.withoutTrailingSlashes(path)
    let (folder, name) = (Paths.folder(path), Paths.lastComponent(path))
    if name == StagingFolder.mountedName {
      try self.init(at: path, output: folder)
    } else if let digest = PlanDigest(name: name) {
      let top = ResolvedPath.endsInDots(folder) ? SystemCalls.realPath(folder) ?? folder : folder
      guard let output = Self.output(ofName: Paths.lastComponent(top), PartsPaths.suffix) else { return nil }
      try self.init(plan: digest, at: path, output: Self.join(Paths.folder(top), output))
    } else if let output = Self.output(ofName: name, PartsPaths.suffix) {
      try self.init(parts: path, output: Self.join(folder, output))
    } else {
      guard let output = Self.output(ofName: name, Self.suffix) else { return nil }
      try self.init(at: path, output: Self.join(folder, output))
    }
  }

  private static func join(_ folder: String, _ name: String) -> String {
    folder == "." ? name : Paths.join(folder, name)
  }

  /// The part of a path that is a folder of unfinished work; nil: the path has no such folder.
  package static func folder(in path: String) -> String? {
    let components = Paths.components(path)
    let place = components.firstIndex { (output(ofName: $0, PartsPaths.suffix) ?? output(ofName: $0, suffix)) != nil }
    return place.map { components[...$0].joined(separator: "/") }
  }

  /// The `OUT` in `.OUT.safemerge`, or in another name that ends so.
  private static func output(ofName name: String, _ suffix: String) -> String? {
    guard name.hasPrefix("."), name.hasSuffix(suffix), name.utf8.count > suffix.utf8.count + 1 else { return nil }
    return String(name.dropFirst().dropLast(suffix.count))
  }

  private init?(at path: String, output: String) throws(CheckpointError) {
    guard let entries = try Self.entries(path, areOurs: Self.isKnown) else { return nil }
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
    (kind, hosts, plans) = (.merge, [], [])
  }

  private init?(parts path: String, output: String) throws(CheckpointError) {
    guard try Self.entries(path, areOurs: PartsPaths.isInTop) != nil else { return nil }
    self.init(.parts, path, output: output, plans: try PartsStatus.all(in: path))
  }

  private init?(plan digest: PlanDigest, at path: String, output: String) throws(CheckpointError) {
    guard try Self.entries(path, areOurs: PartsPaths.isInFolder) != nil,
      let plan = try PartsStatus(path, digest)
    else { return nil }
    self.init(.plan(digest), path, output: output, plans: [plan])
  }

  private init(_ kind: Kind, _ path: String, output: String, plans: [PartsStatus]) {
    (self.kind, self.path, self.output) = (kind, path, output)
    byteCount = Self.occupied(path)
    finishedFiles = plans.reduce(0) { $0 + $1.files.count { $0.isComplete } }
    let data = plans.flatMap { (try? SystemCalls.entries(ofFolder: Paths.join($0.path, PartsPaths.workName))) ?? [] }
    begunFiles = max(0, data.count - finishedFiles)
    (finishedModules, holdsReplacedModel) = (0, false)
    process = plans.lazy.compactMap(\.processHere).first
    isInUse = process != nil
    hosts = Set(plans.flatMap(\.hosts)).sorted()
    self.plans = plans.map(\.path)
  }

  /// The names in a folder of work; nil: there is no such folder, or it holds what this program does not put there.
  private static func entries(
    _ path: String, areOurs: (String) -> Bool
  ) throws(CheckpointError) -> [String]? {
    guard let identity = try OutputPlace.identity(path, followingLinks: false), identity.isDirectory else { return nil }
    let (entries, others) = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      (try SystemCalls.entries(ofFolder: path), try SystemCalls.unreadableEntries(ofFolder: path))
    }
    guard others.isEmpty, entries.allSatisfy(areOurs) else { return nil }
    guard StagingFolder.isOurs(identity, in: Paths.folder(path)) else {
      throw CheckpointError(path: path, .stagingNotOurs)
    }
    return entries
  }

  /// Whether this program, or a file system that keeps open files, gives such a name to something in a staging folder:
  /// a folder with anything else in it belongs to another user.
  private static func isKnown(_ name: String) -> Bool {
    ["plan.json", "result", "partial", "parts", "units", "old", "workspace"].contains(name)
      || (["lock"] + StagingPaths.keptOpen).contains(where: name.hasPrefix)
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
  /// first. Parts have no lock: those that still run on other machines fail.
  ///
  /// - Parameter breaksLock: Whether a lock is broken that no process of this machine appears to hold.
  /// - Throws: `CheckpointError.Problem.inUse`; `system` if something could not be removed.
  public func remove(breaksLock: Bool = false) throws(CheckpointError) {
    switch kind {
    case .merge: try removeMerge(breaksLock)
    case .parts: try removeParts()
    case .plan(let digest):
      try removeParts()
      let top = Paths.folder(path)
      FolderTree.remove(PartsPaths.finishing(digest, in: top))
      try? SystemCalls.removeFolder(top)
    }
  }

  private func removeParts() throws(CheckpointError) {
    if isInUse { throw CheckpointError(path: path, .inUse(host: Machine.hostName, process: process, isDead: false)) }
    for plan in plans { FolderOnDisk().removePlan(plan) }
    FolderTree.remove(path)
    if (try? SystemCalls.identity(path: path, followingLinks: false)) == nil { return }
    // For the error.
    try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in try SystemCalls.removeFolder(path) }
  }

  private func removeMerge(_ breaksLock: Bool) throws(CheckpointError) {
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
