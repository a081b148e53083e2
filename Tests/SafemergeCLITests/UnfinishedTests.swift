import Foundation
import Safetensors
import TestSupport
import Testing

/// Work that an interrupted merge left: what another merge makes of it, and what a person can.
@Suite struct UnfinishedTests {
  private static let staging = ".merged.safemerge"

  /// A merge of small files that is killed at its `place`-th rename; nil: it came to its end.
  private func killed(
    _ scratch: Scratch, _ base: String, at place: Int, _ options: [String] = []
  ) throws -> Program.Result? {
    let result = try Program.run(
      ["merge", "-q", "-j", "1", base, adapterPath("linear-bf16"), "-o", scratch.file("merged")] + options,
      shell:
        "exec strace -f -qq -o /dev/null -e trace=rename -e inject=rename:signal=SIGKILL:when=\(place) \"$0\" \"$@\"")
    return result.status == 0 ? nil : result
  }

  /// Two bases of one architecture with equal times, as layers of images and `cp -p` leave them, and a kill at every rename:
  /// what is kept is the second base's, or made again. 0.1.0 mixed them, exit 0.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed"), arguments: [true, false])
  func basesWithEqualTimesAreNotMixed(sums: Bool) throws {
    let scratch = try Scratch()
    let first = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "first")
    let second = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "second")
    let files = try FileManager.default.contentsOfDirectory(atPath: second)
    for name in files where name.hasSuffix(".safetensors") {
      var bytes = try contents(second + "/" + name)
      for place in [try SafetensorsHeader(path: second + "/" + name).dataStart, bytes.count - 2] { bytes[place] ^= 1 }
      try write(bytes, to: second + "/" + name)
    }
    for folder in [first, second] {
      for name in files {
        try FileManager.default.setAttributes(
          [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: folder + "/" + name)
      }
    }
    let options = sums ? ["--checksums"] : []
    func use(_ base: String) throws -> String {
      let path = scratch.file("base")
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.moveItem(atPath: base, toPath: path)
      return path
    }
    #expect(
      try Program.run(["merge", "-q", second, adapterPath("linear-bf16"), "-o", scratch.file("expected")] + options)
        .status == 0)
    let expected = try tree(scratch.file("expected"))
    var kills = 0
    for place in 1...20 {
      let base = try use(first)
      let isKilled = try killed(scratch, base, at: place, options) != nil
      try FileManager.default.moveItem(atPath: base, toPath: first)
      guard isKilled else {
        try FileManager.default.removeItem(atPath: scratch.file("merged"))
        break
      }
      kills += 1
      let other = try use(second)
      let result = try Program.run(
        ["merge", "-q", other, adapterPath("linear-bf16"), "-o", scratch.file("merged")] + options)
      #expect(result.status == 0, "\(result.messages)")
      #expect(try tree(scratch.file("merged")) == expected, "killed at rename \(place)")
      try FileManager.default.moveItem(atPath: other, toPath: second)
      try FileManager.default.removeItem(atPath: scratch.file("merged"))
    }
    #expect(kills >= 4)
  }

  /// A signal that comes when the result has its name ends the command before the report is made.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed"))
  func aSignalEndsTheReport() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let report = scratch.file("report.html")
    let merge = ["merge", "-q", fixturesPath() + "/bases/llama-bf16", adapterPath("linear-bf16"), "-o"]
    let shell =
      "exec strace -f -qq -o /dev/null -P '\(output)' -e trace=/^rename -e inject=/^rename:signal=SIGTERM \"$0\" \"$@\""
    let result = try Program.run(merge + [output, "--report", report], shell: shell)
    #expect(result.status == 15 && result.isSignal, "\(result.messages)")
    #expect(result.messages.contains("the output is complete, but its report was not written"))
    #expect(!FileManager.default.fileExists(atPath: report))
    #expect(try Program.run(merge + [scratch.file("expected")]).status == 0)
    #expect(try tree(output) == tree(scratch.file("expected")))
  }

  /// 0.1.0 cleared the other merge's work without a word.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed"))
  func anotherMergesWorkIsRefusedFirst() throws {
    let scratch = try Scratch()
    let base = basePath("llama-bf16-sharded")
    try #require(try killed(scratch, base, at: 4) != nil)
    // The lock that a kill leaves goes with the next run, whatever becomes of it.
    func work() throws -> [String: [UInt8]] { try tree(scratch.path).filter { !$0.key.hasSuffix("/lock") } }
    let before = try work()
    for options in [
      ["--dtype", "f32", "--report", scratch.file("r.json")], ["--on-nonfinite", "warn"], ["--qlora", "nf4"],
      ["--dtype", "float32"],
    ] {
      let result = try Program.run(
        ["merge", "-q", base, adapterPath("linear-bf16"), "-o", scratch.file("merged")] + options)
      let message = expectRefusal(result, status: 5, "\(options)")
      #expect(message.contains("[other-merge]") && message.contains("safemerge clean"), "\(message)")
      #expect(try work() == before, "\(options)")
    }
    // Of the same merge it is made again for the report, which says so.
    let same = try Program.run(
      ["merge", base, adapterPath("linear-bf16"), "-o", scratch.file("merged"), "--report", scratch.file("r.json")])
    #expect(same.status == 0, "\(same.messages)")
    #expect(same.messages.contains("of an interrupted merge in"), "\(same.messages)")
  }

  @Test(.enabled(if: Confined.hasStrace, "strace is not installed")) func isListedAndRemoved() throws {
    let scratch = try Scratch()
    try #require(try killed(scratch, basePath("llama-bf16-sharded"), at: 4) != nil)
    let output = scratch.file("merged")
    for path in [output, scratch.path, scratch.file(Self.staging), output + "/"] {
      let listed = try Program.run(["clean", path])
      #expect(listed.status == 0 && listed.lines.count == 1, "\(path) \(listed.text)\(listed.messages)")
      #expect(listed.text.contains("/\(Self.staging)  ") && listed.text.contains("KiB  "), "\(listed.text)")
      #expect(listed.text.contains("1 weight file complete"), "\(listed.text)")
      #expect(listed.messages == "nothing was removed; --yes removes it\n")
    }
    #expect(try scratch.entries() == [Self.staging])
    let shown = try Program.run(["ls", output])
    #expect(
      shown.status == 4 && shown.messages.contains("or remove it with: safemerge clean \(output) --yes"),
      "\(shown.messages)")
    // Somebody has it.
    let lock = scratch.file(Self.staging + "/lock")
    let descriptor = open(lock, O_RDWR | O_CLOEXEC)
    try #require(descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0)
    #expect(try Program.run(["clean", output]).text.contains("in use by a running merge"))
    let busy = try Program.run(["clean", "--yes", output])
    #expect(busy.status == 5 && busy.messages.contains("[in-use]"), "\(busy.messages)")
    #expect(try !scratch.entries(Self.staging + "/result").isEmpty)
    // A process that another test has just started may have a copy of the descriptor.
    flock(descriptor, LOCK_UN)
    close(descriptor)
    let removed = try Program.run(["clean", "--yes", output])
    #expect(removed.status == 0 && removed.text.hasPrefix("removed \(scratch.file(Self.staging)), "), "\(removed.text)")
    #expect(try scratch.entries() == [])
    #expect(try Program.run(["clean", output]).text == "\(output): no unfinished merge\n")
  }

  /// A folder of the same name in which something else lies is nobody's unfinished merge.
  @Test func foldersOfOthersStay() throws {
    let scratch = try Scratch()
    try scratch.write("mine", to: "\(Self.staging)/notes.txt")
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(Self.staging))
    for path in [scratch.file("merged"), scratch.file(Self.staging), scratch.path] {
      let result = try Program.run(["clean", "--yes", path])
      #expect(result.status == 0 && result.text.hasSuffix(": no unfinished merge\n"), "\(result.text)")
    }
    #expect(try scratch.entries(Self.staging) == ["notes.txt"])
  }

  /// A model that was moved out of the way is put back, never removed.
  @Test func aReplacedModelIsPutBack() throws {
    let scratch = try Scratch()
    try scratch.folder("\(Self.staging)/result")
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(Self.staging))
    let old = try copyOfFixture("bases/llama-bf16", in: scratch, as: "\(Self.staging)/old")
    let expected = try tree(old)
    #expect(try Program.run(["clean", scratch.file("merged")]).text.contains("the previous output"))
    #expect(try Program.run(["clean", "-y", scratch.file("merged")]).status == 0)
    #expect(try scratch.entries() == ["merged"])
    #expect(try tree(scratch.file("merged")) == expected)
  }

  /// Two libraries of one name are two merges' inputs.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed")) func anotherLibraryOfTheSameNameIsAnotherMerge()
    throws
  {
    let candidates = ["/usr/lib/x86_64-linux-gnu/liblapack.so.3", "/usr/lib/aarch64-linux-gnu/liblapack.so.3"]
    guard let library = candidates.first(where: FileManager.default.fileExists(atPath:)) else { return }
    let scratch = try Scratch()
    let bytes = try contents(library)
    for (folder, more) in [("one", []), ("two", [UInt8(0)])] {
      try scratch.folder(folder)
      // The loader does not look at what follows an object.
      try scratch.write(bytes + more, to: "\(folder)/liblapack.so.3")
    }
    let arguments = [
      "merge", "-q", "-j", "1", basePath("llama-f32"), adapterPath("linear-f32"), adapterPath("linear-f32"),
      "-o", scratch.file("merged"), "--combine", "svd",
    ]
    let begun = try Program.run(
      arguments,
      shell: "exec strace -f -qq -o /dev/null -e trace=rename -e inject=rename:signal=SIGKILL:when=3 \"$0\" \"$@\"",
      environment: ["SAFEMERGE_LAPACK": scratch.file("one/liblapack.so.3")])
    try #require(begun.status != 0, "it was killed")
    let other = try Program.run(arguments, environment: ["SAFEMERGE_LAPACK": scratch.file("two/liblapack.so.3")])
    #expect(expectRefusal(other, status: 5).contains("lapack-sha256: "))
    let same = try Program.run(arguments, environment: ["SAFEMERGE_LAPACK": scratch.file("one/liblapack.so.3")])
    #expect(same.status == 0, "\(same.messages)")
    #expect(try scratch.entries() == ["merged", "one", "two"])
  }

  /// What `--combine` needs for itself is found by the next run, wherever it is. 0.1.0 left a folder with a random name.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed"), arguments: [true, false])
  func whatCombiningLeftGoesWithTheNextRun(isElsewhere: Bool) throws {
    let scratch = try Scratch()
    let elsewhere = try scratch.folder("tmp")
    let arguments = [
      "merge", "-q", "-j", "1", basePath("llama-f32"), adapterPath("linear-f32"), adapterPath("linear-f32"),
      "-o", scratch.file("merged"), "--combine", "linear",
    ]
    let environment = isElsewhere ? ["SAFEMERGE_TMPDIR": elsewhere] : [:]
    let begun = try Program.run(
      arguments,
      shell: "exec strace -f -qq -o /dev/null -e trace=rename -e inject=rename:signal=SIGKILL:when=1 \"$0\" \"$@\"",
      environment: environment)
    try #require(begun.status != 0, "it was killed")
    #expect(try scratch.entries() == [Self.staging, "tmp"])
    let left = try scratch.entries("tmp")
    #expect(left.isEmpty != isElsewhere)
    #expect(try Program.run(arguments, environment: environment).status == 0)
    #expect(try scratch.entries() == ["merged", "tmp"])
  }
}
