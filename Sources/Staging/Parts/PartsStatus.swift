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
  /// The program's version and the options that decide bytes.
  public let version: String
  public let options: [MergeIdentity.Option]
  /// In the order of the plan; those that are complete alone, if the list of all cannot be read.
  public let files: [File]
  /// In the order of their parts.
  public let runs: [Run]

  /// Every plan of which parts are there for an output.
  ///
  /// - Parameter output: The path of the result.
  public static func all(output: String) -> [PartsStatus] {
    let top = PartsPaths.top(ofOutput: Paths.withoutTrailingSlashes(output))
    let names = (try? SystemCalls.entries(ofFolder: top)) ?? []
    return names.sorted().compactMap { PlanDigest(name: $0) }.compactMap {
      PartsStatus(Paths.join(top, $0.description), $0)
    }
  }

  private init?(_ path: String, _ digest: PlanDigest) {
    guard
      let text = try? BoundedFile.read(Paths.join(path, PartsPaths.planName), limit: StagedOutput.largestPlanByteCount),
      let identity = MergeIdentity(text: text)
    else { return nil }
    self.path = path
    self.digest = digest.description
    (version, options) = (identity.version, identity.options)
    let runs = Self.runs(Paths.join(path, PartsPaths.runsName))
    self.runs = runs.sorted { ($0.count, $0.index, $0.token) < ($1.count, $1.index, $1.token) }
    let records = Self.records(Paths.join(path, PartsPaths.partsName), digest)
    let list = (try? BoundedFile.read(Paths.join(path, PartsPaths.filesName), limit: StagedOutput.largestPlanByteCount))
      .flatMap { PartsFileList(text: $0) }
    let names = list?.files ?? records.values.map { ($0.record.name, $0.record.byteCount) }.sorted { $0.0 < $1.0 }
    let byName = Dictionary(records.values.map { ($0.record.name, $0) }, uniquingKeysWith: { one, _ in one })
    files = names.map { name, byteCount in
      let found = byName[name]
      return File(
        name: name, byteCount: byteCount, isComplete: found != nil,
        run: found.flatMap { found in runs.first { found.record.data.contains($0.token) } }, completed: found?.time)
    }
  }

  private static func runs(_ folder: String) -> [Run] {
    let names = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return names.compactMap { name in
      guard let run = RunName(name), let holder = StagingLock.Holder(path: Paths.join(folder, name)) else { return nil }
      return Run(
        index: run.index, count: run.count, host: holder.host, process: holder.process, token: run.token,
        isAliveHere: holder.isAliveHere)
    }
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
