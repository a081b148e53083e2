import Foundation
import Safetensors
import TestSupport
import Testing

/// What a merge does to the file system, seen from outside; with strace and mounts where the machine has them.
@Suite struct ReliabilityTests {
  private static let base = basePath("llama-bf16-sharded")
  private static let adapter = adapterPath("linear-bf16")
  private static let hasStrace = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")
  /// Whether this user may mount in a name space of their own.
  private static let mounts: Bool = {
    let script = "unshare -m sh -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null && echo yes; true"
    return (try? Program.run([], shell: script).text) == "yes\n"
  }()

  private func traced(_ calls: String, _ arguments: [String]) throws -> [Substring] {
    let shell = """
      strace -f -qq -y -e trace=\(calls) -o "$TMPDIR/trace" "$0" "$@"
      status=$?
      cat "$TMPDIR/trace"
      exit $status
      """
    let result = try Program.run(arguments, shell: shell)
    #expect(result.status == 0, "\(result.messages)")
    return result.text.split(separator: "\n")
  }

  @Test(.enabled(if: hasStrace, "strace is not installed")) func whatIsNamedIsOnTheDisk() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let lines = try traced(
      "fdatasync,fsync,rename,renameat,renameat2", ["merge", Self.base, Self.adapter, "-o", output, "-q", "-j", "1"])
    let staging = scratch.file(".merged.safemerge")
    // Each file is synchronized just before it is moved into place.
    for name in try tree(output).keys {
      guard !(try contents(output + "/" + name)).isEmpty,
        let place = lines.firstIndex(where: { $0.contains("rename") && $0.contains("\(staging)/result/\(name)\"") })
      else {
        Issue.record("\(name) was not renamed")
        continue
      }
      let temporary = try #require(lines[place].split(separator: "\"").dropFirst().first)
      #expect(lines[..<place].contains { $0.contains("fdatasync(") && $0.contains("<\(temporary)>") }, "\(name)")
    }
    let commit = try #require(lines.firstIndex { $0.contains("renameat2") && $0.contains("\"\(output)\"") })
    #expect(lines[..<commit].contains { $0.contains("fsync(") && $0.contains("<\(staging)/result>") })
    #expect(lines[commit...].contains { $0.contains("fsync(") && $0.contains("<\(scratch.path)>") })
    // The index comes last of all files.
    let renamed = lines.filter { $0.contains("/result/") && $0.contains("rename") }
    #expect(renamed.last?.contains("model.safetensors.index.json") == true)
  }

  @Test(.enabled(if: hasStrace, "strace is not installed")) func aMergeMapsNoInput() throws {
    let scratch = try Scratch()
    for arguments in [[], ["--combine", "linear"]] {
      let output = scratch.file("merged\(arguments.count)")
      let lines = try traced(
        "mmap", ["merge", Self.base, Self.adapter, Self.adapter + "=0.5", "-o", output, "-q"] + arguments)
      #expect(!lines.isEmpty)
      #expect(lines.filter { $0.contains(".safetensors") } == [])
    }
  }

  /// Every 60th case of the whole, which `.ci/nightly/crash-sweep` runs.
  @Test(.enabled(if: hasStrace, "strace is not installed")) func aSampleOfTheCrashSweepIsSound() throws {
    let script = fixturesPath() + "/../.ci/nightly/crash-sweep"
    let result = try Program.run([], shell: "exec bash '\(script)' \"$0\" 60")
    #expect(result.status == 0, "\(result.text) \(result.messages)")
    #expect(result.lines.last?.hasSuffix(" broken=0") == true, "\(result.text)")
  }

  @Test(.enabled(if: mounts, "this user may not mount")) func aFullDiskIsReportedBeforeAnythingIsWritten() throws {
    let scratch = try Scratch()
    let results = try scratch.folder("results")
    for (size, isEnough) in [("48k", false), ("4m", true)] {
      let shell = """
        exec unshare -m sh -c 'mount -t tmpfs -o size=\(size) tmpfs "\(results)" && "$0" "$@"; status=$?; \
        ls -A "\(results)"; exit $status' "$0" "$@"
        """
      let result = try Program.run(["merge", Self.base, Self.adapter, "-o", results + "/merged", "-q"], shell: shell)
      #expect(result.status == (isEnough ? 0 : 4), "\(result.messages)")
      #expect(result.lines == (isEnough ? ["merged"] : []))
      if !isEnough {
        #expect(result.messages.contains("not enough disk space: needs ") && result.messages.contains("[space]"))
      }
    }
  }

  /// Nothing can take the place of a mount point: the files are moved into it.
  @Test(.enabled(if: mounts, "this user may not mount")) func aMountPointIsFilled() throws {
    let scratch = try Scratch()
    #expect(try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("whole")]).status == 0)
    let output = try scratch.folder("merged")
    let script = """
      mount -t tmpfs tmpfs "\(output)" || exit 9
      mkdir "\(output)/lost+found"
      "$0" "$@" || exit 1
      rmdir "\(output)/lost+found"
      diff -r "\(scratch.file("whole"))" "\(output)" || exit 2
      # As a run leaves it that was killed while it moved the files.
      mkdir -m 700 "\(output)/.safemerge" "\(output)/.safemerge/result"
      ls -A "\(output)" | grep -v "^[.]safemerge$" > "\(output)/.safemerge-incomplete"
      rm "\(output)/model.safetensors.index.json"
      "$0" "$@" || exit 3
      diff -r "\(scratch.file("whole"))" "\(output)" || exit 4
      echo mine > "\(output)/notes.txt"
      "$0" "$@" --force; [ $? -eq 5 ] || exit 5
      """
    try write(Array(script.utf8), to: scratch.file("script"))
    let shell = "program=$0; exec unshare -m sh -c '. \"\(scratch.file("script"))\"' \"$program\" \"$@\""
    let result = try Program.run(["merge", Self.base, Self.adapter, "-o", output, "-q"], shell: shell)
    #expect(result.status == 0, "\(result.status): \(result.messages) \(result.text)")
    #expect(result.messages.contains("a mount point, which cannot be replaced, and not empty: it holds"))
  }

  /// More shards than files may be open.
  @Test func fewFilesAreOpenAtOnce() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let shards = (0..<150).map { number in
      (name: "model-\(number).safetensors", tensors: [TestTensor("\(number).weight", .f32, [2, 2])])
    }
    for shard in shards { try writeFile(base + "/" + shard.name, shard.tensors) }
    try writeIndex(base, shards)
    let factors = (0..<150).flatMap { number in
      [TestTensor("\(number).lora_A.weight", .f32, [1, 2]), TestTensor("\(number).lora_B.weight", .f32, [2, 1])]
    }
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", factors)
    for options in [[], ["--checksums"]] {
      let output = scratch.file("merged\(options.count)")
      let result = try Program.run(
        ["merge", base, adapter, "-o", output, "-q", "-j", "40"] + options, shell: "ulimit -n 80; exec \"$0\" \"$@\"")
      #expect(result.status == 0, "\(result.messages)")
      #expect(try scratch.entries("merged\(options.count)").count == 152)
    }
  }
}
