import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge unmerge`: the record of the merge, the comparison, what is refused, and what is said.
@Suite struct UnmergeCommandTests {
  private static let base = basePath("tiny-llama-bf16")
  private static let one = adapterPath("several-a-bf16")
  private static let other = adapterPath("several-b-bf16")
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func merge(
    _ adapters: [String], _ name: String = "merged", base: String = Self.base, _ options: [String] = []
  )
    throws -> String
  {
    let result = try Program.run(["merge", base] + adapters + ["-o", scratch.file(name)] + options)
    #expect(result.status == 0, "\(result.messages)")
    return scratch.file(name)
  }

  private func events(_ result: Program.Result) throws -> [JSONValue] {
    let schema = try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json")
    return try result.lines.map { line in
      let bytes = Array(line.utf8)
      let event = try JSONParser.parse(bytes.span)
      #expect(schema.problems(event) == [], "\(line.prefix(300))")
      return event
    }
  }

  @Test func theRecordTellsTheWeight() throws {
    let merged = try merge([Self.one + "=0.7", Self.other])
    let result = try Program.run(["unmerge", merged, Self.one, "-o", scratch.file("back")])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.messageLines.contains { $0.hasPrefix("adapter   ") && $0.hasSuffix("weight -0.7") })
    let ignoring = try Program.run([
      "unmerge", merged, Self.one + "=0.7", "-o", scratch.file("same"), "--ignore-record",
    ])
    #expect(ignoring.status == 0, "\(ignoring.messages)")
    #expect(try tensorBytes(scratch.file("back")) == tensorBytes(scratch.file("same")))
    // What is taken out may be merged again without a warning.
    let again = try Program.run(["merge", scratch.file("back"), Self.one + "=0.7", "-o", scratch.file("again")])
    #expect(again.status == 0)
    #expect(!again.messages.contains("already merged"))
  }

  @Test func anotherWeightOrAdapterIsRefused() throws {
    let merged = try merge([Self.one + "=0.7"])
    for (adapter, text) in [(Self.one + "=0.5", "weight 0.7"), (Self.other, "is not among the adapters")] {
      let result = try Program.run(["unmerge", merged, adapter, "-o", scratch.file("back")])
      #expect(expectRefusal(result, status: 3, "\(result.messages)").contains("[record]"))
      #expect(result.messages.contains(text))
    }
    let twice = try Program.run(["unmerge", merged, Self.one, Self.one, "-o", scratch.file("back")])
    #expect(expectRefusal(twice, status: 3, "\(twice.messages)").contains("[record]"))
    #expect(try scratch.entries() == ["merged"])
  }

  @Test func combinedAdaptersComeOutAsOne() throws {
    let combining = ["--combine", "ties", "--density", "0.5"]
    let merged = try merge([Self.one, Self.other], combining)
    let refused = try Program.run(["unmerge", merged, Self.one, Self.other, "-o", scratch.file("back")])
    #expect(expectRefusal(refused, status: 3, "\(refused.messages)").contains("[record]"))
    let made = try Program.run(["combine", Self.one, Self.other, "-o", scratch.file("ties")] + combining)
    #expect(made.status == 0, "\(made.messages)")
    let result = try Program.run([
      "unmerge", merged, scratch.file("ties"), "-o", scratch.file("back"), "--ignore-record", "--against", Self.base,
    ])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.messageLines.contains { $0.hasPrefix("against   \(Self.base)   ") })
  }

  private func merge(_ adapters: [String], _ options: [String]) throws -> String {
    try merge(adapters, "merged", base: Self.base, options)
  }

  @Test func theEventsSayWhatRoundingDid() throws {
    let merged = try merge([Self.one])
    let result = try Program.run([
      "unmerge", "--json", merged, Self.one, "-o", scratch.file("back"), "--against", Self.base,
    ])
    #expect(result.status == 0, "\(result.messages)")
    let events = try events(result)
    #expect(events.first?["command"] == .string("unmerge"))
    let returned = try #require(events.first { $0["event"] == .string("returned") })
    guard case .integer(let changed)? = returned["changed"], case .integer(let elements)? = returned["elements"] else {
      Issue.record("no numbers: \(returned)")
      return
    }
    _ = try merge([Self.one], "again", base: scratch.file("back"))
    let (before, after) = (try tensorBytes(merged), try tensorBytes(scratch.file("again")))
    var count: Int64 = 0
    for (name, bytes) in before {
      let others = try #require(after[name])
      for place in stride(from: 0, to: bytes.count, by: 2) where bytes[place...place + 1] != others[place...place + 1] {
        count += 1
      }
    }
    #expect(changed == count)
    #expect(elements > 0)
    let compared = try #require(events.first { $0["event"] == .string("compared") })
    #expect(compared["with"] == .string(Self.base))
    #expect(compared["tensors"] == .integer(Int64(before.count)))
  }

  @Test(arguments: [
    ("dora-linear-bf16", "DoRA"), ("modules-to-save-bf16", "as a whole"), ("bias-all-bf16", "as a whole"),
  ])
  func whatIsNoSumIsRefused(name: String, text: String) throws {
    let fixture = try FixtureCase.named(name)
    let merged = try merge([fixture.adapters[0]], base: fixture.base)
    let result = try Program.run(["unmerge", merged, fixture.adapters[0], "-o", scratch.file("back")])
    #expect(expectRefusal(result, status: 3, "\(result.messages)").contains("[not-invertible]"))
    #expect(result.messages.contains(text))
    #expect(try scratch.entries() == ["merged"])
  }

  /// What was taken out is not in the model any more, whatever is left there.
  @Test(arguments: [true, false])
  func theRecordKeepsWhatRemains(isFile: Bool) throws {
    func path(_ name: String) -> String { scratch.file(name + (isFile ? ".safetensors" : "")) }
    func unmerge(_ model: String, _ adapter: String, to name: String, _ options: [String] = []) throws -> Program.Result
    {
      try Program.run(["unmerge", path(model), adapter, "-o", path(name)] + options)
    }
    let base = Self.base + (isFile ? "/model.safetensors" : "")
    #expect(
      try Program.run(["merge", base, Self.one + "=0.7", Self.other + "=-0.4", "-o", path("merged")]).status == 0)
    #expect(try unmerge("merged", Self.one, to: "second").status == 0)
    let kept = try scratch.entries()
    for (adapter, text) in [(Self.one, "is not among the adapters"), (Self.other + "=0.5", "the weight -0.4")] {
      let result = try unmerge("second", adapter, to: "refused")
      #expect(expectRefusal(result, status: 3, "\(result.messages)").contains("[record]"))
      #expect(result.messages.contains(text))
    }
    #expect(try scratch.entries() == kept)
    let last = try unmerge("second", Self.other, to: "none")
    #expect(last.status == 0, "\(last.messages)")
    #expect(last.messageLines.contains { $0.hasPrefix("adapter   ") && $0.hasSuffix("weight 0.4") })
    for adapter in [Self.one, Self.other] {
      let result = try unmerge("none", adapter, to: "refused")
      #expect(expectRefusal(result, status: 3, "\(result.messages)").contains("[record]"))
    }
    let ignoring = try unmerge("none", Self.one, to: "less", ["--ignore-record"])
    #expect(ignoring.status == 0, "\(ignoring.messages)")
    #expect(try tensorBytes(path("less")) != tensorBytes(path("none")))
    guard isFile else { return }
    let again = try Program.run(["merge", path("second"), Self.one, Self.other, "-o", path("again")])
    #expect(again.messages.contains("\(Self.other): is already merged"))
    #expect(!again.messages.contains("\(Self.one): is already merged"))
  }

  /// The output would be there already when the comparison fails.
  @Test func aModelThatCannotBeComparedWithIsRefusedBefore() throws {
    let merged = try merge([Self.one])
    for (model, text, status) in [
      (scratch.file("nothing"), "[not-found]", 4), (basePath("tiny-tied-bf16"), "[missing-tensor]", 3),
    ] {
      let result = try Program.run(["unmerge", merged, Self.one, "-o", scratch.file("back"), "--against", model])
      #expect(expectRefusal(result, status: Int32(status), "\(result.messages)").contains(text))
      #expect(result.messages.contains(model))
    }
    #expect(try scratch.entries() == ["merged"])
  }

  /// Of a model without a record nothing is known of what remains.
  @Test func withoutARecordEveryAdapterIsTakenOut() throws {
    let merged = try merge([Self.one, Self.other])
    try FileManager.default.removeItem(atPath: merged + "/.safemerge.json")
    for (model, adapter, output) in [("merged", Self.one, "second"), ("second", Self.other, "none")] {
      let result = try Program.run(["unmerge", scratch.file(model), adapter, "-o", scratch.file(output)])
      #expect(result.status == 0, "\(result.messages)")
    }
  }

  @Test func aDryRunWritesNothing() throws {
    let merged = try merge([Self.one])
    let result = try Program.run(["unmerge", "-n", merged, Self.one])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines.contains { $0.hasPrefix("plan      ") })
    #expect(try scratch.entries() == ["merged"])
  }
}
