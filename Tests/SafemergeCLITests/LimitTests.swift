import Foundation
import Safetensors
import TestSupport
import Testing

/// Merges where the system gives less than usual.
@Suite struct LimitTests {
  private struct Model {
    let scratch: Scratch
    let base: String
    let adapter: String
    let expected: [String: [UInt8]]

    init() throws {
      scratch = try Scratch()
      base = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "base")
      adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
      let result = try Program.run(["merge", "-q", base, adapter, "-o", scratch.file("expected")])
      try #require(result.status == 0, "\(result.messages)")
      expected = try tree(scratch.file("expected"))
    }
  }

  /// 0.1.0 waited forever for a thread, whatever signal came.
  @Test(.enabled(if: Confined.isPossible, "setpriv or prlimit is missing"), arguments: ["1", "2", "64"])
  func withoutAThreadTheCallersDoesAll(jobs: String) throws {
    let model = try Model()
    try Confined.open(model.scratch.path)
    for arguments in [
      ["merge", "-q", "-j", jobs, model.base, model.adapter, "-o", model.scratch.file("merged")],
      ["ls", "--stats", "-j", jobs, model.base],
      ["check", "--data", "-j", jobs, model.base],
    ] {
      let result = try Program.run(
        arguments, shell: Confined.shell("prlimit --nproc=1"), folder: model.scratch.path)
      #expect(result.status == 0, "\(arguments[0]) \(result.messages)")
    }
    #expect(try tree(model.scratch.file("merged")) == model.expected)
  }

  @Test(.enabled(if: Confined.isPossible, "setpriv is missing")) func aCacheThatMayNotBeReadIsNotThere() throws {
    let model = try Model()
    let home = try model.scratch.folder("home/.cache/huggingface/hub")
    try Confined.open(model.scratch.path)
    let secret = model.scratch.file("home/.cache")
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: secret)
    if geteuid() != 0 { try #require(!FileManager.default.isReadableFile(atPath: home)) }
    defer { try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: secret) }
    let environment = ["HOME": model.scratch.file("home")]
    let result = try Program.run(
      [
        "merge", "-q", model.base, model.adapter, "-o", model.scratch.file("merged"), "--report",
        model.scratch.file("r.json"),
      ],
      shell: Confined.shell(), environment: environment, folder: model.scratch.path)
    #expect(result.status == 0, "\(result.messages)")
    #expect(try tree(model.scratch.file("merged")) == model.expected)
    let hub = try Program.run(
      ["ls", "org/name"], shell: Confined.shell(), environment: environment, folder: model.scratch.path)
    #expect(expectRefusal(hub, status: 4).contains("[not-cached]"))
  }

  /// Calls that file systems lack are done without, with the same bytes.
  @Test(
    .enabled(if: Confined.hasStrace, "strace is not installed"),
    arguments: [
      "fchmod:error=ENOSYS", "fchmod:error=EPERM", "chmod:error=EOPNOTSUPP", "ftruncate:error=ENOSYS",
      "ftruncate:error=EPERM", "fallocate:error=EOPNOTSUPP", "fallocate:error=ENOSYS", "fsync:error=EINVAL",
      "fdatasync:error=EINVAL", "flock:error=ENOLCK", "flock:error=EOPNOTSUPP", "renameat2:error=EINVAL",
      "renameat2:error=ENOSYS", "copy_file_range:retval=0", "copy_file_range:error=EXDEV",
    ])
  func missingCallsAreDoneWithout(fault: String) throws {
    let model = try Model()
    let call = fault.prefix { $0 != ":" }
    let shell = "exec strace -f -qq -o /dev/null -e trace=\(call) -e 'inject=\(fault)' \"$0\" \"$@\""
    let options = ["merge", "-q", "-j", "1", model.base, model.adapter, "-o", model.scratch.file("merged")]
    let result = try Program.run(options, shell: shell)
    #expect(result.status == 0, "\(result.messages)")
    #expect(try tree(model.scratch.file("merged")) == model.expected)
    #expect(try model.scratch.entries() == ["adapter", "base", "expected", "merged"])
    // In the place of another model, and in that of an empty folder.
    let replaced = try Program.run(options + ["--force"], shell: shell)
    #expect(replaced.status == 0, "\(replaced.messages)")
    #expect(try tree(model.scratch.file("merged")) == model.expected)
  }

  /// A file system that renames nothing to a name that is taken.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed"), arguments: 1...4)
  func aFileIsReplacedWhereRenameDoesNot(place: Int) throws {
    let scratch = try Scratch()
    let base = basePath("llama-bf16") + "/model.safetensors"
    let adapter = adapterPath("linear-bf16")
    let output = scratch.file("merged.safetensors")
    func run(_ output: String, shell: String? = nil) throws -> Program.Result {
      try Program.run(["merge", "-q", "-j", "1", "--force", base, adapter, "-o", output], shell: shell)
    }
    #expect(try run(scratch.file("expected.safetensors")).status == 0)
    try FileManager.default.copyItem(atPath: base, toPath: output)
    let result = try run(
      output,
      shell: "exec strace -f -qq -o /dev/null -e trace=rename -e inject=rename:error=EEXIST:when=\(place) \"$0\" \"$@\""
    )
    // Where the name is free there is nothing to do without.
    #expect(result.status == 0 || (result.status == 4 && place < 4), "\(result.messages)")
    let expected = try contents(result.status == 0 ? scratch.file("expected.safetensors") : base)
    #expect(try contents(output) == expected)
    #expect(try scratch.entries() == ["expected.safetensors", "merged.safetensors"])
  }

  @Test(.enabled(if: Confined.hasStrace, "strace is not installed")) func whatNothingStandsInForIsNamed() throws {
    let model = try Model()
    let result = try Program.run(
      ["merge", "-q", "-j", "1", model.base, model.adapter, "-o", model.scratch.file("merged")],
      shell: "exec strace -f -qq -o /dev/null -e trace=rename -e inject=rename:error=ENOSYS \"$0\" \"$@\"")
    let message = expectRefusal(result, status: 4)
    #expect(message.contains("cannot be renamed: ") && message.contains("write the output to a local disk and copy it"))
    #expect(try model.scratch.entries() == ["adapter", "base", "expected"])
  }

  /// Planning that takes far longer than two seconds: 0.1.0 noticed the signal at its end.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/self/status"), "there is no /proc"))
  func aSignalIsHeardDuringPlanning() throws {
    let scratch = try Scratch()
    var random = SeededGenerator()
    // Names whose every character leads to a state of the pattern that was not there before.
    let names = (0..<64).map { number in
      "m\(number)" + (0..<20_000).map { _ in random.next() % 2 == 0 ? "a" : "b" }.joined()
    }
    try writeFile(
      scratch.folder("base") + "/model.safetensors", names.map { TestTensor("\($0).weight", .f32, [1, 1]) })
    let factors = names.flatMap {
      [TestTensor("\($0).lora_A.weight", .f32, [1, 1]), TestTensor("\($0).lora_B.weight", .f32, [1, 1])]
    }
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1", factors,
      fields: #""rank_pattern": {"(a|b|m|\\d)*a(a|b){300}c": 2}"#)
    let shell = """
      "$0" "$@" 2>"$TMPDIR/log" & process=$!
      # Until the program has a handler for SIGTERM.
      until grep -q 'SigCgt:.*[4-7c-f]...$' /proc/$process/status || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
      sleep 1; kill -0 $process || { echo over; exit 9; }
      start=$(date +%s%N); kill -TERM $process; wait $process; status=$?
      cat "$TMPDIR/log" >&2; echo $((($(date +%s%N) - start) / 1000000)); exit $status
      """
    let result = try Program.run(
      ["merge", scratch.file("base"), adapter, "-o", scratch.file("merged")], shell: shell)
    try #require(result.lines.first != "over", "planning took less than a second: \(result.messages)")
    #expect(result.status == 143, "\(result.messages)")
    #expect(result.messageLines.last == "safemerge: interrupted; nothing was written")
    #expect(try #require(result.lines.last.flatMap { Int($0) }) < 2000)
    #expect(try scratch.entries() == ["adapter", "base"])
  }

  /// Bytes that are not UTF-8 are neither changed nor opened as another name.
  @Test func pathsThatAreNotUTF8AreRefused() throws {
    let model = try Model()
    let before = try model.scratch.entries()
    let quoted = "\"$(printf 'bad\\377')\""
    for (arguments, more) in [
      (["merge", model.base, model.adapter, "-o"], quoted), (["merge", model.base, "-n"], quoted), (["ls"], quoted),
      (["merge", "--json", model.base, model.adapter, "-o"], quoted), (["check"], quoted),
      (["diff", model.base], quoted),
      (["clean"], quoted), (["merge", model.base, model.adapter, "-n", "--report"], quoted),
    ] {
      let result = try Program.run(arguments, shell: "exec \"$0\" \"$@\" \(more)", folder: model.scratch.path)
      #expect(result.status == 2, "\(arguments) \(result.messages)")
      #expect(result.messages.contains("is not UTF-8: \"bad\\xFF\""), "\(result.messages)")
    }
    for name in ["SAFEMERGE_TMPDIR", "SAFEMERGE_LAPACK", "HF_HUB_CACHE", "HF_HOME", "HOME"] {
      let result = try Program.run(
        ["merge", model.base, model.adapter, "-o", "merged"],
        shell: "\(name)=\(quoted); export \(name); exec \"$0\" \"$@\"", folder: model.scratch.path)
      #expect(result.status == 2 && result.messages.contains("\(name) is not UTF-8"), "\(result.messages)")
    }
    #expect(try model.scratch.entries() == before)
    // A name in the base's folder, which would have gone along as another.
    let link = try Program.run(
      ["merge", "-q", "base", "adapter", "-o", "merged"],
      shell: "echo '{}' >base/\"$(printf 'tokenizer\\377.json')\"; exec \"$0\" \"$@\"", folder: model.scratch.path)
    #expect(expectRefusal(link, status: 3).contains("a file name in this folder is not UTF-8: tokenizer\\xFF.json"))
    #expect(try model.scratch.entries() == before)
  }
}
