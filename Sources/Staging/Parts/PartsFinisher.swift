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
  /// - Throws: ``PartsError``; `CheckpointError` with `outputStays` if something else has the output's name; what `made`
  ///   throws, and the parts stay.
  package func finish(
    needing contents: RecordContents = [], wait: (_ missing: Int) -> Bool = { _ in false }, others: OtherFiles,
    made: (_ records: [Int: ShardRecord]) throws -> Void = { _ in }
  ) throws -> Outcome {
    switch try parts.outputState() {
    case .finished: return try leave(finished: contents, made)
    case .other: throw CheckpointError(path: parts.output, .outputStays)
    case .absent: break
    }
    // Whoever else may write to them decides what is in the result.
    for folder in [paths.top, paths.folder, paths.work, paths.parts] { try shared.checkPrivate(folder) }
    let all: [Int: ShardRecord]
    do {
      // While this process waits, another one may make the result and remove the records.
      all = try records(contents) { wait($0) && (try? parts.outputState()) != .finished }
      try makeResult(all, others)
    } catch {
      // Whatever failed: a request may have been sent twice, or another process was faster.
      guard (try? parts.outputState()) == .finished else { throw error }
      return try leave(finished: contents, made)
    }
    return try leave(.finished, all, made)
  }

  /// Leaves a result that was there.
  private func leave(
    finished contents: RecordContents, _ made: (_ records: [Int: ShardRecord]) throws -> Void
  ) throws -> Outcome {
    try parts.checkResult(files)
    return try leave(.wasFinished, try? records(contents) { _ in false }, made)
  }

  private func leave(
    _ outcome: Outcome, _ records: [Int: ShardRecord]?, _ made: (_ records: [Int: ShardRecord]) throws -> Void
  ) throws -> Outcome {
    if let records { try made(records) }
    removeParts()
    return outcome
  }

  private func makeResult(_ records: [Int: ShardRecord], _ others: OtherFiles) throws {
    let places = try locate(records)
    try compareData(records, places)
    try makeFolders()
    if try linkFiles(places) {
      do { try complete(records, others) } catch {
        shared.remove(paths.result)
        throw error
      }
      return
    }
    guard try shared.create(paths.finishing) else { throw PartsError(path: paths.finishing, .beingFinished) }
    defer { shared.remove(paths.finishing) }
    // Again: another process may have moved them before this one alone could.
    try moveFiles(try locate(records))
    try complete(records, others)
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
        func names(_ numbers: [Int]) -> [String] { numbers.map { files[$0].name } }
        throw PartsError(
          path: paths.folder,
          missing.isEmpty
            ? .without(lacking.values.reduce([]) { $0.union($1) }, names(bare), of: files.count)
            : .missing(names(missing), of: files.count))
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

  /// Adds the other files, and gives the folder the output's name.
  private func complete(_ records: [Int: ShardRecord], _ others: OtherFiles) throws {
    let names = try others(paths.result, records)
    try shared.complete(paths.result)
    try compareNames(files.map(\.name) + names)
    do { try shared.renameFolder(paths.result, to: parts.output) } catch {
      if try parts.outputState() == .other { throw CheckpointError(path: parts.output, .outputStays) }
      throw error
    }
  }

  /// Whether the result's folder holds these files and nothing else.
  private func compareNames(_ names: [String]) throws {
    let expected = Dictionary(grouping: names, by: { Paths.folder($0) })
    let folders = Set(names.flatMap { Self.folders(of: $0) })
    for folder in folders.union(["."]) {
      let path = folder == "." ? paths.result : Paths.join(paths.result, folder)
      let found = try shared.list(path).map { folder == "." ? $0 : Paths.join(folder, $0) }
      let wanted = Set(expected[folder] ?? []).union(folders.filter { Paths.folder($0) == folder })
      if let name = Set(found).symmetricDifference(wanted).min() {
        throw PartsError(path: paths.result, .notThePlan(name: name))
      }
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
