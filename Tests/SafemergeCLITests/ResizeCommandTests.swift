import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge resize`: what it prints, its events, its options, and what it refuses.
@Suite struct ResizeCommandTests {
  /// 14 modules of rank 4.
  private static let folder = adapterPath("linear-f32")
  /// One file with alphas.
  private static let file = fixturesPath() + "/image/cases/sdxl-kohya-sgm-folder/adapter.safetensors"
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test func theTextSaysWhatWasMade() throws {
    let output = scratch.file("smaller")
    let result = try Program.run(["resize", Self.folder, "-o", output, "--rank", "2"])
    #expect(result.status == 0 && result.output == [], "\(result.messages)")
    let lines = result.messageLines
    #expect(lines.first == "adapter   \(Self.folder)   14 modules")
    #expect(
      lines.contains {
        $0.wholeMatch(of: /factors   14 modules, rank 2, \d\d\.\d{3} % of the squared norm kept/) != nil
      })
    #expect(lines.contains { $0.wholeMatch(of: /least     model\.layers\.\S+   rank 2, \d\d\.\d{3} % kept/) != nil })
    #expect(lines.last?.hasPrefix("done      \(output)   28 tensors, ") == true)
    #expect(try scratch.entries() == ["smaller"])
    for (name, options) in [("quiet", ["-q"]), ("verbose", ["-v"]), ("json", ["--json"])] {
      let other = try Program.run(["resize", Self.folder, "-o", scratch.file(name), "--rank", "2"] + options)
      #expect(other.status == 0)
      #expect(other.messages.isEmpty == (name != "verbose"))
      let modules = other.messageLines.filter {
        $0.wholeMatch(of: /module    model\S+   rank 2, .+ singular values .+/) != nil
      }
      #expect(modules.count == (name == "verbose" ? 14 : 0))
      #expect(try tree(scratch.file(name)) == tree(output), "\(name)")
    }
  }

  @Test(arguments: [
    (["--rank", "2"], 2...2), (["--energy", "0.8"], 1...4), (["--energy", "0.999", "--max-rank", "3"], 1...3),
    (["--sv-ratio", "2"], 1...4), (["--rank", "100"], 4...4),
  ])
  func theEventsAddUp(options: [String], ranks: ClosedRange<Int>) throws {
    let output = scratch.file("smaller")
    let result = try Program.run(["resize", "--json", Self.folder, "-o", output] + options)
    #expect(result.status == 0 && result.errors == [], "\(result.messages)")
    let events = try AdapterEvents(result)
    try events.expectSums(of: "resize", output)
    let done = try events.one("adapter_done")
    let shapes = Dictionary(uniqueKeysWithValues: try readTensors(output).map { ($0.name, $0.shape) })
    var (kept, total) = (0.0, 0.0)
    let factors = AdapterEvents.list(done["factors"])
    #expect(factors.count == 14)
    for factor in factors {
      let module = try #require(AdapterEvents.text(factor["module"]))
      let rank = try #require(AdapterEvents.number(factor["rank"]).map { Int($0) })
      #expect(ranks.contains(rank) && shapes["base_model.model.\(module).lora_A.weight"]?.first == rank, "\(module)")
      let (share, norm) = (
        try #require(AdapterEvents.number(factor["share"])), try #require(AdapterEvents.number(factor["norm"]))
      )
      let squares = AdapterEvents.list(factor["singular_values"]).compactMap(AdapterEvents.number).map { $0 * $0 }
      let sum = squares.reduce(0, +)
      #expect(squares.count == 4 && abs(sum - norm * norm) < 1e-9 * sum, "\(module)")
      #expect(abs(squares.prefix(rank).reduce(0, +) - share * sum) < 1e-9 * sum, "\(module)")
      if options.first == "--energy", options.count == 2 {
        #expect(share >= 0.8 && (rank == 1 || squares.prefix(rank - 1).reduce(0, +) < 0.8 * sum), "\(module)")
      }
      if options.first == "--sv-ratio" { #expect(squares.count { 4 * $0 > squares[0] } == rank, "\(module)") }
      kept += share * norm * norm
      total += norm * norm
    }
    #expect(abs((AdapterEvents.number(done["share"]) ?? 0) - kept / total) < 1e-12)
  }

  @Test func aFileBecomesAFile() throws {
    let output = scratch.file("smaller.safetensors")
    let result = try Program.run(["resize", "--json", Self.file, "-o", output, "--rank", "1"])
    #expect(result.status == 0, "\(result.messages)")
    let events = try AdapterEvents(result)
    try events.expectSums(of: "resize", output)
    let (before, after) = (try readTensors(Self.file), try readTensors(output))
    #expect(Set(before.map(\.name)) == Set(after.map(\.name)))
    let dtypes = Dictionary(uniqueKeysWithValues: before.map { ($0.name, $0.dtype) })
    for tensor in after {
      #expect(tensor.dtype == dtypes[tensor.name], "\(tensor.name)")
      if tensor.name.hasSuffix(".lora_down.weight") { #expect(tensor.shape[0] == 1) }
      if tensor.name.hasSuffix(".lora_up.weight") { #expect(tensor.shape[1] == 1) }
    }
    #expect(try scratch.entries() == ["smaller.safetensors"])
  }

  @Test func factorsAreRoundedToTheDType() throws {
    for (options, dtype) in [([], DType.f32), (["--dtype", "bf16"], .bf16), (["--dtype", "float16"], .f16)] {
      let output = scratch.file("smaller-\(options.joined())")
      #expect(try Program.run(["resize", "-q", Self.folder, "-o", output, "--rank", "2"] + options).status == 0)
      #expect(Set(try readTensors(output).map(\.dtype)) == [dtype])
    }
  }

  @Test func aDryRunWritesNothing() throws {
    for options in [[], ["-o", scratch.file("smaller")], ["-o", scratch.file("smaller"), "--json"]] {
      let result = try Program.run(["resize", "-n", Self.folder, "--rank", "2"] + options)
      #expect(result.status == 0 && result.errors == [], "\(result.messages)")
      if options.last == "--json" {
        let events = try AdapterEvents(result)
        #expect(events.names == ["start", "adapter_plan", "adapter_done"])
        #expect(events.all[1]["modules"] == .integer(14) && events.all[2]["tensors"] == .integer(0))
        #expect(events.all.dropFirst().allSatisfy { $0["dry_run"] == .bool(true) })
      } else {
        #expect(result.lines == ["adapter   \(Self.folder)   14 modules"])
      }
      #expect(try scratch.entries() == [])
    }
  }

  @Test func anOutputThatExistsIsReplacedOnlyByForce() throws {
    for (input, name) in [(Self.folder, "smaller"), (Self.file, "smaller.safetensors")] {
      let output = scratch.file(name)
      func bytes(_ path: String) throws -> [String: [UInt8]] {
        try input == Self.folder ? tree(path) : ["": contents(path)]
      }
      #expect(try Program.run(["resize", "-q", input, "-o", output, "--rank", "2"]).status == 0)
      let first = try bytes(output)
      let taken = try Program.run(["resize", input, "-o", output, "--rank", "1"])
      #expect(expectRefusal(taken, status: 5).contains("--force"))
      #expect(try bytes(output) == first)
      #expect(try Program.run(["resize", "-q", input, "-f", "-o", output, "--rank", "1"]).status == 0)
      let other = scratch.file("other-" + name)
      #expect(try Program.run(["resize", "-q", input, "-o", other, "--rank", "1"]).status == 0)
      #expect(try bytes(output) == bytes(other))
    }
    #expect(try scratch.entries().allSatisfy { !$0.hasPrefix(".") })
  }

  @Test(arguments: [
    ([], "--rank, --energy or --sv-ratio"), (["--rank", "0"], "for --rank: expected at least 1"),
    (["--rank", "1.5"], "for --rank"), (["--energy", "-0.1"], "--energy"),
    (["--energy", "2"], "for --energy: expected a share"),
    (["--sv-ratio", "0"], "for --sv-ratio: expected a number of at least 1"),
    (["--max-rank", "2"], "--max-rank goes with"),
    (["--rank", "2", "--max-rank", "4"], "--max-rank goes with"),
    (["--rank", "2", "--energy", "0.5"], "exclude each other"),
    (["--energy", "0.5", "--sv-ratio", "2"], "exclude each other"), (["--rank", "2", "--dtype", "f64"], "for --dtype"),
    (["--rank", "2", "-j", "-1"], "-j"), (["--rank", "2", "--base", "x"], "unknown option --base for resize"),
  ])
  func aValueWithoutMeaningIsRefused(options: [String], text: String) throws {
    let result = try Program.run(["resize", Self.folder, "-o", scratch.file("smaller")] + options)
    #expect(
      expectRefusal(result, status: 2).contains("[usage]") && result.messages.contains(text), "\(result.messages)")
    #expect(try scratch.entries() == [])
  }

  @Test func theOutputIsOfTheKindOfTheInput() throws {
    for (input, name, text) in [
      (Self.folder, "smaller.safetensors", "the adapter is a folder, so the output is one"),
      (Self.file, "smaller", "the adapter is one file, so the output is one"),
    ] {
      let result = try Program.run(["resize", input, "-o", scratch.file(name), "--rank", "1"])
      #expect(expectRefusal(result, status: 2).contains(text))
      let missing = try Program.run(["resize", input, "--rank", "1"])
      #expect(expectRefusal(missing, status: 2).contains("missing required option --output (-o)"))
    }
    #expect(try scratch.entries() == [])
  }

  /// Every refusal names the file, and leaves nothing.
  @Test func whatIsRefusedWritesNothing() throws {
    let base = basePath("llama-bf16")
    let cut = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "cut")
    let weights = cut + "/adapter_model.safetensors"
    try write(contents(weights).dropLast(10), to: weights)
    let cases: [(adapter: String, status: Int32, class: String)] = [
      (base, 3, "not-found"), (Self.folder + "x", 4, "not-found"), (cut, 3, "truncated"),
      (adapterPath("experts-f32"), 3, "unsupported"), (adapterPath("init-pissa-f32"), 3, "unsupported"),
      (adapterPath("loha-linear-f32"), 3, "unsupported"), (adapterPath("lora-bias-f32"), 3, "unsupported"),
    ]
    let before = try tree(scratch.path)
    for item in cases {
      for options in [[], ["--json"]] {
        let result = try Program.run(
          ["resize", item.adapter, "-o", scratch.file("smaller"), "--rank", "2"] + options)
        #expect(result.status == item.status, "\(item) \(result.messages)")
        #expect(result.messages.contains("error: \(item.adapter)"), "\(result.messages)")
        if !options.isEmpty { try AdapterEvents(result).expectRefusal(result, class: item.class) }
        #expect(try tree(scratch.path) == before)
      }
    }
    let same = try Program.run(["resize", cut, "-o", cut, "--rank", "2", "--force"])
    expectRefusal(same, status: 3)
    let input = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "input")
    let all = try tree(scratch.path)
    for output in ["input", "input/inside"] {
      let result = try Program.run(["resize", input, "-o", scratch.file(output), "--rank", "2", "--force"])
      #expect(expectRefusal(result, status: 5).contains("[output-is-input]"))
      #expect(try tree(scratch.path) == all)
    }
  }
}
