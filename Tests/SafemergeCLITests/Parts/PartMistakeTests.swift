import Foundation
import TestSupport
import Testing

/// What goes wrong around the parts of a merge: another base, damaged files, options that differ, folders of others.
@Suite struct PartMistakeTests {
  private let model: SlowModel
  private var scratch: Scratch { model.scratch }
  private var output: String { scratch.file("merged") }

  init() throws { model = try SlowModel(size: 64, rank: 4) }

  private func run(_ more: [String], base: String? = nil, shell: String? = nil) throws -> Program.Result {
    try Program.run(["merge", base ?? model.base, model.adapter, "-o", output] + more, shell: shell)
  }

  private func refusal(_ more: [String], base: String? = nil, status: Int32) throws -> String {
    expectRefusal(try run(["--quiet"] + more, base: base), status: status)
  }

  /// What one process makes of a base.
  private func whole(_ base: String? = nil, _ more: [String] = []) throws -> [String: [UInt8]] {
    let path = scratch.file("whole")
    let result = try Program.run(["merge", "-q", base ?? model.base, model.adapter, "-o", path] + more)
    #expect(result.status == 0, "\(result.messages)")
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try tree(path)
  }

  private func setTime(_ seconds: Double, _ path: String) throws {
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: seconds)], ofItemAtPath: path)
  }

  /// A base with the same headers, sizes and times and other numbers, as another fine-tune of one model.
  private func otherBase() throws -> String {
    let other = scratch.file("other")
    try FileManager.default.copyItem(atPath: model.base, toPath: other)
    for number in 0..<SlowModel.shardCount {
      let name = "model-\(number).safetensors"
      var bytes = try contents(other + "/" + name)
      for place in stride(from: bytes.count - 16_000, to: bytes.count, by: 2) { bytes[place] ^= 1 }
      try scratch.write(bytes, to: "other/" + name)
      for base in [model.base, other] { try setTime(1000, base + "/" + name) }
    }
    return other
  }

  /// What was made of a file with another time is made again; the rest is not.
  @Test func aBaseThatChangedIsMergedAgain() throws {
    for part in 0..<2 { #expect(try run(["--part", "\(part)/2"]).status == 0) }
    try setTime(1000, model.base + "/model-0.safetensors")
    let message = try refusal(["--finish"], status: 4)
    #expect(message.contains("model-0.safetensors") && message.contains("run all parts again"), "\(message)")
    let again = try (0..<2).map { try run(["--part", "\($0)/2"]).messages }
    #expect(again.count { $0.contains("1 file written") } == 1, "\(again)")
    #expect(again.count { $0.contains("0 files written") } == 1, "\(again)")
    #expect(try run(["--finish"]).status == 0)
    #expect(try tree(output) == whole())
  }

  /// Machines with copies of their own say so, and nothing is made again.
  @Test func copiesOfTheBaseAreAccepted() throws {
    #expect(try run(["--part", "0/1"]).status == 0)
    try setTime(1000, model.base + "/model-0.safetensors")
    let again = try run(["--part", "0/1", "--base-copies"])
    #expect(again.status == 0 && again.messages.contains("0 files written"), "\(again.messages)")
    #expect(try run(["--finish", "--base-copies"]).status == 0)
    #expect(try tree(output) == whole())
  }

  /// Its parts are never mixed with those of the first, whatever the options.
  @Test func anotherBaseIsAnotherPlan() throws {
    let other = try otherBase()
    #expect(try run(["--part", "0/2"]).status == 0)
    let noted = try run(["--part", "1/2"], base: other)
    #expect(noted.status == 0 && noted.messages.contains("parts of 1 other merge"), "\(noted.messages)")
    for base in [model.base, other] {
      let message = try refusal(["--finish", "--base-copies", "--wait", "0"], base: base, status: 4)
      #expect(message.contains("2 of 4 weight files are not complete"), "\(message)")
    }
    #expect(try run(["--part", "0/2"], base: other).status == 0)
    #expect(try run(["--finish"], base: other).status == 0)
    #expect(try tree(output) == whole(other))
    // The result of the other base is not that of the first, and its parts stay.
    #expect(try run(["--finish"], base: other).messages.contains("was merged already"))
    for more in [["--part", "1/2"], ["--finish"]] {
      let message = try refusal(more, status: 5)
      #expect(message.contains("[output-exists]") && message.contains("remove it, or choose another name"))
    }
    #expect(try scratch.entries().contains(".merged.safemerge-parts"))
  }

  /// A result that has lost something is not one that was merged.
  @Test func aDamagedResultIsFound() throws {
    #expect(try run(["--part", "0/1"]).status == 0)
    #expect(try run(["--finish"]).status == 0)
    let name = "merged/model-2.safetensors"
    let whole = try contents(scratch.file(name))
    for (bytes, words) in [
      (nil, "is missing"), (Array(whole.dropLast()), "bytes, not"),
      ([whole[0]] + [whole[1] ^ 1] + whole[2...], "has another header"),
    ] as [([UInt8]?, String)] {
      try FileManager.default.removeItem(atPath: scratch.file(name))
      if let bytes { try scratch.write(bytes, to: name) }
      for more in [["--part", "0/1"], ["--finish"]] {
        let message = try refusal(more, status: 4)
        #expect(message.contains("model-2.safetensors") && message.contains(words) && message.contains("[parts]"))
      }
      if bytes == nil { try scratch.write([], to: name) }
    }
    try FileManager.default.removeItem(atPath: output)
    #expect(try run(["--part", "0/1"]).status == 0)
    #expect(try run(["--finish"]).status == 0)
  }

  /// The finisher would remove the parts of which the result can be made again.
  @Test func aResultWithoutItsIndexIsFound() throws {
    let parts = scratch.file(".merged.safemerge-parts")
    #expect(try run(["--part", "0/1"]).status == 0)
    try FileManager.default.copyItem(atPath: parts, toPath: scratch.file("kept"))
    #expect(try run(["--finish"]).status == 0)
    try FileManager.default.moveItem(atPath: scratch.file("kept"), toPath: parts)
    let name = "model.safetensors.index.json"
    try FileManager.default.removeItem(atPath: output + "/" + name)
    let message = try refusal(["--finish", "--wait", "0"], status: 4)
    #expect(message.contains("merged/\(name): ") && message.contains("is missing [parts]"), "\(message)")
    #expect(message.contains("remove the output, and run --finish again"))
    try FileManager.default.removeItem(atPath: output)
    #expect(try run(["--finish"]).status == 0)
    #expect(try tree(output) == whole())
  }

  /// Somebody removes the parts while one is written.
  @Test func removedPartsAreNamed() throws {
    let shell = """
      "$0" "$@" -j 1 2>"$TMPDIR/log" & process=$!
      until [ -n "$(ls -A '\(scratch.path)'/.merged.safemerge-parts/*/parts 2>/dev/null)" ]; do
        kill -0 $process 2>/dev/null || break
      done
      mv '\(scratch.path)/.merged.safemerge-parts' '\(scratch.path)/gone'
      wait $process; status=$?
      cat "$TMPDIR/log" >&2
      exit $status
      """
    let slow = try SlowModel(size: 1024, rank: 4)
    let result = try Program.run(
      ["merge", "-q", slow.base, slow.adapter, "-o", output, "--part", "0/1"], shell: shell,
      environment: SlowModel.environment)
    let message = expectRefusal(result, status: 4)
    #expect(message.contains("the parts of this merge were removed while this one was written [parts]"), "\(message)")
    #expect(message.contains("run this part again"), "\(message)")
  }

  /// Something else gets the name of the output while a finisher waits.
  @Test func anotherOutputEndsTheWait() throws {
    #expect(try run(["--part", "0/2"]).status == 0)
    let shell = SlowModel.meddling("mkdir '\(output)'; touch '\(output)/notes'", after: "^waiting up to 600 s")
    let result = try run(["--finish", "--wait", "600"], shell: shell)
    #expect(result.status == 5 && result.messages.contains("[output-exists]"), "\(result.messages)")
  }

  /// A weight file that is gone or cut is written again, and so is one whose record is damaged.
  @Test func damagedWorkIsDoneAgain() throws {
    #expect(try run(["--part", "0/1"]).status == 0)
    let parts = scratch.file(".merged.safemerge-parts")
    let plan = try #require(try scratch.entries(".merged.safemerge-parts").first)
    let work = ".merged.safemerge-parts/\(plan)/work"
    let files = try scratch.entries(work).sorted()
    try #require(files.count == SlowModel.shardCount)
    try FileManager.default.removeItem(atPath: scratch.file(work + "/" + files[0]))
    try scratch.write(Array(contents(scratch.file(work + "/" + files[1])).dropLast(9)), to: work + "/" + files[1])
    let message = try refusal(["--finish", "--wait", "0"], status: 4)
    #expect(message.contains("its data is gone") && message.contains("run all parts again"), "\(message)")
    let again = try run(["--part", "0/1"])
    #expect(again.status == 0 && again.messages.contains("2 files written"), "\(again.messages)")
    #expect(try run(["--finish"]).status == 0)
    #expect(try tree(output) == whole())
    #expect(!FileManager.default.fileExists(atPath: parts))
  }

  /// Checksums and reading back are done by the parts; a finisher that needs them names the parts without.
  @Test(arguments: [(["--checksums"], "computed no checksums"), (["--verify", "read"], "did not read the data back")])
  func whatPartsDidNotDoIsNamed(_ options: [String], _ words: String) throws {
    #expect(try run(["--part", "0/2"] + options).status == 0)
    #expect(try run(["--part", "1/2"]).status == 0)
    let message = try refusal(["--finish", "--wait", "0"] + options, status: 4)
    #expect(message.contains(words) && message.contains("[parts-checksums]"), "\(message)")
    #expect(message.contains("run --part I/2 with \(options.joined(separator: " ")) for I = 1 "), "\(message)")
    let again = try run(["--part", "1/2"] + options)
    #expect(again.messages.contains("2 files written"), "\(again.messages)")
    #expect(try run(["--finish"] + options).status == 0)
    #expect(try tree(output) == whole(nil, options))
  }

  /// An adapter that is damaged is named by a part as by a merge in one process.
  @Test func aDamagedAdapterIsNamed() throws {
    let damaged = scratch.file("damaged")
    try FileManager.default.copyItem(atPath: model.adapter, toPath: damaged)
    let file = "damaged/adapter_model.safetensors"
    // The last element is NaN, as F32 and as BF16.
    try scratch.write(Array(contents(scratch.file(file)).dropLast(4)) + [0, 0, 0xc0, 0x7f], to: file)
    let messages = try [[], ["--part", "0/1"]].map { more in
      let result = try Program.run(["merge", "-q", model.base, damaged, "-o", output] + more)
      return expectRefusal(result, status: 3)
    }
    #expect(messages[0] == messages[1])
    #expect(messages[1].contains(file) && messages[1].contains("of the output would have such elements too"))
  }

  /// A part that does what one hint says must not lack what the next one does.
  @Test func allThatPartsDidNotDoIsNamedAtOnce() throws {
    let options = ["--report", scratch.file("report.json"), "--checksums", "--verify", "read"]
    #expect(try run(["--part", "0/1"]).status == 0)
    let message = try refusal(["--finish", "--wait", "0"] + options, status: 4)
    #expect(message.contains("run --part I/1 with --report FILE --verify read for I = 0 "), "\(message)")
    #expect(try run(["--part", "0/1"] + options).messages.contains("4 files written"))
    #expect(try run(["--finish", "--wait", "0"] + options).status == 0)
    // What is lacking alone is what one can do without.
    try FileManager.default.removeItem(atPath: output)
    #expect(try run(["--part", "0/1", "--checksums"]).status == 0)
    let other = try refusal(["--finish", "--wait", "0", "--checksums", "--verify", "read"], status: 4)
    #expect(other.contains("with --verify read for I = 0 "), "\(other)")
    #expect(other.contains("or finish without --verify read"), "\(other)")
  }

  /// A finisher with other options than the parts says so, even with --quiet.
  @Test func otherOptionsOfTheFinisherAreNamed() throws {
    #expect(try run(["--part", "0/1"]).status == 0)
    let message = try refusal(["--finish", "--wait", "0", "--dtype", "bf16"], status: 4)
    #expect(message.contains("other options or other inputs: give --finish the same"), "\(message)")
  }

  /// What others may write to is not made into a result.
  @Test func aFolderThatOthersMayChangeIsRefused() throws {
    #expect(try run(["--part", "0/1"]).status == 0)
    let folder = scratch.file(".merged.safemerge-parts")
    try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: folder)
    for more in [["--part", "0/1"], ["--finish"]] {
      #expect(try refusal(more, status: 5).contains("[staging]"))
    }
    #expect(try !scratch.entries().contains("merged"))
  }

  /// An interrupted finisher says that the work of the parts is kept.
  @Test func aWaitingFinisherIsInterrupted() throws {
    #expect(try run(["--part", "0/2"]).status == 0)
    let stopped = try run(["--finish"], shell: SlowModel.signalling("TERM", after: "^waiting up to 60 s"))
    #expect(stopped.status == 143)
    #expect(stopped.messages.contains("interrupted; 2 of 4 weight files kept in "), "\(stopped.messages)")
    #expect(try run(["--part", "1/2"]).status == 0)
    #expect(try run(["--finish"]).status == 0)
    #expect(try tree(output) == whole())
  }

  /// Each weight file has an event, whoever wrote it.
  @Test func weightFilesHaveEvents() throws {
    func files(_ result: Program.Result, kept: Bool) -> Int {
      result.lines.count { $0.hasPrefix(#"{"event":"shard""#) && $0.contains(#""kept":\#(kept)"#) }
    }
    let first = try run(["--part", "0/2", "--json"])
    #expect(files(first, kept: false) == 2 && files(first, kept: true) == 0)
    let again = try run(["--part", "0/1", "--json"])
    #expect(files(again, kept: false) == 2 && files(again, kept: true) == 2, "\(again.text)")
    #expect(files(try run(["--finish", "--json"]), kept: true) == 4)
  }
}
