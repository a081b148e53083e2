import Checkpoints
import Checksums
import Platform
import Safetensors
import Synchronization

/// A result in the making, in its staging folder, that gets its name when it is complete.
///
/// The staging folder holds `plan.json`, which says what merge it is; `partial` with what is being written; `result` with
/// the files that are complete; and `parts` with a `PartRecord` for each complete weight file. An object that goes away
/// before `finish()` takes all of it along, unless it was told to `keep()` it for the next run.
public final class StagedOutput: Sendable {
  public let place: OutputPlace
  private let staging: StagingFolder
  /// Whether a run of the same identity left something.
  package let goesOn: Bool
  /// The weight files that the run before completed, by name.
  package let finished: [String: PartRecord]
  /// Whether complete files and what is done of others are written down for a next run.
  private let isResumable: Bool
  private let made = Mutex<[String]>([])
  private let isFinished = Atomic<Bool>(false)
  private let isKept = Atomic<Bool>(false)
  private let journalIntervals: ShardJournal.Intervals

  private var resultPath: String { Paths.join(staging.path, "result") }
  private var partialPath: String { Paths.join(staging.path, "partial") }
  private var partsPath: String { Paths.join(staging.path, "parts") }
  private var planPath: String { Paths.join(staging.path, "plan.json") }
  /// Where a folder that was replaced is until it is removed, where names cannot be exchanged.
  private var retiredPath: String { Paths.join(staging.path, Self.retiredName) }
  private static let retiredName = "old"

  /// The name of the file that a result of one file has in `result`.
  private static let singleName = "model.safetensors"

  /// Begins a result, or goes on with what is in the staging folder.
  ///
  /// - Parameters:
  ///   - staging: The folder, which is locked.
  ///   - identity: What decides the result; nil: nothing is kept for another run.
  ///   - unfinished: What becomes of what a run before left.
  /// - Throws: ``CheckpointError/Problem/otherMerge(_:)`` if a run of another identity left something.
  public convenience init(
    _ staging: StagingFolder, identity: MergeIdentity? = nil, unfinished: Unfinished = .isGoneOnWith
  ) throws(CheckpointError) {
    try self.init(staging, identity: identity, unfinished: unfinished, journalIntervals: ShardJournal.Intervals())
  }

  /// What becomes of the work that a run before left.
  public enum Unfinished: Sendable {
    /// Of the same merge it is used; another's is refused.
    case isGoneOnWith
    /// Of the same merge it is made again; another's is refused.
    case isMadeAgain
    /// It goes, whosever it is.
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
    let paths = ["result", "partial", "parts"].map { [staging] in Paths.join(staging.path, $0) }
    let planPath = Paths.join(staging.path, "plan.json")
    try Self.restore(staging)
    let isThere = unfinished == .isRemoved ? false : try Self.isSame(identity, staging, planPath)
    let goesOn = isThere && unfinished == .isGoneOnWith
    if !goesOn { staging.clear(sparesWorkspace: true) }
    self.goesOn = goesOn
    do throws(CheckpointError) {
      for path in paths { try Self.makeFolder(path) }
    } catch {
      if !goesOn { staging.clear() }
      throw error
    }
    finished = goesOn ? Self.finishedParts(paths[0], paths[2], isFolder: place.isFolder) : [:]
    if goesOn { Self.removeStrays(in: paths[1]) }
    if let identity, !goesOn { try write(identity.text, to: planPath) }
  }

  /// Whether a run of the same merge left something: false if there is nothing.
  ///
  /// - Throws: `otherMerge` if it is another's, or nobody can tell whose.
  private static func isSame(
    _ identity: MergeIdentity?, _ staging: StagingFolder, _ planPath: String
  ) throws(CheckpointError) -> Bool {
    guard try OutputPlace.identity(planPath, followingLinks: false) != nil else { return false }
    guard let old = MergeIdentity(text: try BoundedFile.read(planPath, limit: largestPlanByteCount)) else {
      throw CheckpointError(path: staging.path, .otherMerge("its plan.json is of another version"))
    }
    guard let identity else { throw CheckpointError(path: staging.path, .otherMerge("this one cannot go on with it")) }
    if let difference = identity.difference(from: old) {
      throw CheckpointError(path: staging.path, .otherMerge(difference))
    }
    return true
  }

  static let largestPlanByteCount = 256 << 20

  private static func makeFolder(_ path: String) throws(CheckpointError) {
    try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      if try SystemCalls.identity(path: path, followingLinks: false) == nil {
        try SystemCalls.makeFolder(path, mode: 0o700)
      }
    }
  }

  /// What was moved to its last place, or out of the way, by a run that was killed in the middle of that.
  private static func restore(_ staging: StagingFolder) throws(CheckpointError) {
    try restore(staging.path, output: staging.place.path, isMountPoint: staging.place.isMountPoint)
  }

  static func restore(_ staging: String, output: String, isMountPoint: Bool) throws(CheckpointError) {
    if isMountPoint {
      let result = Paths.join(staging, "result")
      for name in OutputPlace.movedNames(output) where Paths.components(name).count == 1 {
        try? SystemCalls.renameWithoutReplacing(Paths.join(output, name), to: Paths.join(result, name))
      }
    }
    let retired = Paths.join(staging, retiredName)
    if try OutputPlace.identity(retired, followingLinks: false) != nil {
      // Fails if the result is there: then the old one is not needed any more.
      try? SystemCalls.renameWithoutReplacing(retired, to: output)
    }
  }

  /// The complete weight files whose records are true.
  static func finishedParts(_ result: String, _ parts: String, isFolder: Bool) -> [String: PartRecord] {
    var found: [String: PartRecord] = [:]
    for entry in (try? SystemCalls.entries(ofFolder: parts)) ?? [] {
      guard let text = try? BoundedFile.read(Paths.join(parts, entry), limit: 64 << 20),
        let record = PartRecord(text: text)
      else { continue }
      let path = Paths.join(result, isFolder ? record.file.name : singleName)
      guard let identity = try? SystemCalls.identity(path: path, followingLinks: false), record.file.isStill(identity)
      else { continue }
      found[record.file.name] = record
    }
    return found
  }

  /// Small files that were being written: they have random names, and are written again.
  private static func removeStrays(in folder: String) {
    for entry in (try? SystemCalls.entries(ofFolder: folder)) ?? [] where entry.hasPrefix("small.") {
      try? SystemCalls.removeFile(Paths.join(folder, entry))
    }
  }

  // MARK: - Weight files

  /// A weight file that is being written, and what a run before did of it.
  package struct Part: Sendable {
    package let file: OutputFile
    /// Nil: nothing is written down.
    package let journal: ShardJournal?
    package let done: ByteRanges
  }

  /// Creates a weight file, or goes on with one.
  ///
  /// - Parameters:
  ///   - name: Relative to the result's folder; of a single file whatever it is called in the plan.
  ///   - number: The file's place in the plan.
  ///   - inputs: What its inputs are now.
  ///   - content: Finds the checksum of an input by its place in `inputs`.
  package func createPart(
    _ name: String, number: Int, byteCount: Int, inputs: [InputState],
    content: (Int) throws -> SHA256Checksum
  ) throws -> Part {
    let target = try path(for: place.isFolder ? name : Self.singleName)
    let temporary = Paths.join(partialPath, "\(number)")
    let journalPath = temporary + ".journal"
    guard isResumable else {
      return Part(
        file: try OutputFile(path: target, temporaryPath: temporary, byteCount: byteCount), journal: nil,
        done: ByteRanges())
    }
    if let identity = try OutputPlace.identity(temporary, followingLinks: false), identity.isRegularFile,
      identity.byteCount == byteCount, let found = ShardJournal.read(journalPath, inode: identity.inode),
      found.inputs.count == inputs.count,
      try zip(found.inputs, inputs).enumerated().allSatisfy({ number, pair in
        try pair.0.holds(pair.1) { try content(number) }
      })
    {
      let file = try OutputFile(path: target, temporaryPath: temporary, byteCount: byteCount, continues: true)
      return Part(
        file: file,
        journal: ShardJournal(
          path: journalPath, inode: identity.inode, inputs: inputs, done: found.done, intervals: journalIntervals),
        done: found.done)
    }
    try? SystemCalls.removeFile(journalPath)
    try? SystemCalls.removeFile(temporary)
    let file = try OutputFile(path: target, temporaryPath: temporary, byteCount: byteCount)
    return Part(
      file: file,
      journal: ShardJournal(
        path: journalPath, inode: try file.identity().inode, inputs: inputs, done: ByteRanges(),
        intervals: journalIntervals),
      done: ByteRanges())
  }

  /// Completes a weight file and writes down that it is; what it was made of is not asked for again.
  ///
  /// - Parameters:
  ///   - inputs: The base's files that were read for it, as they were.
  ///   - checksum: The file's, where it was computed.
  ///   - drops: Whether its pages are taken out of the page cache.
  ///   - verifies: Whether it is read from the disk again and compared with `checksum`.
  ///   - interruption: Asks for an end while it is read.
  ///   - beforeVerification: Called with its path before that.
  @discardableResult
  package func commit(
    _ part: Part, name: String, inputs: [InputState], checksum: SHA256Checksum? = nil, drops: Bool = false,
    verifies: Bool = false, interruption: Interruption = .never, beforeVerification: ((String) -> Void)? = nil
  ) throws -> PartRecord {
    let path = part.file.path
    try part.file.commit(replacing: true, drops: drops)
    if verifies, let checksum {
      beforeVerification?(path)
      let found = try FileChecksum.of(path, drops: true, interruption: interruption)
      guard found == checksum else {
        try? SystemCalls.removeFile(path)
        throw CheckpointError(
          path: path, .notAsWritten(expected: checksum.description, found: found.description))
      }
    }
    let identity = try OutputPlace.identity(path, followingLinks: false)
    guard let identity else { throw CheckpointError(path: path, .notFound) }
    let record = PartRecord(file: InputState(name: name, identity, checksum: checksum), inputs: inputs)
    guard isResumable else { return record }
    try write(record.text, to: Paths.join(partsPath, Self.fileName(of: name) + ".json"))
    try? SystemCalls.removeFile(part.file.temporaryPath + ".journal")
    return record
  }

  /// Where a complete weight file is until the result gets its name.
  package func path(ofPart name: String) -> String {
    Paths.join(resultPath, place.isFolder ? name : Self.singleName)
  }

  /// Where the complete result is until it gets its name: a folder, or the one file.
  package var completePath: String { place.isFolder ? resultPath : path(ofPart: "") }

  /// The name of a shard, which may lie in a folder, as one component.
  private static func fileName(of name: String) -> String {
    Paths.components(name).map { component in
      String(decoding: component.utf8.flatMap { $0 == UInt8(ascii: "%") ? Array("%25".utf8) : [$0] }, as: UTF8.self)
    }.joined(separator: "%2F")
  }

  /// Bytes that a run before reserved for a weight file that it did not complete.
  package func reservedByteCount(ofPart number: Int) -> Int {
    (try? SystemCalls.occupiedByteCount(Paths.join(partialPath, "\(number)"))) ?? 0
  }

  /// Bytes that may still be written to the file system of the result; nil where it does not say.
  package func freeByteCount() throws(CheckpointError) -> Int? {
    try CheckpointError.attempt(staging.path) { [staging] () throws(SystemCalls.Failure) in
      try SystemCalls.freeByteCount(staging.path)
    }
  }

  /// Whether blocks of `source` can be shared with files of the result: tried with one.
  package func sharesBlocks(with source: String) -> Bool {
    let block = 0..<HeaderEncoder.blockByteCount
    let path = temporaryPath
    guard let source = try? InputFile(path: source), source.byteCount >= block.count,
      let probe = try? OutputFile(path: path, temporaryPath: path, byteCount: block.count)
    else { return false }
    return (try? probe.clone(block, of: source, at: 0)) == block
  }

  // MARK: - Small files

  private var temporaryPath: String {
    Paths.join(partialPath, "small." + String(UInt64.random(in: 0 ... .max), radix: 36))
  }

  /// Writes a small file of the result's folder.
  package func write(_ name: String, _ bytes: [UInt8]) throws { try write(bytes, to: try path(for: name)) }

  private func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    do throws(FileError) {
      let file = try OutputFile(path: path, temporaryPath: temporaryPath, byteCount: bytes.count)
      try file.reserve(0..<bytes.count)
      try unsafe file.write(bytes.span.bytes, at: 0)
      try file.commit(replacing: true)
    } catch {
      guard case .system(let call, let code) = error.problem else { throw CheckpointError(path: path, .changed) }
      throw CheckpointError(path: path, .system(call: call, code: code))
    }
  }

  /// Copies a side file byte for byte, or writes its text; returns its checksum.
  @discardableResult
  package func copy(_ side: SideFiles.File, interruption: Interruption = .never) throws -> SHA256Checksum {
    if let text = side.text {
      try write(side.name, text)
      return SHA256Checksum(of: text)
    }
    let source = try InputFile(path: side.sourcePath)
    let path = try path(for: side.name)
    let file = try OutputFile(path: path, temporaryPath: temporaryPath, byteCount: source.byteCount)
    try file.reserve(0..<source.byteCount)
    var stream = SHA256Stream()
    var offset = 0
    while offset < source.byteCount {
      try interruption.check()
      let end = min(offset + (4 << 20), source.byteCount)
      let chunk = try source.bytes(offset..<end)
      stream.update(chunk)
      try unsafe file.write(chunk.span.bytes, at: offset)
      offset = end
    }
    try source.checkUnchanged()
    try file.commit(replacing: true)
    return stream.checksum
  }

  // MARK: - The end

  /// Leaves what is done to the next run.
  package func keep() { isKept.store(true, ordering: .relaxed) }

  /// Gives the result its name; after this it is there, whole and on the disk.
  ///
  /// - Parameter lastName: The file that comes last where files are moved one by one: without it the others are no model.
  public func finish(lastName: String? = nil) throws(CheckpointError) {
    for folder in try FolderTree.folders(resultPath) {
      try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
        try SystemCalls.setMode(path: folder, 0o777 & ~SystemCalls.userMask)
      }
      try FolderTree.synchronize(folder)
    }
    do throws(CheckpointError) {
      if place.isMountPoint {
        try moveIntoMount(lastName: lastName)
      } else if place.isFolder {
        try nameFolder()
      } else {
        try nameFile()
      }
    } catch {
      if case .system(_, let code) = error.problem, SystemCalls.folderInTheWay.contains(code) {
        throw CheckpointError(path: place.path, .outputExists)
      }
      throw error
    }
    isFinished.store(true, ordering: .sequentiallyConsistent)
    defer { staging.clear() }
    try FolderTree.synchronize(Paths.folder(place.path))
  }

  /// Whether the result has its name: there is nothing to go on with.
  package var hasItsName: Bool { isFinished.load(ordering: .sequentiallyConsistent) }

  private func attempt(_ body: () throws(SystemCalls.Failure) -> Void) throws(CheckpointError) {
    try CheckpointError.attempt(place.path, body)
  }

  private func nameFile() throws(CheckpointError) {
    try attempt { [place, retiredPath, singlePath = path(ofPart: "")] () throws(SystemCalls.Failure) in
      guard place.replaces else { return try SystemCalls.renameWithoutReplacing(singlePath, to: place.path) }
      if try SystemCalls.replace(place.path, by: singlePath) { return }
      // Two renames: a run that is killed between them is followed by one that puts the old file back.
      try? SystemCalls.removeFile(retiredPath)
      try SystemCalls.rename(place.path, to: retiredPath)
      do throws(SystemCalls.Failure) {
        try SystemCalls.renameWithoutReplacing(singlePath, to: place.path)
      } catch {
        try? SystemCalls.renameWithoutReplacing(retiredPath, to: place.path)
        throw error
      }
    }
  }

  private func nameFolder() throws(CheckpointError) {
    if place.holdsModel { return try replaceModel() }
    try attempt { [place, resultPath] () throws(SystemCalls.Failure) in
      if place.replaces {
        // An empty folder: rename replaces it, and fails if something came into it meanwhile.
        try SystemCalls.replaceEmptyFolder(place.path, by: resultPath)
      } else {
        try SystemCalls.renameWithoutReplacing(resultPath, to: place.path)
      }
    }
  }

  /// Puts the result in the place of a folder that holds a model, in one step where names can be exchanged.
  private func replaceModel() throws(CheckpointError) {
    try place.checkHoldsOnlyAModel()
    // What is in `result` next is the old model: no run may take its files for what it has done.
    try? SystemCalls.removeFile(planPath)
    let isExchanged = try CheckpointError.attempt(place.path) { [place, resultPath] () throws(SystemCalls.Failure) in
      try SystemCalls.exchange(resultPath, place.path)
    }
    if isExchanged {
      do throws(CheckpointError) {
        // Something may have come into it since it was looked at.
        try place.checkHoldsOnlyAModel(at: resultPath)
      } catch {
        try attempt { [place, resultPath] () throws(SystemCalls.Failure) in
          _ = try SystemCalls.exchange(resultPath, place.path)
        }
        throw error
      }
      return
    }
    try attempt { [place, retiredPath] () throws(SystemCalls.Failure) in
      try SystemCalls.rename(place.path, to: retiredPath)
    }
    do throws(CheckpointError) {
      try place.checkHoldsOnlyAModel(at: retiredPath)
      try attempt { [place, resultPath] () throws(SystemCalls.Failure) in
        try SystemCalls.renameWithoutReplacing(resultPath, to: place.path)
      }
    } catch {
      try? SystemCalls.renameWithoutReplacing(retiredPath, to: place.path)
      throw error
    }
  }

  /// Moves the files one by one, which is all that a mounted folder allows; a file says so meanwhile.
  private func moveIntoMount(lastName: String?) throws(CheckpointError) {
    let entries = try CheckpointError.attempt(resultPath) { [resultPath] () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: resultPath)
    }
    let isWeights = { (name: String) in name.hasSuffix(".safetensors") }
    let ordered =
      entries.filter { isWeights($0) && $0 != lastName } + entries.filter { !isWeights($0) && $0 != lastName }
      + entries.filter { $0 == lastName }
    let marker = Paths.join(place.path, ResultMarks.incomplete)
    try write(Array(ordered.map { $0 + "\n" }.joined().utf8), to: marker)
    try FolderTree.synchronize(place.path)
    for name in ordered {
      try attempt { [place, resultPath] () throws(SystemCalls.Failure) in
        try SystemCalls.renameWithoutReplacing(Paths.join(resultPath, name), to: Paths.join(place.path, name))
      }
    }
    try FolderTree.synchronize(place.path)
    try attempt { () throws(SystemCalls.Failure) in try SystemCalls.removeFile(marker) }
    try FolderTree.synchronize(place.path)
  }

  /// The path of a file in `result`; makes the folders that its name asks for.
  private func path(for name: String) throws(CheckpointError) -> String {
    var folder = resultPath
    for component in Paths.components(name).dropLast() {
      folder = Paths.join(folder, component)
      let path = folder
      try made.withLock { made throws(CheckpointError) in
        guard !made.contains(path) else { return }
        try Self.makeFolder(path)
        made.append(path)
      }
    }
    return Paths.join(resultPath, name)
  }

  deinit {
    if !hasItsName, !isKept.load(ordering: .relaxed) { staging.clear() }
  }
}
