import Foundation
import Safetensors
import TestSupport
import Testing

/// Merges on file systems that behave as those on a network do.
@Suite(.enabled(if: NetworkHabits.isPossible, "no C compiler, or not Linux")) struct NetworkFileSystemTests {
  private static let base = basePath("llama-bf16-sharded")
  private static let adapter = adapterPath("linear-bf16")
  private static let hasStrace = FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")

  /// The calls that change names do their work and report a failure, as a request that was sent twice does.
  @Test(arguments: ["rename", "renameat2", "link", "mkdir", "unlink", "rmdir"], ["ENOENT", "EEXIST", "EIO"])
  func aFailureThatIsReportedAfterTheWorkCountsForNothing(call: String, error: String) throws {
    let scratch = try Scratch()
    #expect(try Program.run(["merge", "-q", Self.base, Self.adapter, "-o", scratch.file("expected")]).status == 0)
    let expected = try tree(scratch.file("expected"))
    // NFS knows neither a rename that replaces nothing nor one that exchanges.
    let plain = call == "renameat2" ? "" : "refuse:renameat2:EINVAL "
    let output = try scratch.folder("place") + "/merged"
    for habits in [plain, ""] {
      let shell = NetworkHabits.shell("\(habits)lie:\(call):\(error)", scratch.file("place"))
      for options in [[], ["--force"]] {
        let result = try Program.run(
          ["merge", "-q", "-j", "1", Self.base, Self.adapter, "-o", output] + options, shell: shell)
        #expect(result.status == 0, "\(habits)\(options) \(result.messages)")
        #expect(try tree(output) == expected)
        #expect(try scratch.entries("place") == ["merged"])
      }
      try FileManager.default.removeItem(atPath: output)
      // An empty folder in the way, and a result that is one file.
      try scratch.folder("place/merged")
      let filled = try Program.run(["merge", "-q", Self.base, Self.adapter, "-o", output], shell: shell)
      #expect(filled.status == 0, "\(habits)\(filled.messages)")
      #expect(try tree(output) == expected)
      for options in [[], ["--force"]] {
        let single = try Program.run(
          [
            "merge", "-q", basePath("llama-bf16") + "/model.safetensors", Self.adapter, "-o", output + ".safetensors",
          ] + options, shell: shell)
        #expect(single.status == 0, "\(habits)\(options) \(single.messages)")
      }
      #expect(try scratch.entries("place") == ["merged", "merged.safetensors"])
      for name in ["merged", "merged.safetensors"] {
        try FileManager.default.removeItem(atPath: scratch.file("place/" + name))
      }
    }
  }

  /// A failure that nothing was done before is one.
  @Test func aFailureWithoutTheWorkIsOne() throws {
    let scratch = try Scratch()
    let place = try scratch.folder("place")
    for call in ["rename", "mkdir"] {
      let result = try Program.run(
        ["merge", "-q", "-j", "1", Self.base, Self.adapter, "-o", place + "/merged"],
        shell: NetworkHabits.shell("refuse:renameat2:EINVAL refuse:\(call):EIO", place))
      #expect(expectRefusal(result, status: 4).contains("[system]"))
      #expect(try scratch.entries("place") == [])
    }
  }

  /// Some (sshfs) say that a folder with something in it may not be replaced by EPERM.
  @Test(arguments: [true, false]) func whatCameInBetweenStays(isThere: Bool) throws {
    let model = try SlowModel(size: 512)
    let place = try model.scratch.folder("place")
    if isThere { try model.scratch.folder("place/merged") }
    let shell = """
      \(NetworkHabits.prefix("refuse:renameat2:EINVAL occupied:EPERM", place)) "$0" "$@" 2>"$TMPDIR/log" & process=$!
      until grep -q '^shard     1/' "$TMPDIR/log" || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
      kill -STOP $process; mkdir -p '\(place)/merged'; echo theirs >'\(place)/merged/notes.txt'; kill -CONT $process
      wait $process; status=$?; grep -A1 '^error' "$TMPDIR/log" >&2; exit $status
      """
    let result = try model.merge(place + "/merged", ["-v"], shell: shell)
    // A slow shell may add lines of its own.
    #expect(result.status == 5 && result.messages.contains("already exists"), "\(result.messages)")
    #expect(try model.scratch.entries("place") == ["merged"])
    #expect(try model.scratch.entries("place/merged") == ["notes.txt"])
  }

  /// A file that is removed while it is open stays in its folder under another name.
  @Test func nothingStaysOfAMergeThatFails() throws {
    let model = try SlowModel(size: 256)
    let place = try model.scratch.folder("place")
    for (habits, status) in [("", 0), ("refuse:rename:EIO", 4), ("refuse:renameat2:EIO", 4)] as [(String, Int32)] {
      let result = try Program.run(
        ["merge", "-q", "-j", "4", model.base, model.adapter, "-o", place + "/merged", "--no-resume"],
        shell: NetworkHabits.shell("sillyrename \(habits)", place))
      #expect(result.status == status, "\(habits) \(result.messages)")
      let left = try model.scratch.entries("place")
      // Complete files are kept where only the last step fails.
      let kept = habits.hasPrefix("refuse:renameat2") ? [".merged.safemerge"] : []
      #expect(left == (status == 0 ? ["merged"] : kept), "\(habits)")
      if status == 0 { try FileManager.default.removeItem(atPath: place + "/merged") }
    }
    let again = try Program.run(
      ["merge", "-q", model.base, model.adapter, "-o", place + "/merged"],
      shell: NetworkHabits.shell("sillyrename", place))
    #expect(again.status == 0, "\(again.messages)")
    #expect(try model.scratch.entries("place") == ["merged"])
  }

  /// A server that treats root, or everybody, as another user.
  @Test func aStagingFolderIsKnownByWhomTheServerTakesThisUserFor() throws {
    let scratch = try Scratch()
    let place = try scratch.folder("place")
    let shell = NetworkHabits.shell("squash sillyrename", place)
    func makeStaging(_ mode: Int) throws {
      let path = try scratch.folder("place/.merged.safemerge")
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    try makeStaging(0o700)
    let listed = try Program.run(["clean", place], shell: shell)
    #expect(listed.status == 0 && listed.text.contains("merged"), "\(listed.text) \(listed.messages)")
    for options in [[], ["--force"]] {
      let result = try Program.run(
        ["merge", "-q", Self.base, Self.adapter, "-o", place + "/merged"] + options, shell: shell)
      #expect(result.status == 0, "\(result.messages)")
      #expect(try scratch.entries("place") == ["merged"])
      try makeStaging(0o700)
    }
    try makeStaging(0o777)
    let refused = try Program.run(
      ["merge", "-q", "--force", Self.base, Self.adapter, "-o", place + "/merged"], shell: shell)
    #expect(expectRefusal(refused, status: 5).contains("[staging]"))
  }

  /// A file system without `fallocate` costs no calls: glibc would write a byte to each of its blocks.
  @Test(.enabled(if: hasStrace, "strace is not installed")) func reservingNothingCostsNothing() throws {
    let model = try SlowModel(size: 512, rank: 4)
    func calls(_ fault: String) throws -> Int {
      let output = model.scratch.file("merged")
      let result = try Program.run(
        ["merge", "-q", "-j", "1", "--reflink", "never", model.base, model.adapter, "-o", output],
        shell:
          "strace -f -qq -o \"$TMPDIR/trace\" \(fault) \"$0\" \"$@\"; status=$?; wc -l <\"$TMPDIR/trace\"; exit $status"
      )
      #expect(result.status == 0, "\(result.messages)")
      try FileManager.default.removeItem(atPath: output)
      return try #require(result.lines.first.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) })
    }
    let (local, without) = (try calls(""), try calls("-e inject=fallocate:error=EOPNOTSUPP"))
    #expect(local > 100)
    #expect(Double(without) <= 1.1 * Double(local), "\(without) calls, \(local) where blocks are reserved")
  }

  // MARK: - Two merges that both have the lock

  /// Starts a merge on a machine "a", stops it after its first shard, runs another on a machine "b" to its end, and lets the
  /// first one continue; returns both exit codes.
  private func meet(
    _ model: SlowModel, _ place: String, hosts: (String, String) = ("a", "b"), first: String, second: String,
    habits: String = "refuse:renameat2:EINVAL locks"
  ) throws -> (first: Int, second: Int, messages: String) {
    let shell = """
      program=$0
      run() { exec \(NetworkHabits.prefix("\(habits) host:'$1'", place))"$program" merge '\(model.base)' '\(model.adapter)' \
        -j 1 -o '\(place)/merged' $2; }
      run \(hosts.0) '\(first)' 2>"$TMPDIR/log" & process=$!
      until grep -q '^shard     1/' "$TMPDIR/log" || ! kill -0 $process 2>/dev/null; do sleep 0.01; done
      kill -STOP $process
      (run \(hosts.1) '\(second)'); second=$?
      kill -CONT $process; wait $process; first=$?
      cat "$TMPDIR/log" >&2
      echo $first $second
      """
    let result = try Program.run([], shell: shell, environment: SlowModel.environment)
    let codes = try #require(result.lines.last).split(separator: " ").compactMap { Int($0) }
    try #require(codes.count == 2, "\(result.text) \(result.messages)")
    return (codes[0], codes[1], result.messages)
  }

  private struct Expected {
    let auto, narrow: [String: [UInt8]]

    init(_ model: SlowModel) throws {
      for (name, options) in [("auto", []), ("narrow", ["--dtype", "bf16"])] {
        let result = try Program.run(
          ["merge", "-q", model.base, model.adapter, "-o", model.scratch.file(name)] + options)
        try #require(result.status == 0, "\(result.messages)")
      }
      auto = try tree(model.scratch.file("auto"))
      narrow = try tree(model.scratch.file("narrow"))
    }
  }

  /// Where a file system gives one lock to two machines, the later merge takes over and the earlier one ends.
  @Test func ofTwoMergesWithOneLockOneSurvives() throws {
    let model = try SlowModel(size: 512)
    let expected = try Expected(model)
    let place = try model.scratch.folder("place")
    for (second, wanted) in [
      ("-q", expected.auto), ("-q --no-resume", expected.auto), ("-q --no-resume --dtype bf16", expected.narrow),
    ] {
      let ends = try meet(model, place, first: "-v", second: second)
      #expect(ends.second == 0, "\(second): \(ends.messages)")
      #expect(ends.first == 5, "\(second): \(ends.messages)")
      #expect(ends.messages.contains("another merge to the same output took over this folder"), "\(ends.messages)")
      #expect(ends.messages.contains("[in-use]"))
      #expect(try tree(place + "/merged") == wanted, "\(second)")
      #expect(try model.scratch.entries("place") == ["merged"], "\(second)")
      try FileManager.default.removeItem(atPath: place + "/merged")
    }
    // In the place of a model.
    try FileManager.default.copyItem(atPath: model.scratch.file("auto"), toPath: place + "/merged")
    for habits in ["refuse:renameat2:EINVAL locks", "locks"] {
      let ends = try meet(
        model, place, first: "-v --force", second: "-q --force --no-resume --dtype bf16", habits: habits)
      #expect(ends.second == 0 && ends.first == 5, "\(ends)")
      #expect(try tree(place + "/merged") == expected.narrow)
      #expect(try model.scratch.entries("place") == ["merged"])
    }
  }

  /// On one machine the second finds that the first runs, whatever the lock says.
  @Test func aRunningMergeOfThisMachineIsNotTakenOver() throws {
    let model = try SlowModel(size: 512)
    let expected = try Expected(model)
    let place = try model.scratch.folder("place")
    let ends = try meet(model, place, hosts: ("a", "a"), first: "-v", second: "-q --no-resume")
    #expect(ends.first == 0 && ends.second == 5, "\(ends)")
    #expect(ends.messages.contains("in use by another merge to the same output, process "))
    #expect(try tree(place + "/merged") == expected.auto)
    #expect(try model.scratch.entries("place") == ["merged"])
  }
}
