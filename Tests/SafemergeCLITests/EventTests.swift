import Checksums
import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge merge --json`: every event fits docs/json.schema.json.
@Suite struct EventTests {
  private static let base = basePath("llama-bf16-sharded")
  private static let adapter = adapterPath("linear-bf16")
  private static let lastEvents = ["done", "error", "interrupted"]

  private static func schema() throws -> JSONSchema {
    try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json")
  }

  /// The events of a run, each checked against the schema; the first is `start`, and only the last is a last one.
  private func events(_ result: Program.Result, location: SourceLocation = #_sourceLocation) throws -> [JSONValue] {
    let schema = try Self.schema()
    #expect(result.output.last == UInt8(ascii: "\n"), sourceLocation: location)
    let events = try result.lines.map { line in
      let bytes = Array(line.utf8)
      return try JSONParser.parse(bytes.span)
    }
    for event in events { #expect(schema.problems(event) == [], "\(event)", sourceLocation: location) }
    #expect(name(events.first) == "start", sourceLocation: location)
    let ends = events.indices.filter { Self.lastEvents.contains(name(events[$0])) }
    #expect(ends == [events.count - 1], "\(result.text)", sourceLocation: location)
    #expect(rawControls(result.text) == [], sourceLocation: location)
    return events
  }

  private func name(_ event: JSONValue?) -> String {
    if case .string(let name)? = event?["event"] { name } else { "" }
  }

  private func text(_ value: JSONValue?) -> String? { if case .string(let text)? = value { text } else { nil } }

  private func merge(_ arguments: [String], shell: String? = nil) throws -> Program.Result {
    try Program.run(["merge", Self.base, Self.adapter, "--json"] + arguments, shell: shell)
  }

  @Test func aMerge() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let report = scratch.file("report.json")
    let result = try merge(["-o", output, "--checksums", "--report", report, "--progress", "always", "-j", "1"])
    #expect(result.status == 0, "\(result.messages)")
    // What people would read is not printed.
    #expect(result.errors == [], "\(result.messages)")
    let events = try events(result)
    let names = events.map(name)
    #expect(names.prefix(2) == ["start", "plan"])
    #expect(Set(names) == ["start", "plan", "progress", "shard", "report", "done"])
    let plan = events[1]
    #expect(plan["dry_run"] == .bool(false))
    #expect(plan["output"] == .string(output))
    #expect(plan["tensors"]?["merged"]?["tensors"] == .integer(14))
    #expect(plan["tensors"]?["copied"]?["tensors"] == .integer(7))
    guard case .array(let modules)? = plan["modules"], case .array(let files)? = plan["files"] else {
      Issue.record("no modules or files")
      return
    }
    #expect(modules.count == 14)
    for module in modules { #expect(module["scaling"] == .real(1.75) && module["rank"] == .integer(4)) }
    let shards = events.filter { name($0) == "shard" }
    #expect(shards.count == 4 && files.count == 4)
    for shard in shards {
      let path = output + "/" + (text(shard["file"]) ?? "")
      let bytes = try contents(path)
      #expect(text(shard["sha256"]) == SHA256Checksum(of: bytes).description)
      #expect(shard["bytes"] == .integer(Int64(bytes.count)))
      #expect(shard["kept"] == .bool(false))
    }
    let done = try #require(events.last)
    #expect(done["bytes"] == plan["bytes"] && done["tensors"] == plan["tensors"])
    #expect(done["output"] == .string(output))
    if case .integer(let memory)? = done["peak_memory"] { #expect(memory > 1 << 20) }
    // The same model as without events.
    #expect(
      try Program.run(["merge", Self.base, Self.adapter, "--checksums", "-o", scratch.file("plain")]).status == 0)
    #expect(try tree(output) == tree(scratch.file("plain")))
  }

  @Test(arguments: [
    ["--verify", "read"], ["--progress", "never"], ["-q"], ["-vv"], ["--dtype", "float32"], ["--combine", "linear"],
    ["--dry-run"],
  ])
  func options(arguments: [String]) throws {
    let scratch = try Scratch()
    let result = try Program.run(
      ["merge", basePath("llama-bf16"), Self.adapter, Self.adapter + "=0.5", "--json", "-o", scratch.file("merged")]
        + arguments)
    #expect(result.status == 0, "\(result.messages)")
    // The one adapter is given twice, and nothing else is worth a warning.
    #expect(
      result.messageLines.count == 1 && result.messages.contains("its delta is added twice"), "\(result.messages)")
    let events = try events(result)
    #expect(name(events.last) == "done")
    let isDry = arguments == ["--dry-run"]
    #expect(events.last?["dry_run"] == .bool(isDry))
    #expect(try scratch.entries() == (isDry ? [] : ["merged"]))
    let count = events.count { name($0) == "progress" }
    #expect(isDry || arguments == ["--progress", "never"] ? count == 0 : count >= 1)
  }

  @Test func warningsAreEventsToo() throws {
    let scratch = try Scratch()
    let folder = fixturesPath() + "/lora/linear/bf16"
    let arguments = ["merge", "-n", Self.base, folder, "--json", "-o", scratch.file("merged")]
    let result = try Program.run(arguments)
    let events = try events(result)
    let warning = try #require(events.first { name($0) == "warning" })
    #expect(result.messages == "warning: \(text(warning["message"]) ?? "")\n")
    // Warnings are of results that may not be what was meant: --quiet leaves them.
    #expect(try Program.run(arguments + ["-q"]).messages == result.messages)
  }

  /// Of each kind of refusal one; what is said on standard error stays one line.
  @Test func refusals() throws {
    let scratch = try Scratch()
    let base = basePath("llama-bf16")
    let output = scratch.file("merged")
    _ = try scratch.folder("taken/inside")
    let cases: [(arguments: [String], status: Int32, class: String, hasCandidates: Bool)] = [
      ([base, adapterPath("refused-arrow-bf16"), "-o", output], 3, "unsupported", false),
      ([base + "x", Self.adapter, "-o", output], 4, "not-found", true),
      ([basePath("gpt2-bf16"), Self.adapter, "-o", output], 3, "no-target", false),
      ([base, Self.adapter, "-o", scratch.file("taken")], 5, "output-exists", false),
      ([base, Self.adapter, "-o", base], 5, "output-is-input", false),
      ([fixturesPath() + "/bases", Self.adapter, "-o", output], 3, "no-weights", true),
    ]
    for (arguments, status, errorClass, hasCandidates) in cases {
      let result = try Program.run(["merge", "--json"] + arguments)
      #expect(result.status == status, "\(arguments) \(result.messages)")
      let events = try events(result)
      let error = try #require(events.last)
      #expect(name(error) == "error")
      #expect(error["exit"] == .integer(Int64(status)))
      let hint = text(error["hint"])
      #expect(result.messageLines.count == (hint == nil ? 1 : 2))
      #expect(result.messageLines[0].hasSuffix("[\(text(error["class"]) ?? "")]"))
      if let hint { #expect(result.messageLines[1] == "  hint: \(hint)") }
      #expect(text(error["class"]) == errorClass, "\(arguments)")
      if hasCandidates { #expect(error["candidates"] != .array([]), "\(arguments)") }
      #expect(result.messages.contains(text(error["message"]) ?? "-"))
    }
    #expect(try scratch.entries() == ["taken"])
  }

  @Test func wrongUsageIsAnEvent() throws {
    for arguments in [
      ["merge", "--json"], ["merge", "--json", Self.base, Self.adapter],
      ["merge", Self.base, Self.adapter, "--json", "--outpt", "x"],
      ["merge", Self.base, Self.adapter, "-n", "--json", "-j", "0"],
    ] {
      let result = try Program.run(arguments)
      #expect(result.status == 2, "\(arguments)")
      let events = try events(result)
      #expect(events.count == 2)
      #expect(text(events.last?["class"]) == "usage" && events.last?["exit"] == .integer(2))
      #expect(result.messages.contains(text(events.last?["message"]) ?? "-"), "\(result.messages)")
    }
    // Without the option, and where it is an argument, there are none.
    for arguments in [["merge"], ["merge", "--", "--json"], ["ls"]] {
      #expect(try Program.run(arguments).output == [], "\(arguments)")
    }
    let help = try Program.run(["merge", "--json", "--help"])
    #expect(help.status == 0 && help.text.hasPrefix("OVERVIEW: "))
  }

  @Test func anInterruptionAndItsResumption() throws {
    let model = try SlowModel()
    let output = model.scratch.file("merged")
    let shell = SlowModel.signalling("TERM", after: "\"event\":\"shard\"", pause: "0.05", stream: 1)
    let result = try model.merge(output, ["--json"], shell: shell)
    // On a slow machine it may have been complete before the signal came.
    guard result.status == 143 else {
      #expect(result.status == 0)
      return
    }
    let last = try #require(try events(result).last)
    #expect(name(last) == "interrupted")
    #expect(last["signal"] == .integer(15) && last["exit"] == .integer(143))
    guard case .integer(let count)? = last["kept"]?["shards"] else {
      Issue.record("nothing kept: \(result.text)")
      return
    }
    #expect(count >= 1)
    let next = try model.merge(output, ["--json"])
    #expect(next.status == 0)
    let shards = try events(next).filter { name($0) == "shard" }
    #expect(shards.count == SlowModel.shardCount)
    #expect(shards.count { $0["kept"] == .bool(true) } == count)
    #expect(try events(next).last?["shards_kept"] == .integer(count))
  }

  @Test func anInterruptionBeforeAnythingIsDone() throws {
    let model = try SlowModel()
    let shell = SlowModel.signalling("INT", after: "\"event\":\"plan\"", stream: 1)
    let result = try model.merge(model.scratch.file("merged"), ["--json"], shell: shell)
    guard result.status == 130 else {
      #expect(result.status == 0)
      return
    }
    #expect(try events(result).last?["exit"] == .integer(130))
  }

  // MARK: Standard output

  @Test func aMergeDoesNotStartIfItsEventsCannotBeWritten() throws {
    let scratch = try Scratch()
    for stream in FileManager.default.fileExists(atPath: "/dev/full") ? [">/dev/full", ">&-"] : [">&-"] {
      let result = try merge(["-o", scratch.file("merged")], shell: "exec \"$0\" \"$@\" \(stream)")
      expectRefusal(result, status: 4, stream)
      #expect(result.messages.contains("standard output"))
      #expect(try scratch.entries() == [])
    }
  }

  /// The pipe's reader is gone after the first line; the merge is completed, quietly.
  @Test func aReaderThatGoesAwayDoesNotEndTheMerge() throws {
    let scratch = try Scratch()
    let shell = "{ \"$0\" \"$@\"; echo $? >&2; } | head -n 1"
    let result = try merge(["-o", scratch.file("merged")], shell: shell)
    #expect(result.lines.count == 1)
    #expect(result.messages == "0\n")
    #expect(try scratch.entries() == ["merged"])
    #expect(try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("plain")]).status == 0)
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("plain")))
  }

  /// There is room for the first event and not for the second: the merge is complete, and the exit code says that not all
  /// was reported.
  @Test func eventsThatCannotBeWrittenAreAnErrorAtTheEnd() throws {
    let scratch = try Scratch()
    // The plan has its name four times; every file of the merge stays below the 4608 bytes that the limit leaves. The result's
    // header is longer than the base's by a block, because it has the record of the merge.
    let folder = ["u", "v", "w", "x", "y", "z"].map { String(repeating: $0, count: 250) }.joined(separator: "/")
    _ = try scratch.folder(folder)
    let path = scratch.file(folder)
    try SafetensorsWriter.write(
      path: path + "/base.safetensors", [TensorData("w.weight", .f32, shape: [1, 1], bytes: [0, 0, 0, 0])],
      metadata: ["format": "pt"])
    let adapter = try writeAdapter(
      path + "/adapter", rank: 1, alpha: "1",
      ["A", "B"].map { TestTensor("w.lora_\($0).weight", .f32, [1, 1], bytes: [0, 0, 0x80, 0x3F]) })
    let output = path + "/merged.safetensors"
    let result = try Program.run(
      ["merge", path + "/base.safetensors", adapter, "-o", output, "--json", "-q"],
      shell: "ulimit -f 9; exec \"$0\" \"$@\" >\"\(scratch.file("events"))\"")
    #expect(expectRefusal(result, status: 4).contains("standard output: write: "))
    #expect(FileManager.default.fileExists(atPath: output))
    #expect(String(decoding: try contents(scratch.file("events")), as: UTF8.self).hasPrefix("{\"event\":\"start\""))
  }
}

/// The small validator refuses what the schema does.
@Suite struct JSONSchemaTests {
  private func schema() throws -> JSONSchema { try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json") }

  private func problems(_ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    return try schema().problems(JSONParser.parse(bytes.span))
  }

  @Test func acceptsAnEvent() throws {
    #expect(try problems(#"{"event":"warning","class":"other","message":"x"}"#) == [])
    #expect(
      try problems(#"{"event":"shard","file":"f","bytes":0,"sha256":null,"kept":true}"#) == [])
  }

  @Test(arguments: [
    #"{"event":"warning"}"#, #"{"event":"warning","message":1}"#, #"{"event":"warning","message":"x","more":1}"#,
    #"{"event":"other","message":"x"}"#, #"{"message":"x"}"#, "[]", "null", #""warning""#,
    #"{"event":"shard","file":"f","bytes":-1,"sha256":null,"kept":true}"#,
    #"{"event":"shard","file":"f","bytes":1.5,"sha256":null,"kept":true}"#,
    #"{"event":"shard","file":"f","bytes":1,"sha256":"AB","kept":true}"#,
    #"{"event":"shard","file":"f","bytes":1,"sha256":null,"kept":null}"#,
    #"{"event":"start","schema":2,"program":"p","command":"merge"}"#,
    #"{"event":"interrupted","signal":2,"kept":{"path":"p"},"exit":130}"#,
    #"{"event":"interrupted","signal":0,"kept":null,"exit":130}"#,
    #"{"event":"error","class":"a b","file":null,"tensor":null,"message":"m","hint":null,"candidates":[],"exit":3}"#,
    #"{"event":"error","class":"a","file":null,"tensor":null,"message":"m","hint":null,"candidates":[1],"exit":3}"#,
    #"{"event":"error","class":"a","file":null,"tensor":null,"message":"m","hint":null,"candidates":[],"exit":0}"#,
  ])
  func refuses(text: String) throws { #expect(try problems(text) != []) }

  @Test func unknownKeywordsAreNotPassedOver() throws {
    let scratch = try Scratch()
    let path = try scratch.write(#"{"type":"object","properties":{"a":{"maximum":1}}}"#, to: "s.json")
    #expect(throws: JSONSchema.UnknownKeyword.self) { try JSONSchema(path: path) }
  }
}
