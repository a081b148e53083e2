import Checkpoints
import JSONText
import Platform

/// The folder in which the processes of one plan gather the weight files of its result, without locks.
///
/// A weight file is complete when its record is there, never because a name is there. Every step may be repeated, done by
/// two at once, or be left at any point.
package struct PartsFolder: Sendable {
  package let output: String
  package let identity: MergeIdentity
  package let digest: PlanDigest
  package let shared: any SharedFolder
  let paths: PartsPaths

  /// The parts of the plan that `identity` decides.
  ///
  /// - Parameters:
  ///   - output: The path of the result, a folder.
  ///   - token: Tells this process from all others; no other process may ever have the same.
  package init(
    output: String, identity: MergeIdentity, shared: any SharedFolder = FolderOnDisk(),
    token: String = RandomToken.make()
  ) {
    self.output = Paths.withoutTrailingSlashes(output)
    self.identity = identity
    self.shared = shared
    digest = PlanDigest(identity)
    paths = PartsPaths(output: self.output, digest: digest, token: token)
  }

  /// Where the parts are.
  package var folderPath: String { paths.folder }

  /// What has the output's name.
  package enum OutputState: Equatable, Sendable {
    /// Nothing, or an empty folder.
    case absent
    /// The result of this plan.
    case finished
    case other
  }

  /// More than any record has.
  static let recordLimit = 64 << 20

  /// Looks at the output by listings.
  package func outputState() throws(CheckpointError) -> OutputState {
    let name = Paths.lastComponent(output)
    guard try shared.list(Paths.folder(output)).contains(where: { Paths.areEqual($0, name) }) else { return .absent }
    let names: [String]
    do throws(CheckpointError) { names = try shared.list(output) } catch {
      if PartsError.isOthers(error) { return .other }
      throw error
    }
    if names.isEmpty { return .absent }
    guard names.contains(ResultMarks.record) else { return .other }
    // A name that cannot be opened is one that this machine has not seen for long, and says nothing yet.
    guard let text = try shared.start(of: ResultRecord.path(in: output), byteCount: Self.recordLimit) else {
      return .absent
    }
    guard let record = try? ResultRecord(text: text.bytes) else { return .other }
    return identity.decided(record) ? .finished : .other
  }

  // MARK: - A part

  /// Makes the folders, finds out whether the file system can do what is needed, and says who began.
  ///
  /// - Parameters:
  ///   - index: The part that this process writes, counted from 0.
  ///   - count: The number of parts.
  ///   - files: Name and size of every weight file of the plan, for whoever looks.
  package func begin(_ index: Int, of count: Int, files: [(name: String, byteCount: Int)] = []) throws {
    for folder in [paths.top, paths.folder, paths.work, paths.parts, paths.runs] { try shared.makeFolder(folder) }
    try probe()
    for (path, text) in [(paths.plan, identity.text), (paths.files, PartsFileList(files).text)] {
      try shared.write(text, to: path + "." + paths.token)
      try shared.rename(path + "." + paths.token, to: path)
    }
    try shared.write(
      StagingLock.Holder.current().text,
      to: Paths.join(paths.runs, RunName(index: index, count: count, token: paths.token).text))
  }

  /// Tries the calls that parts need, with names of this process.
  private func probe() throws {
    let file = Paths.join(paths.work, "probe-\(paths.token)")
    defer { for suffix in ["", ".1", ".2", ".3"] { shared.remove(file + suffix) } }
    do throws(CheckpointError) {
      try shared.write([0], to: file)
      try shared.rename(file, to: file + ".1")
      _ = try shared.link(file + ".1", to: file)
      try shared.makeFolder(file + ".2")
      try shared.renameFolder(file + ".2", to: file + ".3")
    } catch {
      // A full disk is one for whatever file system.
      if PartsError.isGone(error) || PartsError.isFull(error) { throw error }
      throw PartsError(path: paths.top, .unsuitable(error.message))
    }
  }

  /// The parts that began, each as often as it did.
  package func runs() throws(CheckpointError) -> [(index: Int, count: Int)] {
    try shared.list(paths.runs).compactMap { RunName($0) }.map { ($0.index, $0.count) }
  }

  /// Digests of other plans for the same output that have parts here.
  package func otherPlans() throws(CheckpointError) -> [PlanDigest] {
    try shared.list(paths.top).compactMap { PlanDigest(name: $0) }.filter { $0 != digest }
  }

  /// The records of complete weight files, by their places in the plan.
  package func records() throws(CheckpointError) -> [Int: ShardRecord] {
    var names = try shared.list(paths.parts)
    if names.isEmpty {
      // A client that asked before it was there may say that it is not, until it lists the folders around it.
      for folder in [Paths.folder(paths.top), paths.top, paths.folder] { _ = try shared.list(folder) }
      names = try shared.list(paths.parts)
    }
    var found: [Int: ShardRecord] = [:]
    for name in names {
      guard let number = PartsPaths.number(ofRecord: name), let record = try record(number) else { continue }
      found[number] = record
    }
    return found
  }

  /// Whether a weight file has a record, and the data that it is about.
  ///
  /// - Parameters:
  ///   - contents: What the record must say, or it counts as none.
  ///   - inputs: The base's files that it must have been made from, as this process sees them; nil: whichever.
  package func isComplete(
    _ number: Int, having contents: RecordContents = [], madeFrom inputs: [ShardRecord.Input]? = nil
  ) throws(CheckpointError) -> Bool {
    let name = PartsPaths.recordName(number)
    guard try shared.list(paths.parts).contains(name), let record = try record(number) else { return false }
    guard record.contents.isSuperset(of: contents) else { return false }
    if let inputs, !record.isMade(from: inputs) { return false }
    return try hasData(record)
  }

  /// Whether the data of a record is in `work` with its whole size, or in the result that a process makes.
  private func hasData(_ record: ShardRecord) throws(CheckpointError) -> Bool {
    if try shared.list(paths.work).contains(record.data) {
      return try shared.start(of: Paths.join(paths.work, record.data), byteCount: 0)?.fileByteCount == record.byteCount
    }
    return try movedData(of: record.name, in: movingFolders()) != nil
  }

  /// The folders in which processes put results together.
  func movingFolders() throws(CheckpointError) -> [String] {
    try shared.list(paths.folder).filter { $0.hasPrefix(PartsPaths.resultPrefix) }.map { Paths.join(paths.folder, $0) }
  }

  /// Where a process has the weight file that moves files because the file system has no links; nil: nowhere.
  ///
  /// - Parameter folders: What ``movingFolders()`` returned.
  func movedData(of name: String, in folders: [String]) throws(CheckpointError) -> String? {
    for folder in folders {
      let path = Paths.join(folder, name)
      if try shared.list(Paths.folder(path)).contains(Paths.lastComponent(path)) { return path }
    }
    return nil
  }

  /// The record of a weight file whose name a listing showed; nil if it is not whole.
  private func record(_ number: Int) throws(CheckpointError) -> ShardRecord? {
    let path = Paths.join(paths.parts, PartsPaths.recordName(number))
    return try shared.start(of: path, byteCount: Self.recordLimit)
      .flatMap { ShardRecord(text: $0.bytes, of: number, in: digest) }
  }

  /// The path and the name of the file into which this process writes the data of a weight file: once, and closed before it
  /// is recorded.
  package func data(_ number: Int) -> (path: String, name: String) {
    let name = paths.dataName(number)
    return (Paths.join(paths.work, name), name)
  }

  /// Records that the data of a weight file is complete and on disk.
  ///
  /// A record replaces one that does not say all that it says, and one of other base files.
  ///
  /// - Returns: False if another process was faster; the data of this one is removed then. A process that wrote a record
  ///   never removes its data, so a record that another one replaces stays true.
  package func complete(_ record: ShardRecord) throws(CheckpointError) -> Bool {
    if try isComplete(record.number, having: record.contents, madeFrom: record.inputs) {
      shared.remove(Paths.join(paths.work, record.data))
      return false
    }
    let name = PartsPaths.recordName(record.number)
    let temporary = Paths.join(paths.parts, ".\(name).\(paths.token)")
    try shared.write(record.text, to: temporary)
    try shared.rename(temporary, to: Paths.join(paths.parts, name))
    return true
  }
}

extension MergeIdentity {
  /// Whether this identity decided the result that has this record.
  func decided(_ record: ResultRecord) -> Bool {
    guard record.version == version, record.options == options else { return false }
    let own = inputs.filter { $0.role != "written" }
    guard own.count == record.inputs.count else { return false }
    return zip(own, record.inputs).allSatisfy { one, other in
      // A base's file has a checksum where checksums were asked for.
      one == (one.checksum == nil ? other.with(checksum: nil) : other)
    }
  }
}
