import Checksums
import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

/// Merges that are interrupted, and those that resume them.
@Suite struct ResumeTests {
  private static let staging = ".merged.safemerge"

  private func inode(_ path: String) throws -> UInt64 { try #require(try SystemCalls.identity(path: path)).inode }

  private func interrupted(_ model: SlowModel, _ signal: String, pause: String = "0.05") throws -> Program.Result {
    let result = try model.merge(
      model.scratch.file("merged"), shell: SlowModel.signalling(signal, after: "^shard     1/", pause: pause))
    // On a slow machine it may have been complete before the signal came.
    #expect(try model.scratch.entries().contains("merged") == (result.status == 0))
    return result
  }

  @Test(arguments: [("INT", 130), ("TERM", 143), ("HUP", 129)])
  func signalsLeaveWorkThatTheNextRunResumes(signal: String, status: Int32) throws {
    let model = try SlowModel()
    let scratch = model.scratch
    #expect(try model.merge(scratch.file("whole")).status == 0)
    let result = try interrupted(model, signal)
    try #require(result.status == status, "\(result.messages)")
    let last = try #require(result.messageLines.last)
    #expect(
      last.hasPrefix("safemerge: interrupted; ") && last.hasSuffix("Run the same command again to resume."), "\(last)")
    #expect(last.contains(" of \(SlowModel.shardCount) weight files"))
    let first = scratch.file(Self.staging + "/result/model-0.safetensors")
    let kept = try inode(first)
    // What is done of the shard that was open is kept as well, and no temporary file beside it.
    #expect(try scratch.entries(Self.staging + "/partial").allSatisfy { !$0.hasPrefix("small.") })
    #expect(try !scratch.entries(Self.staging).contains("lock"))
    let resumed = try model.merge(scratch.file("merged"))
    #expect(resumed.status == 0, "\(resumed.messages)")
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
    #expect(try inode(scratch.file("merged/model-0.safetensors")) == kept, "it was not written again")
    #expect(try scratch.entries() == ["adapter", "base", "merged", "whole"])
  }

  /// Of work that takes far longer.
  @Test func aSignalEndsItWithinTwoSeconds() throws {
    let model = try SlowModel(size: 2048, rank: 256)
    let now = "perl -MTime::HiRes=time -e 'print time'"
    let shell = SlowModel.signalling("TERM", after: "^memory", pause: "0.3")
      .replacingOccurrences(of: "wait $process", with: "start=$(\(now)); wait $process")
      .replacingOccurrences(of: "exit $status", with: "echo \"$start $(\(now))\"; exit $status")
    let result = try model.merge(model.scratch.file("merged"), shell: shell)
    #expect(result.status == 143, "\(result.messages)")
    let times = try #require(result.lines.last).split(separator: " ").compactMap { Double($0) }
    try #require(times.count == 2)
    #expect(times[1] - times[0] < 2)
  }

  @Test(arguments: [true, false]) func aKilledMergeIsResumed(isFile: Bool) throws {
    let model = try SlowModel()
    let scratch = model.scratch
    let base = isFile ? model.base + "/model-1.safetensors" : model.base
    let adapter = isFile ? try oneShardAdapter(model) : model.adapter
    let ending = isFile ? ".safetensors" : ""
    func run(_ name: String, shell: String? = nil) throws -> Program.Result {
      try Program.run(
        ["merge", base, adapter, "-o", scratch.file(name)] + SlowModel.options, shell: shell,
        environment: SlowModel.environment)
    }
    #expect(try run("whole" + ending).status == 0)
    let killed = try run("merged" + ending, shell: SlowModel.signalling("KILL", after: "^memory", pause: "0.3"))
    if killed.status == 137 { #expect(try scratch.entries().contains(".merged\(ending).safemerge")) }
    if killed.status == 137 {
      let resumed = try run("merged" + ending)
      #expect(resumed.status == 0, "\(resumed.messages)")
    }
    if isFile {
      #expect(try contents(scratch.file("merged" + ending)) == contents(scratch.file("whole" + ending)))
    } else {
      #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
    }
    #expect(try scratch.entries().allSatisfy { !$0.hasPrefix(".") })
  }

  /// An adapter for the second shard alone.
  private func oneShardAdapter(_ model: SlowModel) throws -> String {
    let path = model.adapter + "/adapter_model.safetensors"
    let tensors = try readTensors(path).filter { $0.name.contains("layers.1.") }.map { tensor in
      TestTensor(
        String(tensor.name.dropFirst("base_model.model.".count)), tensor.dtype, tensor.shape, bytes: tensor.bytes)
    }
    return try writeAdapter(model.scratch.file("adapter-1"), rank: 32, alpha: "1", tensors)
  }

  @Test func anotherMergeIsRefusedWithTheReason() throws {
    let model = try SlowModel(size: 512)
    let scratch = model.scratch
    guard try interrupted(model, "TERM", pause: "0").status == 143 else { return }
    let before = try tree(scratch.path)
    for (arguments, reason) in [
      (["--dtype", "bf16"], "dtype: auto -> bfloat16"),
      (["--round", "stochastic:7"], "round: nearest -> stochastic:7"),
      (["--arithmetic", "peft"], "arithmetic: exact -> peft"), (["--tied", "split"], "tied: refuse -> split"),
    ] {
      let result = try model.merge(scratch.file("merged"), arguments + ["-q"])
      #expect(expectRefusal(result, status: 5).contains(reason), "\(result.messages)")
      #expect(result.messages.contains("--no-resume"))
    }
    let weighted = try Program.run(
      ["merge", model.base, model.adapter + "=0.5", "-o", scratch.file("merged"), "-q"])
    #expect(expectRefusal(weighted, status: 5).contains("weight 1: 1.0 -> 0.5"))
    #expect(try tree(scratch.path) == before)
    // Another adapter of the same shapes.
    let config = model.adapter + "/adapter_config.json"
    let text = String(decoding: try contents(config), as: UTF8.self)
    try write(Array(text.replacingOccurrences(of: "\"lora_alpha\": 1", with: "\"lora_alpha\": 2").utf8), to: config)
    let changed = try model.merge(scratch.file("merged"), ["-q"])
    #expect(expectRefusal(changed, status: 5).contains("adapter 1: adapter_config.json has changed"))
    let restarted = try model.merge(scratch.file("merged"), ["--no-resume"])
    #expect(restarted.status == 0, "\(restarted.messages)")
    #expect(try model.merge(scratch.file("whole")).status == 0)
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
  }

  /// A byte of a base shard that was merged already changes: that shard is made again.
  @Test func aShardWhoseInputChangedIsMadeAgain() throws {
    let model = try SlowModel(size: 512)
    let scratch = model.scratch
    guard try interrupted(model, "TERM", pause: "0").status == 143 else { return }
    let shard = model.base + "/model-0.safetensors"
    var bytes = try contents(shard)
    bytes[bytes.count - 2] ^= 1
    let handle = try #require(FileHandle(forWritingAtPath: shard))
    try handle.write(contentsOf: Data(bytes))
    try handle.close()
    #expect(try model.merge(scratch.file("merged")).status == 0)
    #expect(try model.merge(scratch.file("whole")).status == 0)
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
  }

  /// A copy of the base on another disk has other times: with checksums it is known to be the same.
  @Test(arguments: [true, false]) func onlyContentCounts(sums: Bool) throws {
    let model = try SlowModel(size: 512)
    let scratch = model.scratch
    let options = sums ? ["--checksums"] : []
    let result = try model.merge(
      scratch.file("merged"), options, shell: SlowModel.signalling("TERM", after: "^shard     1/"))
    guard result.status == 143 else { return }
    let kept = try inode(scratch.file(Self.staging + "/result/model-0.safetensors"))
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: model.base + "/model-0.safetensors")
    #expect(try model.merge(scratch.file("merged"), options).status == 0)
    let isKept = try inode(scratch.file("merged/model-0.safetensors")) == kept
    #expect(isKept == sums)
    #expect(try model.merge(scratch.file("whole"), options).status == 0)
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
  }

  /// One holds the lock, the other ends at once.
  @Test(arguments: [[], ["--force"]]) func twoRunsToOneOutputDoNotMeet(options: [String]) throws {
    let model = try SlowModel()
    let output = model.scratch.file("merged")
    let shell = """
      "$0" "$@" 2>"$TMPDIR/first" & first=$!
      until grep -q "^plan" "$TMPDIR/first" || ! kill -0 $first 2>/dev/null; do sleep 0.01; done
      "$0" "$@"; second=$?
      wait $first; echo $? $second
      """
    let result = try model.merge(output, options, shell: shell)
    #expect(result.text == "0 5\n", "\(result.messages)")
    #expect(result.messages.contains("in use by another merge to the same output, process "))
    #expect(try model.merge(model.scratch.file("whole")).status == 0)
    #expect(try tree(output) == tree(model.scratch.file("whole")))
    #expect(try model.scratch.entries() == ["adapter", "base", "merged", "whole"])
  }

  @Test func aSecondSignalEndsAtOnce() throws {
    let model = try SlowModel()
    let shell = SlowModel.signalling("TERM", after: "^memory").replacingOccurrences(
      of: "wait $process", with: "kill -TERM $process 2>/dev/null; wait $process")
    let result = try model.merge(model.scratch.file("merged"), shell: shell)
    #expect(result.status == 143 || result.status == 0, "\(result.messages)")
  }
}
