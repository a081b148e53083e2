import Foundation
import JSONText
import TestSupport
import Testing

/// `check --part` and `check --finish`: the verdict of a check by one process.
@Suite struct CheckPartTests {
  private let scratch: Scratch
  private let base = basePath("llama-bf16-sharded")
  private let adapter = adapterPath("linear-bf16")
  private var output: String { scratch.file("merged") }
  private var results: String { scratch.file("results") }

  init() throws { scratch = try Scratch() }

  private func merge(_ more: [String] = []) throws {
    let result = try Program.run(["merge", base, adapter, "-o", output, "-q"] + more)
    #expect(result.status == 0, "\(result.messages)")
  }

  private func shard(_ number: Int) -> String { output + "/model-0000\(number)-of-00004.safetensors" }

  /// Changes bytes at the end of a file.
  private func damage(_ path: String, _ bytes: [UInt8] = [0xFF]) throws {
    let old = try contents(path)
    try write(Array(old.dropLast(bytes.count)) + bytes, to: path)
  }

  /// Runs the parts and the finisher, and expects what one process says, which it returns.
  @discardableResult
  private func expectTheSame(
    _ check: [String], parts: Int = 3, location: SourceLocation = #_sourceLocation
  ) throws -> Program.Result {
    for index in 0..<parts {
      let part = try Program.run(check + ["--part", "\(index)/\(parts)", "--results", results])
      #expect(part.status == 0 && part.errors == [], "\(part.messages)", sourceLocation: location)
    }
    for more in [["--json"], ["--quiet"], ["--verbose"]] {
      let whole = try Program.run(check + more)
      #expect([0, 3].contains(whole.status), "\(whole.messages)", sourceLocation: location)
      let finished = try Program.run(check + more + ["--finish", "--results", results, "--wait", "0"])
      #expect(finished.text == whole.text, sourceLocation: location)
      #expect(finished.messages == whole.messages, sourceLocation: location)
      #expect(finished.status == whole.status, sourceLocation: location)
    }
    return try Program.run(check)
  }

  private var against: [String] { ["check", output, "--against", base, "--adapter", adapter] }

  @Test func aCheckOfDataIsDivided() throws {
    try merge(["--checksums"])
    let check = ["check", "--data", output]
    #expect(try expectTheSame(check).status == 0)
    // NaN in one file, zeros in another, and both have other checksums.
    try damage(shard(1), [0xC0, 0x7F])
    let bytes = try contents(shard(3))
    let start = 8 + Int(bytes[0]) + Int(bytes[1]) << 8
    try write(Array(bytes[..<start]) + [UInt8](repeating: 0, count: bytes.count - start), to: shard(3))
    try scratch.write("{} ", to: "merged/tokenizer_config.json")
    let result = try expectTheSame(check, parts: 5)
    for word in ["[nonfinite]", "[zeros]", "[checksum]"] { #expect(result.text.contains(word), "\(result.text)") }
    let sums = scratch.file("SUMS")
    try write(try Program.run(["check", "--write-checksums", base]).output, to: sums)
    #expect(try expectTheSame(["check", "--checksums", sums, output], parts: 2).status == 3)
    let written = ["check", "--write-checksums", output]
    for index in 0..<2 {
      #expect(try Program.run(written + ["--part", "\(index)/2", "--results", results]).status == 0)
    }
    let finished = try Program.run(written + ["--finish", "--results", results])
    #expect(try finished.text == Program.run(written).text && finished.lines.count > 4)
  }

  @Test func headsThatAreTiedAreCompared() throws {
    let model = try copyOfFixture("bases/tiny-tied-bf16", in: scratch, as: "model")
    try expectTheSame(["check", "--data", model], parts: 2)
  }

  /// With its record, one bit that differs is found. Without, the majority of all tensors decides how strict the check is.
  @Test func aComparisonIsDivided() throws {
    try merge()
    let exact = try expectTheSame(against)
    #expect(exact.text.contains("OK: exact") && exact.status == 0)
    try damage(shard(2))
    #expect(try expectTheSame(against, parts: 9).text.contains("[damaged]"))
    try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
    #expect(try expectTheSame(against, parts: 2).status == 3)
  }

  /// PEFT's own result, by another tool with other roundings; another merge; and one of which most tensors have the promised
  /// bits, and some do not.
  @Test func theResultsOfOtherToolsAreDivided() throws {
    let others = ["--adapter", adapter, "--results", results]
    try merge(["--arithmetic", "peft"])
    try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
    #expect(try expectTheSame(against).status == 0)
    // Two files of the exact merge among those of PEFT's roundings, and three.
    for count in [2, 3] {
      try FileManager.default.removeItem(atPath: output)
      try merge()
      let exact = try (1...4).map { try contents(shard($0)) }
      try FileManager.default.removeItem(atPath: output)
      try merge(["--arithmetic", "peft"])
      try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
      for number in 1...count { try write(exact[number - 1], to: shard(number)) }
      try expectTheSame(against, parts: 4)
    }
    #expect(try expectTheSame(["check", output, "--against", base] + others.prefix(1) + [adapter + "=2"]).status == 3)
  }

  @Test func tensorsTooManyAndTooFewAreFound() throws {
    try merge()
    let copy = scratch.file("other")
    let merged = try Program.run(
      ["merge", basePath("llama-bf16"), adapter, "-o", copy, "-q", "--dtype", "float32"])
    #expect(merged.status == 0)
    try FileManager.default.removeItem(atPath: copy + "/.safemerge.json")
    // A file of all tensors against a base of four files, in another dtype.
    try expectTheSame(["check", copy, "--against", base, "--adapter", adapter], parts: 2)
    try expectTheSame(["check", basePath("gpt2-bf16"), "--against", base, "--adapter", adapter], parts: 2)
  }

  @Test func requantizedWeightsAreDivided() throws {
    let folder = fixturesPath() + "/written-back/block"
    let merged = try Program.run(
      ["merge", folder + "/base", folder + "/adapter", "-o", output, "-q", "--requantize"])
    #expect(merged.status == 0)
    let check = ["check", output, "--against", folder + "/base", "--adapter", folder + "/adapter"]
    #expect(try expectTheSame(check, parts: 2).status == 0)
    try FileManager.default.removeItem(atPath: output + "/.safemerge.json")
    try expectTheSame(check + ["--requantize"], parts: 2)
  }

  @Test func whatIsMissingIsNamed() throws {
    try merge()
    let finish = against + ["--finish", "--results", results, "--wait", "0"]
    #expect(expectRefusal(try Program.run(finish), status: 4).contains("run the parts first"))
    let first = try Program.run(against + ["--part", "0/3", "--results", results])
    #expect(first.text.hasPrefix("part 0/3: 1 weight file read ("), "\(first.text)")
    #expect(try Program.run(against + ["--part", "2/3", "--results", results]).status == 0)
    let message = expectRefusal(try Program.run(finish), status: 4)
    #expect(message.contains("[parts-missing]") && message.contains("--part I/3 again for I = 1 "), "\(message)")
    let waiting = try Program.run(against + ["--finish", "--results", results, "--wait", "1"])
    #expect(waiting.messageLines.first == "waiting up to 1 s for 2 of 5 records", "\(waiting.messages)")
    // Parts of another number write what is left; a record is not written again.
    let job = ["JOB_COMPLETION_INDEX": "0"]
    let rest = try Program.run(
      against + ["--part", "auto/1", "--results", results, "--json"], environment: job)
    let document = try JSONParser.parse(rest.output.span)
    #expect(document["variable"] == .string("JOB_COMPLETION_INDEX"), "\(rest.text)")
    guard case .array(let read)? = document["read"], case .array(let complete)? = document["complete"] else {
      Issue.record("\(rest.text)")
      return
    }
    #expect(read.count > 0 && complete.count > 0 && read.count + complete.count == 4)
    #expect(try Program.run(finish).status == 0)
    // Another time of a file, another weight or another option is another check.
    for changed in [["--adapter", adapter + "=2"], ["--adapter", adapter, "--data"]] {
      let other = ["check", output, "--against", base] + changed
      expectRefusal(try Program.run(other + ["--finish", "--results", results, "--wait", "0"]), status: 4)
    }
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1000)], ofItemAtPath: shard(1))
    #expect(expectRefusal(try Program.run(finish), status: 4).contains("5 of 5 files"))
  }

  /// A record that was cut or changed counts as none.
  @Test func aDamagedRecordCountsAsNone() throws {
    try merge()
    #expect(try Program.run(against + ["--part", "0/1", "--results", results]).status == 0)
    let folder = try results + "/" + #require(try scratch.entries("results").first)
    for name in ["0.json", "3.json"] {
      let bytes = try contents(folder + "/" + name)
      for changed in [Array(bytes.dropLast()), bytes.map { $0 == UInt8(ascii: "1") ? UInt8(ascii: "2") : $0 }] {
        try write(changed, to: folder + "/" + name)
        let message = expectRefusal(
          try Program.run(against + ["--finish", "--results", results, "--wait", "0"]), status: 4)
        #expect(message.contains("1 of 5 files"), "\(message)")
      }
      #expect(try Program.run(against + ["--part", "0/1", "--results", results]).status == 0)
    }
    #expect(try Program.run(against + ["--finish", "--results", results]).status == 0)
  }

  @Test(arguments: [
    (["--part", "0/2", "--data"], "requires --results"), (["--results", "r", "--data"], "requires --part or --finish"),
    (["--part", "0/2", "--finish", "--data", "--results", "r"], "exclude each other"),
    (["--part", "0/2", "--results", "r"], "only headers are read"),
    (["--part", "2/2", "--data", "--results", "r"], "the parts of 2 are 0 to 1"),
    (["--part", "0/2", "--data", "--results", "r", "--wait", "1"], "--wait requires --finish"),
    (["--part", "0/2", "--data", "--results", "r", "other"], "takes one path"),
    (["--finish", "--results", "r", "--against", "b", "--adapter", "a", "--repair", "c"], "does not support --repair"),
  ]) func wrongUsage(_ more: [String], _ words: String) throws {
    #expect(expectRefusal(try Program.run(["check", base] + more), status: 2).contains(words))
  }
}
