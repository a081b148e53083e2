import Checksums
import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@testable import Checkpoints
@testable import Staging

@Suite struct StagedOutputTests {
  private func folder(_ scratch: Scratch, _ name: String, force: Bool = false) throws -> StagingFolder {
    try StagingFolder(
      try OutputPlace(
        path: scratch.file(name), isFolder: !name.hasSuffix(".safetensors"), inputs: [], force: force))
  }

  private func staged(_ scratch: Scratch, _ name: String, force: Bool = false) throws -> StagedOutput {
    try StagedOutput(try folder(scratch, name, force: force))
  }

  /// Writes a weight file.
  private func weights(_ output: StagedOutput, _ name: String, number: Int, _ bytes: [UInt8]) throws {
    let part = try output.createPart(name, number: number, byteCount: bytes.count, inputs: []) { _ in
      SHA256Checksum(of: [])
    }
    try part.file.write(bytes.span.bytes, at: 0)
    try output.commit(part, name: name, inputs: [])
  }

  /// Writes a shard, a shard in a sub-folder and a copied file.
  private func fill(_ output: StagedOutput, _ scratch: Scratch) throws {
    try weights(output, "a.safetensors", number: 0, [1, 2, 3])
    try weights(output, "sub/b.safetensors", number: 1, [4])
    try output.write("config.json", Array("{}".utf8))
    let source = try Scratch()
    try source.folder("additional_chat_templates")
    try source.write("{{ x }}", to: "additional_chat_templates/x.jinja")
    for file in try SideFiles(base: source.path, written: [], adapter: nil).files { try output.copy(file) }
  }

  static let content = [
    "a.safetensors", "additional_chat_templates", "additional_chat_templates/x.jinja", "config.json", "sub",
    "sub/b.safetensors",
  ]

  @Test(arguments: [false, true]) func appearsWhole(isThere: Bool) throws {
    let scratch = try Scratch()
    if isThere { try scratch.folder("out") }
    let output = try staged(scratch, "out")
    try fill(output, scratch)
    #expect((try? scratch.tree("out")) == (isThere ? [] : nil), "nothing is to be seen of it yet")
    let staging = try FileManager.default.contentsOfDirectory(atPath: scratch.path).filter { $0 != "out" }
    #expect(staging == [".out.safemerge"])
    #expect(try mode(scratch.file(".out.safemerge")) == 0o700)
    try output.finish()
    #expect(try scratch.tree("out") == Self.content)
    #expect(try staged(scratch, "other").place.path == scratch.file("other"))
    #expect(try contents(scratch.file("out/a.safetensors")) == [1, 2, 3])
    #expect(try contents(scratch.file("out/sub/b.safetensors")) == [4])
    #expect(try contents(scratch.file("out/additional_chat_templates/x.jinja")) == Array("{{ x }}".utf8))
  }

  @Test(arguments: [0o022, 0o077, 0o002]) func hasTheModesThatTheUmaskLeaves(mask: Int) async {
    await #expect(processExitsWith: .success) { [mask] in
      umask(mode_t(mask))
      let scratch = try Scratch()
      let tests = StagedOutputTests()
      let output = try tests.staged(scratch, "out")
      try tests.fill(output, scratch)
      try output.finish()
      for name in ["out", "out/sub", "out/additional_chat_templates"] {
        #expect(try mode(scratch.file(name)) == 0o777 & ~mask)
      }
      for name in StagedOutputTests.content where name.contains(".") {
        #expect(try mode(scratch.file("out/" + name)) == 0o666 & ~mask)
      }
    }
  }

  @Test(arguments: ["out", "out.safetensors"]) func leavesNothingWhenItIsAbandoned(name: String) throws {
    let scratch = try Scratch()
    func interrupted() throws {
      let output = try staged(scratch, name)
      if name == "out" { try fill(output, scratch) }
      let part = try output.createPart("c.safetensors", number: 7, byteCount: 10, inputs: []) { _ in
        SHA256Checksum(of: [])
      }
      try part.file.write(([1] as [UInt8]).span.bytes, at: 0)
      #expect(try !scratch.tree().isEmpty)
      throw CancellationError()
    }
    #expect(throws: CancellationError.self) { try interrupted() }
    #expect(try scratch.tree() == [])
  }

  @Test func aSingleFileAppearsWhole() throws {
    let scratch = try Scratch()
    do {
      let output = try staged(scratch, "out.safetensors")
      try weights(output, "ignored", number: 0, [1, 2])
      #expect(try !scratch.tree().contains("out.safetensors"))
      try output.finish()
    }
    #expect(try scratch.tree() == ["out.safetensors"])
    #expect(try contents(scratch.file("out.safetensors")) == [1, 2])
  }

  @Test func aSingleFileReplacesOnlyWithForce() throws {
    let scratch = try Scratch()
    func write(force: Bool, meanwhile: () throws -> Void = {}) throws {
      let output = try staged(scratch, "out.safetensors", force: force)
      try weights(output, "", number: 0, [7])
      try meanwhile()
      try output.finish()
    }
    #expect(throws: CheckpointError(path: scratch.file("out.safetensors"), .outputExists)) {
      try write(force: false) { try scratch.write("old", to: "out.safetensors") }
    }
    #expect(try contents(scratch.file("out.safetensors")) == Array("old".utf8))
    try write(force: true)
    #expect(try scratch.tree() == ["out.safetensors"])
    #expect(try contents(scratch.file("out.safetensors")) == [7])
  }

  @Test func aFolderIsReplacedWhole() throws {
    let scratch = try Scratch()
    try scratch.folder("out/1_Pooling")
    try scratch.weights("a", at: "out/model.safetensors")
    try scratch.write("{}", to: "out/1_Pooling/config.json")
    do {
      let output = try staged(scratch, "out", force: true)
      try fill(output, scratch)
      #expect(try scratch.tree("out").contains("model.safetensors"))
      try output.finish()
    }
    #expect(try scratch.tree("out") == Self.content)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["out"])
  }

  /// Files that appeared there during the merge are not lost: neither another merge's result nor foreign files.
  @Test(
    arguments: [
      (false, false, "model.safetensors", .outputExists), (true, false, "model.safetensors", .outputExists),
      (true, true, "thesis.tex", .outputNotReplaceable(entry: "thesis.tex")),
    ] as [(Bool, Bool, String, CheckpointError.Problem)])
  func aRaceIsLostWithoutDamage(
    isThere: Bool, force: Bool, name: String, expected: CheckpointError.Problem
  ) throws {
    let scratch = try Scratch()
    if isThere { try scratch.folder("out") }
    if force { try scratch.weights("a", at: "out/model.safetensors") }
    do {
      let output = try staged(scratch, "out", force: force)
      try fill(output, scratch)
      try scratch.folder("out")
      try scratch.write("theirs", to: "out/" + name)
      #expect(throws: CheckpointError(path: scratch.file("out"), expected)) { try output.finish() }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["out"], "no staging is left")
    #expect(try contents(scratch.file("out/" + name)) == Array("theirs".utf8))
  }

  @Test func aFileInTheWayIsKept() throws {
    let scratch = try Scratch()
    do {
      let output = try staged(scratch, "out")
      try scratch.write("theirs", to: "out")
      #expect(throws: CheckpointError(path: scratch.file("out"), .outputExists)) { try output.finish() }
    }
    #expect(try scratch.tree() == ["out"])
  }

  /// The staging folder goes away under the running merge: what stood there before stays.
  @Test func aFailingRenameKeepsTheOld() throws {
    let scratch = try Scratch()
    try scratch.folder("out")
    try scratch.weights("a", at: "out/model.safetensors")
    do {
      let output = try staged(scratch, "out", force: true)
      let staging = try #require(try scratch.tree().first { $0 != "out" && !$0.contains("/") })
      try FileManager.default.moveItem(atPath: scratch.file(staging), toPath: scratch.file("moved"))
      #expect(throws: CheckpointError.self) { try output.finish() }
    }
    #expect(try scratch.tree("out") == ["model.safetensors"])
  }

  @Test func twoOfTheSameNameDoNotMeet() throws {
    let scratch = try Scratch()
    do {
      let first = try staged(scratch, "out")
      for breaks in [false, true] {
        let error = #expect(throws: CheckpointError.self) {
          try StagingFolder(first.place, breaksLock: breaks)
        }
        #expect(
          error?.problem == .inUse(host: Machine.hostName, process: Int(getpid()), isDead: false),
          "the lock of a process that is alive is not broken")
        #expect(error?.category == .outputOccupied)
      }
      try fill(first, scratch)
      try first.finish()
    }
    #expect(try scratch.entries() == ["out"])
  }

  /// A process that another thread starts has copies of all descriptors until it executes its program.
  @Test func aCopyOfTheDescriptorDoesNotKeepTheLock() throws {
    let scratch = try Scratch()
    var lock: StagingLock? = try StagingLock(folder: scratch.path, breaks: false)
    let path = try #require(lock?.path)
    let own = try SystemCalls.identity(path: path)?.inode
    let copies = (3..<1024).filter { (try? SystemCalls.identity(Int32($0)))?.inode == own }.map { dup(Int32($0)) }
    #expect(!copies.isEmpty)
    defer { for copy in copies { close(copy) } }
    #expect(StagingLock.state(ofFolder: scratch.path).isHeld)
    lock = nil
    #expect(!StagingLock.state(ofFolder: scratch.path).isHeld)
    let second = try StagingLock(folder: scratch.path, breaks: false)
    second.release()
  }

  /// Without locks of the kernel a run that was killed leaves its lock.
  @Test func aLockThatIsAFileIsBrokenOnlyWhenAsked() throws {
    let scratch = try Scratch()
    let place = try OutputPlace(path: scratch.file("out"), isFolder: true, inputs: [], force: false)
    let lock = scratch.file(".out.safemerge/lock.exclusive")
    func make(breaks: Bool) throws -> StagingFolder {
      try StagingFolder(place, breaksLock: breaks, usesKernelLock: false)
    }
    do {
      let first = try make(breaks: false)
      #expect(throws: CheckpointError.self) { try make(breaks: true) }
      withExtendedLifetime(first) {}
    }
    #expect(try scratch.entries() == [])
    try scratch.folder(".out.safemerge")
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(".out.safemerge"))
    // No process has this number on Linux.
    for (text, isDead) in [
      ("{\"host\":\"\(Machine.hostName)\",\"pid\":99999999,\"boot\":\"\(Machine.bootID)\"}", true),
      ("{\"host\":\"elsewhere\",\"pid\":1,\"boot\":\"x\"}", false), ("", false),
    ] {
      try write(Array(text.utf8), to: lock)
      let error = #expect(throws: CheckpointError.self) { try make(breaks: false) }
      guard case .inUse(_, _, isDead)? = error?.problem else {
        Issue.record("\(text): \(String(describing: error))")
        continue
      }
      withExtendedLifetime(try make(breaks: true)) {}
      try scratch.folder(".out.safemerge")
      try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(".out.safemerge"))
    }
  }

  /// Where the lock keeps nobody out, the run that took it first finds that out, writes nothing more and removes nothing.
  @Test func aRunWhoseFolderWasTakenStops() throws {
    let scratch = try Scratch()
    let output = try resumable(scratch, identity())
    let part = try output.createPart("a.safetensors", number: 0, byteCount: 1, inputs: []) { _ in
      SHA256Checksum(of: [])
    }
    let lock = scratch.file(".out.safemerge/lock")
    let other = StagingLock.Holder(host: "elsewhere", process: 7, boot: "x", start: "1", token: "2")
    try write(other.text, to: lock)
    let staging = scratch.file(".out.safemerge")
    let expected = CheckpointError(path: staging, .takenOver(host: "elsewhere", process: 7))
    #expect(expected.errorClass == "in-use" && expected.category == .outputOccupied)
    #expect(throws: expected) { try output.commit(part, name: "a.safetensors", inputs: []) }
    #expect(throws: expected) {
      try output.createPart("b.safetensors", number: 1, byteCount: 1, inputs: []) { _ in SHA256Checksum(of: []) }
    }
    let lost = CheckpointError(path: staging, .system(call: "rename", code: ENOENT))
    #expect(output.reason(for: lost) as? CheckpointError == expected)
    let refused = CheckpointError(path: staging, .pickleOnly("x"))
    #expect(output.reason(for: refused) as? CheckpointError == refused)
    try scratch.write("theirs", to: ".out.safemerge/result/x")
    withExtendedLifetime(output) {}
    #expect(StagingLock.Holder(path: lock) == other)
  }

  /// A run on another machine that did not give its lock back may still be writing: what it began is not continued.
  @Test(arguments: [
    (host: "elsewhere", boot: "x", process: 1, isContinued: false),
    // No process has this number on Linux.
    (host: Machine.hostName, boot: Machine.bootID, process: 99_999_999, isContinued: true),
    // Before the machine was started again.
    (host: Machine.hostName, boot: "x", process: 1, isContinued: true),
  ])
  func workOfAnotherMachineIsContinuedByWholeFiles(
    host: String, boot: String, process: Int, isContinued: Bool
  ) throws {
    let scratch = try Scratch()
    func part(_ output: StagedOutput) throws -> StagedOutput.Part {
      try output.createPart("b.safetensors", number: 1, byteCount: 8, inputs: []) { _ in SHA256Checksum(of: []) }
    }
    do {
      let output = try resumable(scratch, identity())
      try weights(output, "a.safetensors", number: 0, [1])
      let open = try part(output)
      try open.file.write([UInt8](repeating: 1, count: 8).span.bytes, at: 0)
      try open.journal?.add(0..<8, of: open.file)
      _ = try open.journal?.close()
      open.file.keep()
      output.keep()
    }
    let holder = StagingLock.Holder(host: host, process: process, boot: boot, start: "1", token: "2")
    try write(holder.text, to: scratch.file(".out.safemerge/lock"))
    let output = try resumable(scratch, identity())
    #expect(output.finished.keys.sorted() == ["a.safetensors"])
    #expect(try part(output).done.byteCount == (isContinued ? 8 : 0))
    #expect(try scratch.entries(".out.safemerge/partial").count { !$0.contains("journal") } <= 1)
  }

  /// The number of a process may be another's by now: when it started tells them apart.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/stat"), "there is no /proc"))
  func aHolderIsAProcessAndItsStart() throws {
    let scratch = try Scratch()
    let own = StagingLock.Holder.current()
    #expect(own.isAliveHere && !own.start.isEmpty && own.token.utf8.count == 16)
    #expect(!own.isOtherHere)
    #expect(StagingLock.Holder.current().token != own.token)
    let path = scratch.file("lock")
    try write(own.text, to: path)
    #expect(StagingLock.Holder(path: path) == own)
    #expect(own.text.count == 512)
    let later = StagingLock.Holder(host: own.host, process: own.process, boot: own.boot, start: "0", token: "1")
    #expect(later.isDeadHere)
    // As 0.1.0 wrote it.
    #expect(StagingLock.Holder(host: own.host, process: own.process, boot: own.boot).isAliveHere)
  }

  /// What others could have put in the way is not entered.
  @Test func aStagingFolderThatOthersCouldHaveMadeIsRefused() throws {
    let scratch = try Scratch()
    let place = try OutputPlace(path: scratch.file("out"), isFolder: true, inputs: [], force: false)
    let staging = scratch.file(".out.safemerge")
    let expected = CheckpointError(path: staging, .stagingNotOurs)
    try scratch.folder("theirs")
    try scratch.link(".out.safemerge", to: "theirs")
    #expect(throws: expected) { try StagingFolder(place) }
    try FileManager.default.removeItem(atPath: staging)
    try write([1], to: staging)
    #expect(throws: expected) { try StagingFolder(place) }
    try FileManager.default.removeItem(atPath: staging)
    for mode in [0o777, 0o770, 0o720, 0o702] {
      try scratch.folder(".out.safemerge")
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: staging)
      #expect(throws: expected) { try StagingFolder(place) }
      #expect(try scratch.entries(".out.safemerge") == [])
    }
    if geteuid() == 0 {
      try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: staging)
      #expect(chown(staging, 12345, 12345) == 0)
      #expect(throws: expected) { try StagingFolder(place) }
    }
    #expect(try scratch.entries("theirs") == [])
  }

  // MARK: - Resuming

  private func identity(_ value: String = "1") -> MergeIdentity {
    MergeIdentity(
      version: "0", options: [.init(name: "dtype", value: value)],
      inputs: [.init(role: "base", name: "a", byteCount: 1, checksum: SHA256Checksum(of: [1]))])
  }

  private func resumable(
    _ scratch: Scratch, _ identity: MergeIdentity?, _ unfinished: StagedOutput.Unfinished = .isGoneOnWith
  ) throws -> StagedOutput {
    var intervals = ShardJournal.Intervals()
    intervals.lineByteCount = 2
    return try StagedOutput(
      try folder(scratch, "out"), identity: identity, unfinished: unfinished, journalIntervals: intervals)
  }

  @Test func completeFilesAreKeptForTheSameMergeOnly() throws {
    let scratch = try Scratch()
    do {
      let output = try resumable(scratch, identity())
      try fill(output, scratch)
      output.keep()
    }
    #expect(try scratch.entries() == [".out.safemerge"])
    let error = #expect(throws: CheckpointError.self) { try resumable(scratch, identity("2")) }
    #expect(error?.problem == .otherMerge("dtype: 1 -> 2"))
    do {
      let output = try resumable(scratch, identity())
      #expect(output.finished.keys.sorted() == ["a.safetensors", "sub/b.safetensors"])
      output.keep()
    }
    // A file other than the completed one does not count.
    try write([9, 9, 9], to: scratch.file(".out.safemerge/result/a.safetensors"))
    do {
      let output = try resumable(scratch, identity())
      #expect(output.finished.keys.sorted() == ["sub/b.safetensors"])
      output.keep()
    }
    // As a power cut leaves a record.
    try write([], to: scratch.file(".out.safemerge/parts/sub%2Fb.safetensors.json"))
    do {
      let output = try resumable(scratch, identity())
      #expect(output.finished.isEmpty)
      output.keep()
    }
    #expect(try resumable(scratch, identity("2"), .isRemoved).finished.isEmpty)
    #expect(try scratch.entries() == [])
  }

  /// Whatever a run wants to do about its own, another's is refused; so is what nobody can read.
  @Test func workOfAnotherMergeIsNotRemovedByDefault() throws {
    let scratch = try Scratch()
    do {
      let output = try resumable(scratch, identity())
      try fill(output, scratch)
      output.keep()
    }
    let before = try scratch.tree()
    for (identity, problem) in [
      (identity("2"), "dtype: 1 -> 2"), (nil, "this merge cannot resume it"),
    ] as [(MergeIdentity?, String)] {
      for unfinished in [StagedOutput.Unfinished.isGoneOnWith, .isMadeAgain] {
        let error = #expect(throws: CheckpointError.self) { try resumable(scratch, identity, unfinished) }
        #expect(error?.problem == .otherMerge(problem))
      }
    }
    let plan = try contents(scratch.file(".out.safemerge/plan.json"))
    try scratch.write("{\"schema\": 2}", to: ".out.safemerge/plan.json")
    let error = #expect(throws: CheckpointError.self) { try resumable(scratch, identity()) }
    #expect(error?.problem == .otherMerge("its plan.json is of another version"))
    try scratch.write(plan, to: ".out.safemerge/plan.json")
    #expect(try scratch.tree() == before)
    #expect(try resumable(scratch, identity(), .isMadeAgain).finished.isEmpty)
    #expect(try scratch.entries() == [])
  }

  /// A folder for one run's own files is found by the next run of its place; elsewhere by its lock, when it is old.
  @Test func temporaryFoldersDoNotStay() throws {
    let scratch = try Scratch()
    try scratch.write("{}", to: ".out.safemerge/workspace/left")
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(".out.safemerge"))
    do {
      let temporary = try TemporaryFolder(in: try folder(scratch, "out"))
      #expect(try scratch.entries(".out.safemerge") == ["lock", "workspace"])
      #expect(try scratch.entries(".out.safemerge/workspace") == [])
      #expect(try mode(temporary.path) == 0o700)
    }
    #expect(try scratch.entries() == [])
    try scratch.write("{}", to: ".safemerge-combined.young/lock")
    do {
      let temporary = try TemporaryFolder(in: scratch.path)
      #expect(try scratch.entries().count == 2 && temporary.path.hasPrefix(scratch.file(".safemerge-combined.")))
    }
    #expect(try scratch.entries() == [".safemerge-combined.young"], "it may just be being made")
  }

  /// Only what is provably of this input is kept.
  @Test func aRecordHoldsForTheFileThatWasReadAlone() throws {
    let scratch = try Scratch()
    let path = try scratch.write("content", to: "a")
    let sum = SHA256Checksum(of: Array("content".utf8))
    func state(_ name: String = "a") throws -> InputState {
      InputState(name: "a", try #require(try SystemCalls.identity(path: scratch.file(name))))
    }
    func holds(_ old: InputState, _ now: InputState, _ content: SHA256Checksum? = nil) -> Bool {
      (try? old.holds(now) {
        guard let content else { throw CancellationError() }
        return content
      }) ?? false
    }
    let old = try state()
    #expect(holds(old, try state()))
    // Another file with its size and time, as `cp -p` makes one.
    try scratch.write("CONTENT", to: "b")
    for name in ["a", "b"] {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: scratch.file(name))
    }
    var known = try state()
    #expect(!holds(known, try state("b")))
    #expect(!holds(old, known), "it was changed since")
    // A copy is known by its checksum, where there was one.
    known.checksum = sum
    #expect(holds(known, try state("b"), sum))
    #expect(!holds(known, try state("b"), SHA256Checksum(of: Array("CONTENT".utf8))))
    _ = path
  }

  /// Bytes that were written are kept as far as the journal proves them.
  @Test func anOpenFileIsResumed() throws {
    let scratch = try Scratch()
    let input = InputState(
      name: "x", try #require(try SystemCalls.identity(path: scratch.path)), checksum: SHA256Checksum(of: [5]))
    func part(_ output: StagedOutput, _ inputs: [InputState], content: [UInt8] = [5]) throws -> StagedOutput.Part {
      try output.createPart("a.safetensors", number: 3, byteCount: 8, inputs: inputs) { _ in SHA256Checksum(of: content)
      }
    }
    do {
      let output = try resumable(scratch, identity())
      let part = try part(output, [input])
      for range in [0..<3, 5..<7] {
        try part.file.write([UInt8](repeating: 1, count: range.count).span.bytes, at: range.lowerBound)
        try part.journal?.add(range, of: part.file)
      }
      part.file.keep()
      output.keep()
    }
    func partial() throws -> [String] { try scratch.entries(".out.safemerge/partial").sorted() }
    let names = try partial()
    try #require(names.count == 2 && names[0].hasPrefix("3.") && names[1] == names[0] + ".journal")
    let journal = scratch.file(".out.safemerge/partial/" + names[1])
    let lines = try contents(journal)
    do {
      let output = try resumable(scratch, identity())
      #expect(try part(output, [input]).done.ranges == [0..<3, 5..<7])
      output.keep()
    }
    // The part object above removed the file: whatever fails takes it along.
    #expect(try !partial().contains(names[0]))
    try write(lines, to: journal)
    let path = scratch.file(".out.safemerge/partial/" + names[0])
    try write([UInt8](repeating: 0, count: 8), to: path)
    let inode = try #require(try SystemCalls.identity(path: path)).inode
    #expect(ShardJournal.read(journal, inode: inode &+ 1) == nil, "another file of the name")
  }

  @Test func aJournalProvesNoMoreThanItsWholeLines() throws {
    let scratch = try Scratch()
    let path = scratch.file("journal")
    var ranges = ByteRanges()
    ranges.insert(0..<10)
    let line = ShardJournal.Line(inode: 7, inputs: [], boot: Machine.bootID, done: ranges)
    ranges.insert(20..<30)
    let later = ShardJournal.Line(inode: 7, inputs: [], boot: nil, done: ranges)
    for cut in 0..<later.text.count - 1 {
      try write(line.text + later.text[..<cut], to: path)
      #expect(ShardJournal.read(path, inode: 7)?.done.ranges == [0..<10])
    }
    try write(line.text + later.text, to: path)
    #expect(ShardJournal.read(path, inode: 7)?.done.ranges == [0..<10, 20..<30])
    // After another start of the machine only what was on the disk counts.
    let before = ShardJournal.Line(inode: 7, inputs: [], boot: "another", done: ranges)
    try write(before.text, to: path)
    #expect(ShardJournal.read(path, inode: 7) == nil)
    try write(before.text + later.text, to: path)
    #expect(ShardJournal.read(path, inode: 7)?.done.ranges == [0..<10, 20..<30])
    for position in line.text.indices.dropLast() {
      var text = line.text
      text[position] ^= 1
      try write(text, to: path)
      #expect(ShardJournal.read(path, inode: 7) == nil, "\(position)")
    }
  }

  @Test func inputsAreTheSameByTimeOrContent() throws {
    let scratch = try Scratch()
    let path = try scratch.write([1, 2], to: "x")
    let before = try #require(try SystemCalls.identity(path: path))
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
    let after = try #require(try SystemCalls.identity(path: path))
    let (content, other) = (SHA256Checksum(of: [1, 2]), SHA256Checksum(of: [1, 3]))
    let known = InputState(name: "x", before, checksum: content)
    #expect(known.holds(InputState(name: "x", before)) { other })
    #expect(known.holds(InputState(name: "x", after)) { content })
    #expect(!known.holds(InputState(name: "x", after)) { other })
    #expect(!InputState(name: "x", before).holds(InputState(name: "x", after)) { content })
    #expect(!known.holds(InputState(name: "y", before)) { content })
  }

  @Test func contentThatIsNotOnDiskIsRefused() throws {
    let scratch = try Scratch()
    let output = try resumable(scratch, identity())
    let bytes: [UInt8] = [1, 2, 3]
    let part = try output.createPart("a.safetensors", number: 0, byteCount: 3, inputs: []) { _ in
      SHA256Checksum(of: [])
    }
    try part.file.write(bytes.span.bytes, at: 0)
    let error = #expect(throws: CheckpointError.self) {
      try output.commit(
        part, name: "a.safetensors", inputs: [], checksum: SHA256Checksum(of: bytes), verifies: true
      ) { path in try? write([1, 2, 2], to: path) }
    }
    #expect(error?.errorClass == "not-as-written")
    #expect(error?.category == .inputOutput)
    #expect(try scratch.entries(".out.safemerge/result") == [])
    #expect(try scratch.entries(".out.safemerge/parts") == [])
  }

  @Test func rangesBecomeOneWhereTheyMeet() {
    var random = SeededGenerator()
    for _ in 0..<200 {
      var (ranges, bytes) = (ByteRanges(), [Bool](repeating: false, count: 40))
      for _ in 0..<Int.random(in: 0..<12, using: &random) {
        let start = Int.random(in: 0..<40, using: &random)
        let end = Int.random(in: start...40, using: &random)
        ranges.insert(start..<end)
        for position in start..<end { bytes[position] = true }
      }
      #expect(ranges.byteCount == bytes.count { $0 }, "\(random)")
      #expect(zip(ranges.ranges, ranges.ranges.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound }, "\(random)")
      for start in 0..<40 {
        for end in start...40 {
          #expect(ranges.contains(start..<end) == bytes[start..<end].allSatisfy { $0 }, "\(random)")
        }
      }
    }
  }
}
