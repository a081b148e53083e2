import Checkpoints
import Checksums
import Platform
import Safetensors
import Synchronization

/// An unfinished result in its staging folder, which is moved into place when it is complete.
///
/// If the object is released before `finish()`, the staging folder is removed, unless `keep()` was called to leave it
/// for the next run.
public final class StagedOutput: Sendable {
  public let place: OutputPlace
  private let staging: StagingFolder
  /// Whether an earlier run of the same merge left work.
  package let goesOn: Bool
  /// The weight files that the earlier run completed, by name.
  package let finished: [String: PartRecord]
  /// Whether complete files and the progress of others are recorded for the next run.
  private let isResumable: Bool
  private let made = Mutex<[String]>([])
  /// The records of the weight files that this run completed, by name.
  private let written = Mutex<[String: PartRecord]>([:])
  private let isFinished = Atomic<Bool>(false)
  private let isKept = Atomic<Bool>(false)
  private let journalIntervals: ShardJournal.Intervals

  private let paths: StagingPaths

  /// Starts a result, or resumes the work in the staging folder.
  ///
  /// - Parameters:
  ///   - staging: The locked folder.
  ///   - identity: The merge's identity; nil if nothing is kept for another run.
  ///   - unfinished: What to do with the work of an earlier run.
  /// - Throws: `CheckpointError.Problem.otherMerge` if another merge left work.
  public convenience init(
    _ staging: StagingFolder, identity: MergeIdentity? = nil, unfinished: Unfinished = .isGoneOnWith
  ) throws(CheckpointError) {
    try self.init(staging, identity: identity, unfinished: unfinished, journalIntervals: ShardJournal.Intervals())
  }

  /// What to do with the work that an earlier run left.
  public enum Unfinished: Sendable {
    /// Resume the work of the same merge; refuse that of another.
    case isGoneOnWith
    /// Discard the work of the same merge; refuse that of another.
    case isMadeAgain
    /// Discard the work of any merge.
    case isRemoved
  }

  init(
    _ staging: StagingFolder, identity: MergeIdentity?, unfinished: Unfinished,
    journalIntervals: ShardJournal.Intervals
  ) throws(CheckpointError) {
    self.staging = staging
    self.journalIntervals = journalIntervals
    place = staging.place
    isResumable = identity != nil
    let paths = StagingPaths(folder: staging.path, isFolder: staging.place.isFolder, token: staging.token)
    self.paths = paths
    try Publishing.restore(paths, output: staging.place.path, isMountPoint: staging.place.isMountPoint)
    let isThere = unfinished == .isRemoved ? false : try Self.isSame(identity, paths)
    let goesOn = isThere && unfinished == .isGoneOnWith
    if !goesOn { staging.clear(sparesWorkspace: true) }
    self.goesOn = goesOn
    do throws(CheckpointError) {
      for path in [paths.result, paths.partial, paths.parts] { try StagingPaths.makeFolder(path) }
    } catch {
      if !goesOn { staging.clear() }
      throw error
    }
    finished = goesOn ? Self.finishedParts(paths) : [:]
    if goesOn { paths.removeStrays() }
    if let identity, !goesOn { try paths.write(identity.text, to: paths.plan) }
  }

  /// Whether an earlier run of the same merge left work; false if there is no work.
  ///
  /// - Throws: `otherMerge` if the work is another merge's or of unknown origin.
  private static func isSame(
    _ identity: MergeIdentity?, _ paths: StagingPaths
  ) throws(CheckpointError) -> Bool {
    guard try OutputPlace.identity(paths.plan, followingLinks: false) != nil else { return false }
    guard let old = MergeIdentity(text: try BoundedFile.read(paths.plan, limit: largestPlanByteCount)) else {
      throw CheckpointError(path: paths.folder, .otherMerge("its plan.json is of another version"))
    }
    guard let identity else { throw CheckpointError(path: paths.folder, .otherMerge("this merge cannot resume it")) }
    if let difference = identity.difference(from: old) {
      throw CheckpointError(path: paths.folder, .otherMerge(difference))
    }
    return true
  }

  static let largestPlanByteCount = 256 << 20

  /// The complete weight files whose records still hold.
  private static func finishedParts(_ paths: StagingPaths) -> [String: PartRecord] {
    var found: [String: PartRecord] = [:]
    for entry in (try? SystemCalls.entries(ofFolder: paths.parts)) ?? [] {
      guard let text = try? BoundedFile.read(Paths.join(paths.parts, entry), limit: 64 << 20),
        let record = PartRecord(text: text)
      else { continue }
      guard let identity = try? SystemCalls.identity(path: paths.weightFile(record.file.name), followingLinks: false),
        record.file.isStill(identity)
      else { continue }
      found[record.file.name] = record
    }
    return found
  }

  // MARK: - Weight files

  /// A weight file that is being written, and the progress of an earlier run.
  package struct Part: Sendable {
    package let file: OutputFile
    /// Nil if progress is not recorded.
    package let journal: ShardJournal?
    package let done: ByteRanges

    package init(file: OutputFile, journal: ShardJournal? = nil, done: ByteRanges = ByteRanges()) {
      self.file = file
      self.journal = journal
      self.done = done
    }
  }

  /// Creates a weight file, or resumes one.
  ///
  /// - Parameters:
  ///   - name: Relative to the result's folder; for a single file the name in the plan.
  ///   - number: The file's place in the plan.
  ///   - inputs: The current state of its inputs.
  ///   - content: Computes the checksum of an input by its position in `inputs`.
  package func createPart(
    _ name: String, number: Int, byteCount: Int, inputs: [InputState],
    content: (Int) throws -> SHA256Checksum
  ) throws -> Part {
    guard staging.isHeld else { throw staging.takenOver }
    try makeFolders(for: place.isFolder ? name : "")
    let target = paths.weightFile(name)
    let temporary = paths.partialFile(number)
    guard isResumable else {
      return Part(
        file: try OutputFile(path: target, temporaryPath: temporary, byteCount: byteCount), journal: nil,
        done: ByteRanges())
    }
    // Another machine may still be writing to a file that it began.
    for left in goesOn && !staging.hadCompany ? paths.partialFiles(number) : [] {
      guard let identity = try OutputPlace.identity(left, followingLinks: false), identity.isRegularFile,
        identity.byteCount == byteCount,
        let found = ShardJournal.read(StagingPaths.journal(of: left), inode: identity.inode),
        found.inputs.count == inputs.count,
        try zip(found.inputs, inputs).enumerated().allSatisfy({ number, pair in
          try pair.0.holds(pair.1) { try content(number) }
        })
      else { continue }
      let file = try OutputFile(path: target, temporaryPath: left, byteCount: byteCount, continues: true)
      return part(file, inode: identity.inode, inputs, done: found.done)
    }
    if goesOn { paths.removePartialFiles(number) }
    let file = try OutputFile(path: target, temporaryPath: temporary, byteCount: byteCount)
    return part(file, inode: try file.identity().inode, inputs, done: ByteRanges())
  }

  private func part(_ file: OutputFile, inode: UInt64, _ inputs: [InputState], done: ByteRanges) -> Part {
    let journal = ShardJournal(
      path: StagingPaths.journal(of: file.temporaryPath), inode: inode, inputs: inputs, done: done,
      intervals: journalIntervals)
    return Part(file: file, journal: journal, done: done)
  }

  /// Completes a weight file and records that, with its inputs.
  @discardableResult
  package func commit(_ part: Part, name: String, _ completion: FileCompletion) throws -> PartRecord {
    guard staging.isHeld else { throw staging.takenOver }
    let record = try completion.complete(part.file, name: name)
    written.withLock { $0[name] = record }
    guard isResumable else { return record }
    try paths.write(record.text, to: paths.record(of: name))
    try? SystemCalls.removeFile(StagingPaths.journal(of: part.file.temporaryPath))
    return record
  }

  /// The path of a complete weight file until the result is moved into place.
  package func path(ofPart name: String) -> String { paths.weightFile(name) }

  /// A folder for pieces of work that are kept for the next run and are no files of the result.
  package var unitsFolder: String { paths.units }

  /// The path of the complete result, a folder or a single file, until it is moved into place.
  package var completePath: String { paths.complete }

  /// Bytes that an earlier run reserved for a weight file that it did not complete.
  package func reservedByteCount(ofPart number: Int) -> Int {
    guard goesOn else { return 0 }
    return paths.partialFiles(number).reduce(0) { $0 + ((try? SystemCalls.occupiedByteCount($1)) ?? 0) }
  }

  /// Bytes that may still be written to the file system of the result; nil if it does not report that.
  package func freeByteCount() throws(CheckpointError) -> Int? {
    try CheckpointError.attempt(staging.path) { [staging] () throws(SystemCalls.Failure) in
      try SystemCalls.freeByteCount(staging.path)
    }
  }

  /// Whether blocks of `source` can be shared with files of the result: tried with one.
  package func sharesBlocks(with source: String) -> Bool { BlockSharing.works(with: source, at: paths.smallFile) }

  // MARK: - Small files

  /// Writes a small file of the result's folder.
  package func write(_ name: String, _ bytes: [UInt8]) throws(CheckpointError) {
    try makeFolders(for: name)
    try paths.write(bytes, to: Paths.join(paths.result, name))
  }

  /// Copies a copied file byte for byte, or writes its text; returns its checksum.
  @discardableResult
  package func copy(_ side: SideFiles.File, interruption: Interruption = .never) throws -> SHA256Checksum {
    if let text = side.text {
      try write(side.name, text)
      return SHA256Checksum(of: text)
    }
    try makeFolders(for: side.name)
    let path = Paths.join(paths.result, side.name)
    return try side.copy(to: path, through: paths.smallFile, interruption)
  }

  // MARK: - The end

  /// Leaves the finished work for the next run.
  package func keep() { isKept.store(true, ordering: .relaxed) }

  /// Moves the result into place, complete and on disk.
  ///
  /// - Parameter lastName: The file to move last if files are moved one by one; without it the others are not a model.
  public func finish(lastName: String? = nil) throws(CheckpointError) {
    if staging.hadCompany || !staging.isHeld { try checkIsOwn() }
    try Publishing(place: place, paths: paths).publish(lastName: lastName)
    isFinished.store(true, ordering: .sequentiallyConsistent)
    defer { staging.clear() }
    try FolderTree.synchronize(Paths.folder(place.path))
  }

  /// Checks that the weight files are those of this run. Another run that works here, too, may have exchanged the result for
  /// an old model.
  private func checkIsOwn() throws(CheckpointError) {
    for (name, record) in finished.merging(written.withLock { $0 }, uniquingKeysWith: { $1 }) {
      guard let identity = try OutputPlace.identity(paths.weightFile(name), followingLinks: false),
        record.file.isStill(identity)
      else { throw staging.takenOver }
    }
  }

  /// The error that this run ends with instead of `error`: of one whose folder another run has taken, that is the reason for
  /// whatever failed.
  package func reason(for error: any Error) -> any Error {
    guard !hasItsName, let cause = error as? any ReportableError, cause.category == .inputOutput, !staging.isHeld else {
      return error
    }
    return staging.takenOver
  }

  /// Whether the result is in place, so that there is nothing to resume.
  package var hasItsName: Bool { isFinished.load(ordering: .sequentiallyConsistent) }

  /// Makes the folders in `result` that a file's name contains.
  private func makeFolders(for name: String) throws(CheckpointError) {
    var folder = paths.result
    for component in Paths.components(name).dropLast() {
      folder = Paths.join(folder, component)
      let path = folder
      try made.withLock { made throws(CheckpointError) in
        guard !made.contains(path) else { return }
        try StagingPaths.makeFolder(path)
        made.append(path)
      }
    }
  }

  deinit {
    if !hasItsName, !isKept.load(ordering: .relaxed) { staging.clear() }
  }
}
