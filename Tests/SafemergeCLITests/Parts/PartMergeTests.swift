import Foundation
import TestSupport
import Testing

/// Merges in parts by processes: the bytes of a merge by one, whatever runs twice, late, or not to its end.
@Suite struct PartMergeTests {
  private let model: SlowModel
  private var scratch: Scratch { model.scratch }
  private var output: String { scratch.file("merged") }

  init() throws { model = try SlowModel(size: 64, rank: 4) }

  private func run(_ more: [String], shell: String? = nil, environment: [String: String] = [:]) throws -> Program.Result
  {
    try Program.run(["merge", model.base, model.adapter, "-o", output] + more, shell: shell, environment: environment)
  }

  private func expectWhole() throws {
    if try !scratch.entries().contains("whole") {
      #expect(try Program.run(model.arguments(scratch.file("whole"))).status == 0)
    }
    #expect(try tree(output) == tree(scratch.file("whole")))
    #expect(try scratch.entries() == ["adapter", "base", "merged", "whole"])
  }

  @Test func partsMakeTheWhole() throws {
    for index in [1, 0, 2] {
      let result = try run(["--part", "\(index)/3"])
      #expect(result.status == 0 && result.messages.contains("part      \(index)/3"), "\(result.messages)")
    }
    #expect(try !scratch.entries().contains("merged"))
    let finished = try run(["--finish"])
    #expect(finished.status == 0 && finished.messages.contains("4 weight files"), "\(finished.messages)")
    try expectWhole()
    // Once more, each is done.
    for more in [["--part", "0/3"], ["--finish"]] {
      let again = try run(more)
      #expect(again.status == 0 && again.messages.contains("was merged already"), "\(again.messages)")
    }
    try expectWhole()
  }

  /// Parts of several numbers, twice at once, and more parts than files; two finishers.
  @Test func whatRunsTwiceDoesNoHarm() throws {
    let shell = #"""
      printf '%s\n' 0/2 1/2 1/2 0/2 3/9 0/9 8/9 | xargs -P 7 -I PART "$0" "$@" --part PART || exit 1
      printf '%s\n' 1 2 3 | xargs -P 3 -I NUMBER "$0" "$@" --finish || exit 2
      """#
    let result = try run(["--quiet"], shell: shell)
    #expect(result.status == 0, "\(result.messages)")
    try expectWhole()
  }

  @Test func whatIsMissingIsNamed() throws {
    let nothing = expectRefusal(try run(["--quiet", "--finish", "--wait", "0"]), status: 4)
    #expect(nothing.contains("4 of 4 weight files") && nothing.contains("run the parts first"))
    #expect(try run(["--part", "2/4"]).status == 0)
    #expect(try run(["--part", "0/4"]).status == 0)
    let message = expectRefusal(try run(["--quiet", "--finish", "--wait", "0"]), status: 4)
    #expect(message.contains("2 of 4 weight files are not complete") && message.contains("--array=1,3"))
    #expect(message.contains("[parts-missing]"))
    let status = try Program.run(["status", output])
    #expect(status.status == 3 && status.text.contains("2 of 4 weight files complete"))
    #expect(status.lines.count { $0.hasPrefix("  missing ") } == 2)
    let json = try Program.run(["status", "--json", output])
    #expect(json.status == 3 && json.text.contains(#""complete":false"#) && json.text.contains(#""part":2,"parts":4"#))
    #expect(try run(["--part", "1/4"]).status == 0)
    #expect(try run(["--part", "3/4"]).status == 0)
    #expect(try Program.run(["status", output]).status == 0)
    #expect(try run(["--finish", "--wait", "0"]).status == 0)
    try expectWhole()
    #expect(try Program.run(["status", output]).text.contains("no parts are left"))
  }

  @Test func aKilledPartIsMadeAgain() throws {
    let slow = try SlowModel()
    let output = slow.scratch.file("merged")
    let killed = try slow.merge(
      output, ["--part", "0/1"], shell: SlowModel.signalling("KILL", after: "^shard     1/", pause: "0.05"))
    if killed.status == 137 { #expect(try !slow.scratch.entries().contains("merged")) }
    let stopped = try slow.merge(
      output, ["--part", "0/1"], shell: SlowModel.signalling("TERM", after: "^part ", pause: "0.1"))
    #expect([0, 143].contains(stopped.status), "\(stopped.messages)")
    if stopped.status == 143 {
      #expect(stopped.messageLines.last?.contains("safemerge: interrupted") == true, "\(stopped.messages)")
    }
    #expect(try slow.merge(output, ["--part", "0/1"]).status == 0)
    #expect(try slow.merge(output, ["--finish"]).status == 0)
    #expect(try slow.merge(slow.scratch.file("whole")).status == 0)
    #expect(try tree(output) == tree(slow.scratch.file("whole")))
    #expect(try slow.scratch.entries() == ["adapter", "base", "merged", "whole"])
  }

  /// Another weight is another plan: its parts have a folder of their own, and the output of the first stays.
  @Test func anotherPlanIsNotMixedIn() throws {
    #expect(try run(["--part", "0/2"]).status == 0)
    let other = ["merge", model.base, model.adapter + "=0.5", "-o", output]
    let noted = try Program.run(other + ["--part", "0/2"])
    #expect(noted.status == 0 && noted.messages.contains("parts of 1 other merge"), "\(noted.messages)")
    #expect(try run(["--part", "1/2"]).status == 0)
    #expect(try run(["--finish"]).status == 0)
    for more in [["--part", "1/2"], ["--finish"]] {
      #expect(expectRefusal(try Program.run(other + more + ["--quiet"]), status: 5).contains("[output-exists]"))
    }
    #expect(try Program.run(["clean", output, "--yes"]).status == 0)
    try expectWhole()
  }

  /// The finisher compares the base with what the parts saw.
  @Test func aBaseThatChangedIsRefused() throws {
    #expect(try run(["--part", "0/1"]).status == 0)
    let shard = model.base + "/model-0.safetensors"
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1000)], ofItemAtPath: shard)
    let message = expectRefusal(try run(["--quiet", "--finish", "--wait", "0"]), status: 4)
    #expect(message.contains("model-0.safetensors") && message.contains("--base-copies"))
    #expect(try run(["--finish", "--base-copies"]).status == 0)
    try expectWhole()
  }

  @Test func enginesTellThePart() throws {
    let array = [
      "SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0",
      "SLURM_ARRAY_TASK_MAX": "1",
      "SLURM_ARRAY_TASK_STEP": "1",
    ]
    let part = try run(["--part", "auto"], environment: array)
    #expect(part.status == 0 && part.messages.contains("1/2 (SLURM_ARRAY_TASK_ID)"), "\(part.messages)")
    let job = try run(["--part", "auto/2", "--json"], environment: ["JOB_COMPLETION_INDEX": "0"])
    #expect(job.status == 0 && job.text.contains(#""variable":"JOB_COMPLETION_INDEX""#))
    #expect(expectRefusal(try run(["--part", "auto"]), status: 2).contains("no engine says"))
    #expect(try run(["--finish"]).status == 0)
    try expectWhole()
  }

  @Test(arguments: [
    (["--part", "2/2"], "the parts of 2 are 0 to 1"), (["--part", "0/2", "--finish"], "exclude each other"),
    (["--part", "0/2", "--force"], "does not support --force"), (["--part", "0/2", "--combine", "ties"], "--combine"),
    (["--base-copies"], "--base-copies requires --part or --finish"),
    (["--part", "0/2", "--verify", "full"], "--verify full"),
    (["--part", "0/2", "--wait", "3"], "--wait requires --finish"), (["--part", "0/2", "--no-resume"], "--no-resume"),
  ]) func whatPartsCannotDoIsWrongUsage(_ more: [String], _ words: String) throws {
    #expect(expectRefusal(try run(more), status: 2).contains(words))
    #expect(try scratch.entries() == ["adapter", "base"])
  }

  /// A dry run needs no output to tell what all parts would refuse.
  @Test func aPartIsPlannedWithoutAnOutput() throws {
    let plan = try Program.run(["merge", "--dry-run", model.base, model.adapter])
    let part = try Program.run(["merge", "--dry-run", "--part", "1/3", model.base, model.adapter])
    #expect(part.status == 0 && part.messages.isEmpty, "\(part.messages)")
    #expect(part.lines.filter { $0.hasPrefix("write") } == plan.lines.filter { $0.hasPrefix("write") })
    #expect(try scratch.entries() == ["adapter", "base"])
  }

  @Test func aResultOfOneFileHasNoParts() throws {
    let result = try Program.run(
      [
        "merge", basePath("llama-bf16") + "/model.safetensors", adapterPath("linear-bf16"), "-o",
        scratch.file("merged.safetensors"), "--part", "0/2", "--quiet",
      ])
    let message = expectRefusal(result, status: 2)
    #expect(message.contains("--part: the result is one file") && message.contains("--max-shard-size"))
    #expect(try scratch.entries() == ["adapter", "base"])
  }
}
