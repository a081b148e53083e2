import Checksums
import Foundation
import Platform
import TestSupport
import Testing

@testable import Checkpoints
@testable import Staging

/// Parts and their finisher on a real disk.
@Suite struct PartsFolderTests {
  private let names = ["model-00001-of-00002.safetensors", "unet/model-00002-of-00002.safetensors"]

  private func identity(_ dtype: String = "auto") -> MergeIdentity {
    MergeIdentity(
      version: "1.0", options: [.init(name: "dtype", value: dtype)],
      inputs: [
        .init(role: "base", name: "a", byteCount: 1, headerChecksum: SHA256Checksum(of: [1])),
        .init(role: "adapter 1", name: "b", byteCount: 2, checksum: SHA256Checksum(of: [2])),
        .init(role: "written", name: "config.json", byteCount: 2, checksum: SHA256Checksum(of: [3])),
      ])
  }

  private func data(_ number: Int) -> [UInt8] { [UInt8](repeating: UInt8(number), count: 8) + [9, 9] }

  /// Writes weight files as a part does; returns how many it recorded.
  @discardableResult
  private func part(_ parts: PartsFolder, _ numbers: [Int], statistics: Bool = false) throws -> Int {
    try parts.begin(0, of: 1)
    var count = 0
    for number in numbers where try !parts.isComplete(number, having: statistics ? .statistics : []) {
      let (path, name) = parts.data(number)
      try parts.shared.write(data(number), to: path)
      let record = ShardRecord(
        digest: parts.digest, number: number, name: names[number], data: name, byteCount: 10,
        headerChecksum: SHA256Checksum(of: Array(data(number)[..<8])),
        findings: ShardFindings(hasStatistics: statistics))
      if try parts.complete(record) { count += 1 }
    }
    return count
  }

  private func finish(
    _ parts: PartsFolder, needsStatistics: Bool = false, wait: (_ missing: Int) -> Bool = { _ in false },
    made: ([Int: ShardRecord]) throws -> Void = { _ in }
  ) throws -> PartsFinisher.Outcome {
    let files = names.enumerated().map { number, name in
      PartsFinisher.WeightFile(name: name, headerBytes: Array(data(number)[..<8]), byteCount: 10)
    }
    return try PartsFinisher(parts, files: files).finish(needing: needsStatistics ? .statistics : [], wait: wait) {
      folder, records in
      #expect(records.keys.sorted() == [0, 1])
      let record = ResultRecord(identity(), baseChecksums: [SHA256Checksum(of: [7])], files: []).text
      try parts.shared.write(record, to: folder + "/" + ResultMarks.record)
      try parts.shared.write([1], to: folder + "/index.json")
      return [ResultMarks.record, "index.json"]
    } made: {
      try made($0)
    }
  }

  private func parts(_ scratch: Scratch, _ dtype: String = "auto") -> PartsFolder {
    PartsFolder(output: scratch.file("out"), identity: identity(dtype))
  }

  @Test func partsBecomeAResult() throws {
    let scratch = try Scratch()
    #expect(try parts(scratch).outputState() == .absent)
    #expect(try part(parts(scratch), [0]) == 1)
    let top = scratch.file(".out.safemerge-parts")
    #expect(try (SystemCalls.identity(path: top)?.mode ?? 0) & 0o777 == 0o700)
    // Again, and of the other plan beside it.
    #expect(try part(parts(scratch), [0]) == 0)
    #expect(try part(parts(scratch, "f32"), [1]) == 1)
    #expect(try parts(scratch).otherPlans() == [PlanDigest(identity("f32"))])
    let expected = PartsFinisher.Missing(numbers: [1], lacking: [], needed: [])
    #expect(throws: expected) { try finish(parts(scratch)) }
    // Another machine writes the rest while this one waits.
    var waits = 0
    let outcome = try finish(parts(scratch)) { missing in
      #expect(missing == 1)
      waits += 1
      if waits == 2 { _ = try? part(parts(scratch), [1]) }
      return waits < 5
    }
    #expect(outcome == .finished && waits == 2)
    #expect(try contents(scratch.file("out/" + names[0])) == data(0))
    #expect(try contents(scratch.file("out/" + names[1])) == data(1))
    #expect(try scratch.entries("out").sorted() == [ResultMarks.record, "index.json", names[0], "unet"].sorted())
    // Only the other plan's folder stays.
    #expect(try scratch.entries(".out.safemerge-parts") == [PlanDigest(identity("f32")).description])
    #expect(try parts(scratch).outputState() == .finished)
    #expect(try finish(parts(scratch)) == .wasFinished)
    #expect(try parts(scratch, "f32").outputState() == .other)
    #expect(throws: CheckpointError(path: scratch.file("out"), .outputStays)) { try finish(parts(scratch, "f32")) }
    let mode = try SystemCalls.identity(path: scratch.file("out/unet"))?.mode ?? 0
    #expect(mode & 0o777 == 0o777 & ~SystemCalls.userMask)
  }

  /// A machine that has not seen the last record yet sees the result that another one made of it.
  @Test func waitingEndsWhenTheResultIsThere() throws {
    let scratch = try Scratch()
    try part(parts(scratch), [0])
    var waits = 0
    let outcome = try finish(parts(scratch)) { _ in
      waits += 1
      if waits == 2 {
        _ = try? part(parts(scratch), [1])
        _ = try? finish(parts(scratch))
      }
      return waits < 5
    }
    #expect(outcome == .wasFinished && waits == 2)
    #expect(try scratch.entries() == ["out"])
  }

  @Test func dataThatDiffersFromItsRecordIsRefused() throws {
    let scratch = try Scratch()
    let own = parts(scratch)
    try part(own, [0, 1])
    let path = own.data(1).path
    for (bytes, problem) in [
      ([], .size(found: 0, recorded: 10)), ([UInt8](repeating: 7, count: 10), .header),
    ] as [([UInt8], PartsError.Problem)] {
      try write(bytes, to: path)
      let error = #expect(throws: PartsError.self) { try finish(parts(scratch)) }
      #expect(error == PartsError(path: path, problem))
      #expect(error?.category == .inputOutput && error?.errorClass == "parts")
    }
    try SystemCalls.removeFile(path)
    #expect(throws: PartsError(path: path, .noData)) { try finish(parts(scratch)) }
    #expect(try scratch.entries() == [".out.safemerge-parts"])
    // A record that is cut does not count; the shard is made again.
    let record = scratch.file(".out.safemerge-parts/\(own.digest)/parts/00001.json")
    try write(Array(try contents(record).dropLast(5)), to: record)
    #expect(try !own.isComplete(1))
    #expect(try part(parts(scratch), [1]) == 1)
    #expect(try finish(parts(scratch)) == .finished)
  }

  @Test func whatHasTheNameOfTheOutputIsSeen() throws {
    let scratch = try Scratch()
    try part(parts(scratch), [0, 1])
    let exists = CheckpointError(path: scratch.file("out"), .outputStays)
    try scratch.write("x", to: "out")
    #expect(try parts(scratch).outputState() == .other)
    #expect(throws: exists) { try finish(parts(scratch)) }
    try SystemCalls.removeFile(scratch.file("out"))
    try scratch.folder("out")
    #expect(try parts(scratch).outputState() == .absent)
    // It fills while the result is made.
    let own = parts(scratch)
    let files = names.enumerated().map { number, name in
      PartsFinisher.WeightFile(name: name, headerBytes: Array(data(number)[..<8]), byteCount: 10)
    }
    #expect(throws: exists) {
      try PartsFinisher(own, files: files).finish { folder, _ in
        try scratch.write("theirs", to: "out/notes.txt")
        return []
      }
    }
    #expect(try scratch.entries("out") == ["notes.txt"])
    // A file too many, or too few.
    for other in ["index.json", "unet/index.json"] {
      let output = PartsFolder(output: scratch.file("out2"), identity: identity())
      try part(output, [0, 1])
      let error = #expect(throws: PartsError.self) {
        try PartsFinisher(output, files: files).finish { folder, _ in
          try output.shared.write([1], to: folder + "/" + other)
          return other == "index.json" ? [] : [other, "missing.json"]
        }
      }
      guard case .notThePlan(let name)? = error?.problem else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(name == (other == "index.json" ? other : "missing.json"))
    }
    // The empty folder is no obstacle.
    try SystemCalls.removeFile(scratch.file("out/notes.txt"))
    #expect(try finish(parts(scratch)) == .finished)
    #expect(try scratch.entries("out").count == 4)
  }

  /// A record with statistics replaces one without, and never the other way around.
  @Test func statisticsAreKept() throws {
    let scratch = try Scratch()
    #expect(try part(parts(scratch), [0, 1]) == 2)
    #expect(try part(parts(scratch), [1], statistics: true) == 1)
    #expect(throws: PartsFinisher.Missing(numbers: [0], lacking: .statistics, needed: .statistics)) {
      try finish(parts(scratch), needsStatistics: true)
    }
    // One that began before, and collected none.
    let late = parts(scratch)
    try late.shared.write(data(1), to: late.data(1).path)
    let record = ShardRecord(
      digest: late.digest, number: 1, name: names[1], data: late.data(1).name, byteCount: 10,
      headerChecksum: SHA256Checksum(of: []))
    #expect(try !late.complete(record))
    #expect(try part(parts(scratch), [0, 1], statistics: true) == 1)
    // What the report needs fails: the result has its name, and the records stay for the next finisher.
    struct Full: Error {}
    #expect(throws: Full.self) { try finish(parts(scratch), needsStatistics: true, made: { _ in throw Full() }) }
    #expect(try parts(scratch).outputState() == .finished && scratch.entries(".out.safemerge-parts").count == 1)
    var found: [Bool] = []
    let outcome = try finish(
      parts(scratch), needsStatistics: true, made: { records in found = records.values.map(\.findings.hasStatistics) })
    #expect(outcome == .wasFinished && found == [true, true])
    #expect(try scratch.entries() == ["out"])
    let last = try finish(parts(scratch), made: { _ in Issue.record("there are no records") })
    #expect(last == .wasFinished)
  }

  /// A finisher after one that was killed does not see all records yet: it waits for them, because a report needs them.
  @Test func recordsOfAResultAreWaitedFor() throws {
    let scratch = try Scratch()
    try part(parts(scratch), [0, 1], statistics: true)
    struct Killed: Error {}
    #expect(throws: Killed.self) { try finish(parts(scratch), needsStatistics: true, made: { _ in throw Killed() }) }
    let record = scratch.file(".out.safemerge-parts/\(PlanDigest(identity()))/parts/00001.json")
    let text = try contents(record)
    try SystemCalls.removeFile(record)
    var (waits, reported) = (0, 0)
    let outcome = try finish(parts(scratch), needsStatistics: true) { missing in
      waits += 1
      if waits == 2 { try? write(text, to: record) }
      return waits < 5
    } made: {
      reported = $0.count
    }
    #expect(outcome == .wasFinished && waits == 2 && reported == 2)
    #expect(try scratch.entries() == ["out"])
    // None is left: there is nothing to wait for.
    let again = try finish(parts(scratch), needsStatistics: true) { _ in
      Issue.record("waited")
      return false
    }
    #expect(again == .wasFinished)
  }

  /// Folders that another user can write to are refused, also those that came while a finisher waited.
  @Test func foldersOfOthersAreRefused() throws {
    let scratch = try Scratch()
    let own = parts(scratch)
    let refused = CheckpointError(path: own.paths.work, .stagingNotOurs)
    var waits = 0
    #expect(throws: refused) {
      try finish(own) { _ in
        waits += 1
        _ = try? part(parts(scratch), [0, 1])
        try? FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: own.paths.work)
        return true
      }
    }
    #expect(throws: refused) { try finish(parts(scratch)) }
    #expect(waits == 1)
    #expect(try scratch.entries() == [".out.safemerge-parts"])
  }

  /// Somebody removes the parts at the very moment in which a finisher gives the result its name.
  @Test(arguments: ["index.json", "unet/model-00002-of-00002.safetensors"])
  func aResultThatLosesFilesIsNotFinished(_ name: String) throws {
    let scratch = try Scratch()
    try part(parts(scratch), [0, 1])
    let parts = PartsFolder(
      output: scratch.file("out"), identity: identity(),
      shared: MeddledFolder { try? SystemCalls.removeFile($0 + "/" + name) })
    let error = #expect(throws: PartsError.self) { try finish(parts, made: { _ in Issue.record("reported") }) }
    #expect(error == PartsError(path: scratch.file("out/" + name), .damagedResult("is missing")))
    #expect(try scratch.entries().sorted() == [".out.safemerge-parts", "out"])
  }

  /// The folder of a plan is whole until it has another name, and then it is gone for every finisher.
  @Test func aPlanIsRemovedAtOnce() throws {
    let scratch = try Scratch()
    let own = parts(scratch)
    try part(own, [0, 1])
    let before = try scratch.entries(".out.safemerge-parts/\(own.digest)/work").sorted()
    let folder = own.folderPath
    MeddledFolder { path in
      let names = try? SystemCalls.entries(ofFolder: path + "/work").sorted()
      #expect(path == folder && names == before && before.count == 2)
    }.removePlan(folder)
    #expect(try scratch.entries(".out.safemerge-parts") == [])
  }

  /// Who makes the result is named while it does, and no longer.
  @Test func finishersAreSeen() throws {
    let scratch = try Scratch()
    try part(parts(scratch), [0])
    let seen = { try PartsStatus.all(output: scratch.file("out")).flatMap(\.finishers) }
    var (waits, during): (Int, [StagingLock.Holder]) = (0, [])
    #expect(throws: PartsFinisher.Missing.self) {
      try finish(parts(scratch)) { _ in
        during = (try? seen()) ?? []
        waits += 1
        return waits < 2
      }
    }
    #expect(during.map(\.process) == [Int(Machine.processID)])
    #expect(try seen().isEmpty)
  }

  /// Sums come back bit for bit.
  @Test func findingsAreReadAsTheyWereWritten() throws {
    var (bare, whole) = (ShardFindings.Tensor(place: 0), ShardFindings.Tensor(place: 3))
    bare.factors = .init(inputs: [2, 3], active: [3])
    whole.nonFiniteCount = 7
    whole.factors = .init(inputs: [], active: [])
    whole.sample = .init(change: 0.1 + 0.2, base: 1e300)
    whole.sums = .init(
      changedCount: 1 << 40, intendedSquares: .leastNonzeroMagnitude, lostSquares: 2 / 3, baseSquares: .infinity)
    whole.codes = .init(changedCount: 4, halfStepCount: 3)
    whole.trainingSquares = 1e22
    bare.sample = .init(change: 0, base: 1_234_567)
    let findings = ShardFindings(hasStatistics: true, tensors: [bare, whole])
    let record = ShardRecord(
      digest: PlanDigest(identity()), number: 0, name: "x", data: "y", byteCount: 1,
      headerChecksum: SHA256Checksum(of: []), findings: findings)
    #expect(ShardRecord(text: record.text)?.findings == findings)
  }

  @Test func aRecordIsReadAsItWasWritten() throws {
    let record = ShardRecord(
      digest: PlanDigest(identity()), number: 17, name: "a/é.safetensors", data: "00017-0.safetensors",
      byteCount: 1 << 40, headerChecksum: SHA256Checksum(of: [1]), checksum: SHA256Checksum(of: [2]),
      inputs: [
        .init(name: "x", byteCount: 1, modifiedNanoseconds: 5),
        .init(
          name: "y", byteCount: 2, modifiedNanoseconds: 6, checksum: SHA256Checksum(of: [3])),
      ], verification: .read)
    #expect(ShardRecord(text: record.text) == record)
    for cut in 0..<record.text.count { #expect(ShardRecord(text: Array(record.text[..<cut])) == nil) }
    for position in record.text.indices {
      var text = record.text
      text[position] ^= 1
      #expect(ShardRecord(text: text) == nil, "\(position)")
    }
    for (name, number) in [("00017.json", 17), ("123456.json", 123_456)] {
      #expect(PartsPaths.number(ofRecord: name) == number)
      #expect(PartsPaths.recordName(number) == name)
    }
    for name in ["17.json", ".00017.json.x", "000017.json", "-0001.json", "00017", "lock"] {
      #expect(PartsPaths.number(ofRecord: name) == nil, "\(name)")
    }
  }

  /// A result with checksums of the base is the same plan's.
  @Test func aResultIsKnownByItsRecord() {
    let own = identity()
    for checksums in [[nil], [SHA256Checksum(of: [5])]] {
      #expect(own.decided(ResultRecord(own, baseChecksums: checksums, files: [])))
    }
    #expect(!own.decided(ResultRecord(identity("f32"), baseChecksums: [nil], files: [])))
    let other = MergeIdentity(version: "1.0", options: own.options, inputs: Array(own.inputs.dropFirst()))
    #expect(!own.decided(ResultRecord(other, baseChecksums: [nil], files: [])))
  }
}

/// A folder on disk in which somebody does something before it is renamed.
private struct MeddledFolder: SharedFolder {
  private let disk = FolderOnDisk()
  let meddle: @Sendable (_ folder: String) -> Void

  init(_ meddle: @escaping @Sendable (_ folder: String) -> Void) { self.meddle = meddle }

  func renameFolder(_ path: String, to name: String) throws(CheckpointError) {
    // Not the folder that a part tries it with.
    if !Paths.lastComponent(path).hasPrefix("probe-") { meddle(path) }
    try disk.renameFolder(path, to: name)
  }

  func list(_ folder: String) throws(CheckpointError) -> [String] { try disk.list(folder) }
  func makeFolder(_ path: String) throws(CheckpointError) { try disk.makeFolder(path) }
  func checkPrivate(_ path: String) throws(CheckpointError) { try disk.checkPrivate(path) }
  func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) { try disk.write(bytes, to: path) }
  func create(_ path: String) throws(CheckpointError) -> Bool { try disk.create(path) }
  func start(of path: String, byteCount: Int) throws(CheckpointError) -> (fileByteCount: Int, bytes: [UInt8])? {
    try disk.start(of: path, byteCount: byteCount)
  }
  func link(_ path: String, to name: String) throws(CheckpointError) -> Bool { try disk.link(path, to: name) }
  func rename(_ path: String, to name: String) throws(CheckpointError) { try disk.rename(path, to: name) }
  func remove(_ path: String) { disk.remove(path) }
  func removeIfEmpty(_ folder: String) { disk.removeIfEmpty(folder) }
  func complete(_ folder: String) throws(CheckpointError) { try disk.complete(folder) }
  func flush(_ folder: String) throws(CheckpointError) { try disk.flush(folder) }
}
