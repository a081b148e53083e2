import Foundation
import TestSupport
import Testing

/// Reports, warnings and totals of a merge in parts: those of a merge by one process.
@Suite struct PartReportTests {
  private let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    for name in ["one", "parts"] { try scratch.folder(name) }
  }

  private static let linear = [
    "merge", basePath("llama-bf16-sharded"), adapterPath("linear-bf16"), "-o", "merged",
  ]

  private func run(_ arguments: [String], in folder: String = "parts") throws -> Program.Result {
    try Program.run(arguments, folder: scratch.file(folder))
  }

  private func file(_ name: String) throws -> [UInt8] { try contents(scratch.file(name)) }

  private func writeParts(_ arguments: [String], _ indexes: [Int] = [0, 1, 2]) throws {
    for index in indexes {
      let part = try run(arguments + ["--part", "\(index)/3"])
      // Only the finisher reports and warns.
      #expect(part.status == 0 && !part.messages.contains("warning:"), "\(part.messages)")
    }
  }

  /// What a merge says about its result, without what it says about itself.
  private func told(_ result: Program.Result) -> [String] {
    result.messageLines.filter { line in
      ["warning:", "changed", "lost", "largest", "advice", "requant", "qlora", "report", "training"].contains {
        line.hasPrefix($0)
      }
    }
  }

  /// The first has statistics of plain weights, the others what requantizing and quantizing in training lose as well.
  @Test(arguments: [
    linear, linear + ["--on-nonfinite", "warn", "--dtype", "f16", "--checksums"],
    ["merge"] + ["base", "adapter"].map { fixturesPath() + "/written-back/block/" + $0 }
      + ["-o", "merged", "--requantize"],
    ["merge"] + ["base", "adapter"].map { fixturesPath() + "/qlora/double/" + $0 }
      + ["-o", "merged", "--qlora", "nf4:64,double"],
  ]) func theReportIsThatOfOneProcess(_ arguments: [String]) throws {
    for name in ["report.json", "report.html"] {
      let reported = arguments + ["--report", name]
      let one = try run(reported, in: "one")
      #expect(one.status == 0, "\(one.messages)")
      try writeParts(reported)
      #expect(try !scratch.entries("parts").contains { ["merged", name].contains($0) })
      let finished = try run(reported + ["--finish"])
      #expect(finished.status == 0, "\(finished.messages)")
      #expect(try file("parts/" + name) == file("one/" + name))
      #expect(told(finished) == told(one) && told(one).contains { $0.hasPrefix("changed") })
      #expect(try tree(scratch.file("parts/merged")) == tree(scratch.file("one/merged")))
      // Once more, it is there.
      let again = try run(reported + ["--finish"])
      #expect(again.status == 0 && again.messages.contains("was merged already"), "\(again.messages)")
      for folder in ["one", "parts"] { try FileManager.default.removeItem(atPath: scratch.file(folder + "/merged")) }
    }
    #expect(try scratch.entries("parts") == ["report.html", "report.json"])
  }

  /// Without a report the finisher says what a merge says, and so do its events.
  @Test func warningsAreThoseOfOneProcess() throws {
    for (base, adapter, more, words) in [
      ("llama-f16", "linear-bf16", ["--on-nonfinite", "warn"], "infinite or NaN"),
      ("llama-bf16-sharded", "linear-bf16", [], "more than 10 times the norm"),
    ] {
      let weight = more.isEmpty ? "=1000" : "=100000000"
      let merge = ["merge", basePath(base), adapterPath(adapter) + weight, "-o", base] + more
      let one = try run(merge, in: "one")
      guard one.status == 0 else {
        Issue.record("\(one.messages)")
        continue
      }
      #expect(told(one).contains { $0.contains(words) }, "\(one.messages)")
      try writeParts(merge)
      let finished = try run(merge + ["--finish", "--json"])
      #expect(finished.status == 0)
      #expect(told(finished) == told(one))
      #expect(finished.lines.count { $0.hasPrefix(#"{"event":"warning""#) } == told(one).count)
    }
  }

  /// A record without statistics is no use to a report. Parts that are run again with one write their files again.
  @Test func whatCollectedNothingIsNamed() throws {
    let reported = Self.linear + ["--report", "report.json"]
    try writeParts(Self.linear, [0, 1])
    try writeParts(reported, [2])
    let message = expectRefusal(try run(reported + ["--finish", "--wait", "0", "-q"]), status: 4)
    #expect(message.contains("[parts-statistics]") && message.contains("I = 0,1 (Slurm: --array=0,1"), "\(message)")
    #expect(message.contains("or finish without --report FILE"))
    #expect(try scratch.entries("parts") == [".merged.safemerge-parts"])
    let again = try run(reported + ["--part", "2/3"])
    #expect(again.messages.contains("0 files written"), "\(again.messages)")
    for part in 0..<2 {
      let again = try run(reported + ["--part", "\(part)/3"])
      #expect(again.status == 0 && !again.messages.contains("were complete"), "\(again.messages)")
    }
    // Without a report what is there suffices.
    #expect(try run(Self.linear + ["--part", "0/3"]).messages.contains("0 files written"))
    #expect(try run(reported + ["--finish"]).status == 0)
    #expect(try run(reported, in: "one").status == 0)
    #expect(try file("parts/report.json") == file("one/report.json"))
  }

  /// A finisher that was killed between the result and the report is followed by one that writes it from the records.
  @Test func aReportIsMadeAfterTheResult() throws {
    let reported = Self.linear + ["--report", "report.json"]
    try writeParts(reported)
    let parts = scratch.file("parts/.merged.safemerge-parts")
    try FileManager.default.copyItem(atPath: parts, toPath: scratch.file("kept"))
    #expect(try run(reported + ["--finish"]).status == 0)
    let report = try file("parts/report.json")
    try FileManager.default.removeItem(atPath: scratch.file("parts/report.json"))
    let lost = expectRefusal(try run(reported + ["--finish", "-q"]), status: 4)
    #expect(lost.contains("report.json") && lost.contains("[parts-statistics]"), "\(lost)")
    try FileManager.default.moveItem(atPath: scratch.file("kept"), toPath: parts)
    #expect(try run(reported + ["--finish"]).status == 0)
    #expect(try file("parts/report.json") == report)
    #expect(try scratch.entries("parts") == ["merged", "report.json"])
  }

  /// A machine may see the report that another one wrote last, and not yet the output.
  @Test func theReportOfThisMergeMayBeThere() throws {
    let reported = Self.linear + ["--report", "report.json"]
    try writeParts(reported)
    let parts = scratch.file("parts/.merged.safemerge-parts")
    try FileManager.default.copyItem(atPath: parts, toPath: scratch.file("kept"))
    #expect(try run(reported + ["--finish"]).status == 0)
    let (report, output) = (try file("parts/report.json"), try tree(scratch.file("parts/merged")))
    let written = try FileManager.default.attributesOfItem(atPath: scratch.file("parts/report.json"))
    try FileManager.default.moveItem(atPath: scratch.file("parts/merged"), toPath: scratch.file("unseen"))
    // Without the records nothing is known of it.
    let missing = expectRefusal(try run(reported + ["--finish", "--wait", "0", "-q"]), status: 4)
    #expect(missing.contains("[parts-missing]"), "\(missing)")
    try FileManager.default.moveItem(atPath: scratch.file("kept"), toPath: parts)
    let again = try run(reported + ["--finish"])
    #expect(again.status == 0, "\(again.messages)")
    #expect(try file("parts/report.json") == report && tree(scratch.file("parts/merged")) == output)
    let found = try FileManager.default.attributesOfItem(atPath: scratch.file("parts/report.json"))
    #expect(found[.systemFileNumber] as? Int == written[.systemFileNumber] as? Int)
    #expect(try scratch.entries("parts") == ["merged", "report.json"])
  }

  /// A finisher says what it waits for, and that a file has the report's name.
  @Test func waitingIsAnnounced() throws {
    let reported = Self.linear + ["--report", "report.json"]
    try writeParts(reported, [0])
    try scratch.write("mine", to: "parts/report.json")
    let result = try run(reported + ["--finish", "--wait", "1"])
    #expect(result.status == 4)
    #expect(result.messageLines.contains { $0.hasPrefix("waiting up to 1 s for ") && $0.hasSuffix(" weight files") })
    #expect(result.messages.contains("report.json: is there already"), "\(result.messages)")
    let silent = try run(reported + ["--finish", "--wait", "0"])
    #expect(silent.status == 4 && !silent.messages.contains("waiting"), "\(silent.messages)")
  }

  /// A file that has the report's name is not replaced, and is found before the result is made.
  @Test func aReportThatIsThereStays() throws {
    let reported = Self.linear + ["--report", "report.json"]
    try writeParts(reported)
    try scratch.write("mine", to: "parts/report.json")
    let message = expectRefusal(try run(reported + ["--finish", "-q"]), status: 5)
    #expect(message.contains("report.json") && message.contains("[output-exists]"), "\(message)")
    #expect(try !scratch.entries("parts").contains("merged"))
    #expect(try file("parts/report.json") == Array("mine".utf8))
  }
}
