import Checkpoints
import JSONText
import Platform

/// What is done of one plan whose merge is made in parts, as its folder says.
public struct PartsStatus: Sendable {
  /// A process that began to write a part.
  public struct Run: Sendable, Equatable {
    /// The part, counted from 0, and the number of parts.
    public let index: Int
    public let count: Int
    public let host: String
    public let process: Int
    let token: String
    let isAliveHere: Bool
    /// Whether it certainly does not run any more.
    let hasEnded: Bool
  }

  /// A weight file of the result.
  public struct File: Sendable, Equatable {
    public let name: String
    public let byteCount: Int
    /// Whether it is complete.
    public let isComplete: Bool
    /// The process that completed it; nil: it is not complete, or what says so was removed.
    public let run: Run?
    /// When it was complete, in seconds since 1970 by the clock of the file system.
    public let completed: Int?
  }

  /// The folder.
  public let path: String
  /// The name of the folder, which tells the plan from others.
  public let digest: String
  /// What decides the result; nil: the file that says so is not there.
  let identity: MergeIdentity?
  /// In the order of the plan; those that are complete alone, if the list of all is not there.
  public let files: [File]
  /// In the order of their parts.
  public let runs: [Run]
  /// The processes that make the result, or were killed while they did.
  let finishers: [StagingLock.Holder]
  /// Whether the plan and the list of its weight files are there: not where the first part has just begun, and not where the
  /// folder was removed in part.
  public let isWhole: Bool

  /// The program's version; nil: the file that says so is not there.
  public var version: String? { identity?.version }

  /// Whether all weight files are complete.
  public var isComplete: Bool { isWhole && !files.isEmpty && files.allSatisfy(\.isComplete) }

  /// The machines on which a process began that is not known to have ended and that needs the parts, sorted: one that makes the
  /// result, or one that writes a part, unless all weight files are complete.
  var hosts: [String] {
    let writers = isComplete ? [] : runs.filter { !$0.hasEnded }.map(\.host)
    return Set(writers + finishers.filter { !$0.hasEnded }.map(\.host)).sorted()
  }

  /// A process of this machine that needs the parts; nil if none runs.
  var processHere: Int? { runs.first(where: \.isAliveHere)?.process ?? finishers.first(where: \.isAliveHere)?.process }

  /// Every plan of which parts are there for an output.
  ///
  /// - Parameter output: The path of the result.
  /// - Throws: `CheckpointError` for a folder that this user may not list.
  public static func all(output: String) throws(CheckpointError) -> [PartsStatus] {
    try all(in: PartsPaths.top(ofOutput: Paths.withoutTrailingSlashes(output)))
  }

  /// Every plan in the folder of an output's parts.
  static func all(in top: String) throws(CheckpointError) -> [PartsStatus] {
    guard try OutputPlace.identity(top)?.isDirectory == true else { return [] }
    var all: [PartsStatus] = []
    for name in try FolderOnDisk().list(top).sorted() {
      guard let digest = PlanDigest(name: name), let plan = try PartsStatus(Paths.join(top, name), digest) else {
        continue
      }
      all.append(plan)
    }
    return all
  }

  /// The plan whose parts are in a folder; nil: there is no such folder.
  init?(_ path: String, _ digest: PlanDigest) throws(CheckpointError) {
    guard try OutputPlace.identity(path, followingLinks: false)?.isDirectory == true else { return nil }
    // A finisher may remove the folder meanwhile.
    if try FolderOnDisk().list(path).isEmpty, try OutputPlace.identity(path) == nil { return nil }
    self.path = path
    self.digest = digest.description
    identity = Self.text(Paths.join(path, PartsPaths.planName)).flatMap { MergeIdentity(text: $0) }
    let runs = Self.runs(Paths.join(path, PartsPaths.runsName))
    self.runs = runs.sorted { ($0.count, $0.index, $0.token) < ($1.count, $1.index, $1.token) }
    finishers = Self.finishers(Paths.join(path, PartsPaths.runsName))
    let records = Self.records(Paths.join(path, PartsPaths.partsName), digest)
      .filter { Self.hasData($0.value.record, in: path) }
    let list = Self.text(Paths.join(path, PartsPaths.filesName)).flatMap { PartsFileList(text: $0) }
    isWhole = identity != nil && list != nil
    let names = list?.files ?? records.values.map { ($0.record.name, $0.record.byteCount) }.sorted { $0.0 < $1.0 }
    let byName = Dictionary(records.values.map { ($0.record.name, $0) }, uniquingKeysWith: { one, _ in one })
    files = names.map { name, byteCount in
      let found = byName[name]
      return File(
        name: name, byteCount: byteCount, isComplete: found != nil,
        run: found.flatMap { found in runs.first { found.record.data.contains($0.token) } }, completed: found?.time)
    }
  }

  /// Whether the data of a record is in `work` with its whole size, or in the result that a process makes: without it, the record
  /// counts as none.
  private static func hasData(_ record: ShardRecord, in folder: String) -> Bool {
    let path = Paths.join(Paths.join(folder, PartsPaths.workName), record.data)
    if let identity = try? SystemCalls.identity(path: path) { return identity.byteCount == record.byteCount }
    let results = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return results.contains { result in
      let moved = Paths.join(Paths.join(folder, result), record.name)
      return result.hasPrefix(PartsPaths.resultPrefix) && (try? SystemCalls.identity(path: moved)) != nil
    }
  }

  private static func text(_ path: String) -> [UInt8]? {
    try? BoundedFile.read(path, limit: StagedOutput.largestPlanByteCount)
  }

  private static func runs(_ folder: String) -> [Run] {
    let names = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return names.compactMap { name in
      guard let run = RunName(name), let holder = StagingLock.Holder(path: Paths.join(folder, name)) else { return nil }
      return Run(
        index: run.index, count: run.count, host: holder.host, process: holder.process, token: run.token,
        isAliveHere: holder.isAliveHere, hasEnded: holder.hasEnded)
    }
  }

  private static func finishers(_ folder: String) -> [StagingLock.Holder] {
    ((try? SystemCalls.entries(ofFolder: folder)) ?? []).filter { $0.hasPrefix(PartsPaths.finisherPrefix) }
      .compactMap { StagingLock.Holder(path: Paths.join(folder, $0)) }
  }

  private static func records(_ folder: String, _ digest: PlanDigest) -> [Int: (record: ShardRecord, time: Int)] {
    var found: [Int: (record: ShardRecord, time: Int)] = [:]
    for name in (try? SystemCalls.entries(ofFolder: folder)) ?? [] {
      let path = Paths.join(folder, name)
      guard let number = PartsPaths.number(ofRecord: name),
        let text = try? BoundedFile.read(path, limit: PartsFolder.recordLimit),
        let record = ShardRecord(text: text, of: number, in: digest),
        let identity = try? SystemCalls.identity(path: path)
      else { continue }
      found[number] = (record, identity.modified)
    }
    return found
  }
}
