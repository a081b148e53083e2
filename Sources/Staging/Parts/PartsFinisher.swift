import Checkpoints
import Platform

/// Makes the result of a plan from its complete weight files.
///
/// Several may do that at once, be killed at any step, and run again: each links the weight files into a folder that only
/// it knows, and one of them gives its folder the output's name. Where the file system has no links the weight files are
/// moved, and one process works at a time.
package struct PartsFinisher: Sendable {
  /// A weight file of the plan.
  package struct WeightFile: Sendable {
    /// Relative to the result's folder.
    package let name: String
    package let headerBytes: [UInt8]
    package let byteCount: Int

    package init(name: String, headerBytes: [UInt8], byteCount: Int) {
      self.name = name
      self.headerBytes = headerBytes
      self.byteCount = byteCount
    }
  }

  package enum Outcome: Equatable, Sendable {
    case finished
    /// The result was there already.
    case wasFinished
  }

  /// Weight files that have no record, or whose records do not say what is wanted.
  package struct Missing: Error, Equatable {
    /// Their places in the plan.
    package let numbers: [Int]
    /// What their records do not say; nothing: they have none.
    package let lacking: RecordContents
    /// What records must say.
    package let needed: RecordContents
  }

  /// Writes the other files of the result into a folder, each flushed to disk, the index last; returns their names.
  package typealias OtherFiles = (_ folder: String, _ records: [Int: ShardRecord]) throws -> [String]

  private let parts: PartsFolder
  private let files: [WeightFile]
  private var shared: any SharedFolder { parts.shared }
  private var paths: PartsPaths { parts.paths }

  package init(_ parts: PartsFolder, files: [WeightFile]) {
    self.parts = parts
    self.files = files
  }

  /// Makes the result, or finds that it was made.
  ///
  /// - Parameters:
  ///   - contents: What records must say to be of use.
  ///   - wait: Called with the number of weight files that are missing, and that another machine may see already; false:
  ///     they stay missing.
  ///   - others: Called once, when all weight files are complete.
  ///   - made: Called once the result has its name, before the parts are removed, with the records of all weight files. A
  ///     finisher that was killed before them is followed by one that calls it for a result that was there. Not called where
  ///     the records are gone.
  /// - Throws: ``Missing``; ``PartsError``; `CheckpointError` with `outputStays` if something else has the output's name; what
  ///   `made` throws, and the parts stay.
  package func finish(
    needing contents: RecordContents = [], wait: (_ missing: Int) -> Bool = { _ in false }, others: OtherFiles,
    made: (_ records: [Int: ShardRecord]) throws -> Void = { _ in }
  ) throws -> Outcome {
    switch try parts.outputState() {
    case .finished: return try leave(finished: contents, wait, made)
    case .other: throw CheckpointError(path: parts.output, .outputStays)
    case .absent: break
    }
    try checkPrivate()
    var isAnnounced = false
    defer { if isAnnounced { shared.remove(paths.finisher) } }
    let all: [Int: ShardRecord]
    let names: [String]
    do {
      all = try records(contents) { missing in
        announce(&isAnnounced)
        // While this process waits, another one may make the result, or something else get the output's name.
        return wait(missing) && (try? parts.outputState()) ?? .absent == .absent
      }
      announce(&isAnnounced)
      // Again: they may have been made while this process waited.
      try checkPrivate()
      names = try makeResult(all, others)
    } catch {
      try parts.expectFinished(despite: error)
      return try leave(finished: contents, wait, made)
    }
    // Whoever removes the parts at this moment may have removed some of it.
    try secureResult(names)
    return try leave(.finished, all, made)
  }

  /// Checks that nobody else may write to the folders of the parts: whoever may decides what is in the result.
  private func checkPrivate() throws {
    for folder in [paths.top, paths.folder, paths.work, paths.parts] { try shared.checkPrivate(folder) }
  }

  /// Says once that this process makes the result, for whoever wants to remove the parts; not before they are there.
  private func announce(_ isAnnounced: inout Bool) {
    guard !isAnnounced, (try? shared.list(paths.folder))?.contains(PartsPaths.runsName) == true else { return }
    // Whoever cannot say it can make the result.
    isAnnounced = (try? shared.write(StagingLock.Holder.current().text, to: paths.finisher)) != nil
  }

  /// Leaves a result that was there.
  private func leave(
    finished contents: RecordContents, _ wait: (_ missing: Int) -> Bool,
    _ made: (_ records: [Int: ShardRecord]) throws -> Void
  ) throws -> Outcome {
    try secureResult(parts.recordedNames())
    // A report is made of the records. Some that this machine does not see yet are waited for; where none is left, whoever made
    // the result has removed them.
    let all = try? records(contents) { missing in
      contents.contains(.statistics) && (try? shared.list(paths.parts).isEmpty) == false && wait(missing)
    }
    return try leave(.wasFinished, all, made)
  }

  private func leave(
    _ outcome: Outcome, _ records: [Int: ShardRecord]?, _ made: (_ records: [Int: ShardRecord]) throws -> Void
  ) throws -> Outcome {
    if let records { try made(records) }
    removeParts()
    return outcome
  }

  /// Makes the result and gives it the output's name; returns the names of its files.
  private func makeResult(_ records: [Int: ShardRecord], _ others: OtherFiles) throws -> [String] {
    let places = try locate(records)
    try compareData(records, places)
    try makeFolders()
    if try linkFiles(places) {
      let names: [String]
      do { names = try complete(records, others) } catch {
        shared.remove(paths.result)
        throw error
      }
      // After a failure the folder stays: it may have the output's name, and be found by its own one still.
      try publish()
      return names
    }
    guard try shared.create(paths.finishing) else { throw PartsError(path: paths.finishing, .beingFinished) }
    defer { shared.remove(paths.finishing) }
    // Again: another process may have moved them before this one alone could.
    try moveFiles(try locate(records))
    let names = try complete(records, others)
    try publish()
    return names
  }

  /// The records of all weight files.
  private func records(_ contents: RecordContents, _ wait: (_ missing: Int) -> Bool) throws -> [Int: ShardRecord] {
    while true {
      let records = try parts.records()
      let missing = files.indices.filter { records[$0] == nil }
      let lacking = records.mapValues { contents.subtracting($0.contents) }.filter { !$0.value.isEmpty }
      let bare = files.indices.filter { lacking[$0] != nil }
      if missing.isEmpty, bare.isEmpty { return records }
      guard wait(missing.count + bare.count) else {
        throw missing.isEmpty
          ? Missing(numbers: bare, lacking: lacking.values.reduce([]) { $0.union($1) }, needed: contents)
          : Missing(numbers: missing, lacking: [], needed: contents)
      }
    }
  }

  /// Where the data of each weight file is: in `work`, or where a process left it that moved files and was killed.
  private func locate(_ records: [Int: ShardRecord]) throws -> [String] {
    let work = Set(try shared.list(paths.work))
    let moving = try parts.movingFolders()
    return try files.enumerated().map { number, file in
      let record = try record(number, records)
      if work.contains(record.data) { return Paths.join(paths.work, record.data) }
      if let path = try parts.movedData(of: file.name, in: moving) { return path }
      throw PartsError(path: Paths.join(paths.work, record.data), .noData)
    }
  }

  private func record(_ number: Int, _ records: [Int: ShardRecord]) throws -> ShardRecord {
    guard let record = records[number], record.name == files[number].name else {
      throw PartsError(path: paths.parts, .notThePlan(name: files[number].name))
    }
    return record
  }

  /// Compares size and header of each weight file with its record and the plan.
  private func compareData(_ records: [Int: ShardRecord], _ places: [String]) throws {
    for (number, file) in files.enumerated() {
      let record = try record(number, records)
      guard let start = try shared.start(of: places[number], byteCount: file.headerBytes.count) else {
        throw PartsError(path: places[number], .noData)
      }
      guard start.fileByteCount == record.byteCount, record.byteCount == file.byteCount else {
        throw PartsError(
          path: places[number], .size(found: start.fileByteCount, recorded: record.byteCount))
      }
      guard start.bytes == file.headerBytes else { throw PartsError(path: places[number], .header) }
    }
  }

  private func makeFolders() throws {
    try shared.makeFolder(paths.result)
    for file in files {
      var folder = paths.result
      for component in Paths.components(file.name).dropLast() {
        folder = Paths.join(folder, component)
        try shared.makeFolder(folder)
      }
    }
  }

  /// Gives each weight file its name in the result; false if the file system has no links.
  private func linkFiles(_ places: [String]) throws -> Bool {
    for (place, file) in zip(places, files) {
      guard try shared.link(place, to: Paths.join(paths.result, file.name)) else { return false }
    }
    return true
  }

  private func moveFiles(_ places: [String]) throws {
    for (place, file) in zip(places, files) where place != Paths.join(paths.result, file.name) {
      try shared.rename(place, to: Paths.join(paths.result, file.name))
    }
  }

  /// Adds the other files; returns the names of all.
  private func complete(_ records: [Int: ShardRecord], _ others: OtherFiles) throws -> [String] {
    let names = try files.map(\.name) + others(paths.result, records)
    try shared.complete(paths.result)
    for (wanted, found) in try self.names(names, in: paths.result) {
      guard let name = wanted.symmetricDifference(found).min() else { continue }
      throw PartsError(path: paths.result, .notThePlan(name: name))
    }
    return names
  }

  /// Gives the folder the output's name.
  private func publish() throws {
    do { try shared.renameFolder(paths.result, to: parts.output) } catch {
      if try parts.outputState() == .other { throw CheckpointError(path: parts.output, .outputStays) }
      throw error
    }
  }

  /// Checks that the result that has its name has all of these files, and flushes the name to disk: whoever gave it may have been
  /// killed before. Only then may the parts be removed.
  private func secureResult(_ names: [String]) throws {
    try parts.checkResult(files)
    for (wanted, found) in try self.names(names, in: parts.output) {
      guard let name = wanted.subtracting(found).min() else { continue }
      throw PartsError(path: Paths.join(parts.output, name), .damagedResult("is missing"))
    }
    try shared.flush(Paths.folder(parts.output))
  }

  /// What of these files and their folders each folder should hold, and what it holds, relative to the outermost.
  private func names(
    _ names: [String], in result: String
  ) throws -> [(wanted: Set<String>, found: Set<String>)] {
    let expected = Dictionary(grouping: names, by: { Paths.folder($0) })
    let folders = Set(names.flatMap { Self.folders(of: $0) })
    return try folders.union(["."]).sorted().map { folder in
      let path = folder == "." ? result : Paths.join(result, folder)
      let found = try shared.list(path).map { folder == "." ? $0 : Paths.join(folder, $0) }
      return (Set(expected[folder] ?? []).union(folders.filter { Paths.folder($0) == folder }), Set(found))
    }
  }

  /// The folders that a name has, the outermost first.
  private static func folders(of name: String) -> [String] {
    var folder = ""
    return Paths.components(name).dropLast().map { component in
      folder = Paths.join(folder, component)
      return folder
    }
  }

  /// Removes what is not needed after the result has its name, also what a killed process left.
  private func removeParts() {
    shared.remove(paths.folder)
    shared.remove(paths.finishing)
    shared.removeIfEmpty(paths.top)
  }
}
