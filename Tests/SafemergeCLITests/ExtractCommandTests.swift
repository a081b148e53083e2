import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge extract`: what it prints, its events, its options, and what it refuses.
@Suite struct ExtractCommandTests {
  private static let base = basePath("llama-bf16-sharded")
  /// The adapter that is in the tuned model: 14 of its 16 matrices.
  private static let adapter = adapterPath("linear-bf16")
  private let scratch: Scratch
  private let tuned: String

  init() throws {
    scratch = try Scratch()
    tuned = scratch.file("tuned")
    let result = try Program.run(["merge", "-q", Self.base, Self.adapter, "-o", tuned])
    try #require(result.status == 0, "\(result.messages)")
  }

  private func extract(_ arguments: [String], shell: String? = nil) throws -> Program.Result {
    try Program.run(["extract", Self.base, tuned] + arguments, shell: shell)
  }

  @Test func theTextSaysWhatWasMade() throws {
    let output = scratch.file("adapter")
    let result = try extract(["-o", output, "--rank", "4"])
    #expect(result.status == 0 && result.output == [], "\(result.messages)")
    let lines = result.messageLines
    #expect(lines.prefix(3) == ["base      \(Self.base)", "tuned     \(tuned)", "extract   16 modules"])
    let factors = try #require(lines.first { $0.hasPrefix("factors   ") })
    #expect(factors.wholeMatch(of: /factors   14 modules, rank 4, 99\.\d{3} % of the squared norm kept/) != nil)
    #expect(lines.contains { $0.wholeMatch(of: /least     model\.layers\.\S+   rank 4, 99\.\d{3} % kept/) != nil })
    #expect(lines.last?.hasPrefix("done      \(output)   28 tensors, ") == true)
    #expect(lines.last?.contains("peak memory ") == true)
    #expect(try scratch.entries() == ["adapter", "tuned"])
    // Everything but the adapter is the same with every kind of display.
    for (name, options) in [("quiet", ["-q"]), ("verbose", ["-v"]), ("json", ["--json"])] {
      let other = try extract(["-o", scratch.file(name), "--rank", "4"] + options)
      #expect(other.status == 0)
      #expect((name == "quiet") == (other.messages.isEmpty && other.text.isEmpty) || name == "json")
      #expect(other.messageLines.contains { $0.hasPrefix("matrix    ") } == (name == "verbose"))
      #expect(try tree(scratch.file(name)) == tree(output), "\(name)")
    }
  }

  @Test(arguments: [["--rank", "4"], ["--energy", "0.7"], ["--sv-ratio", "1.5", "--max-rank", "2"], ["-j", "1"]])
  func theEventsAddUp(options: [String]) throws {
    let output = scratch.file("adapter")
    let result = try extract(["--json", "-o", output] + options)
    #expect(result.status == 0 && result.errors == [], "\(result.messages)")
    let events = try AdapterEvents(result)
    try events.expectSums(of: "extract", output)
    #expect(Set(events.names) == ["start", "adapter_plan", "module", "adapter_done"])
    let plan = try events.one("adapter_plan")
    #expect(plan["base"] == .string(Self.base) && plan["tuned"] == .string(tuned))
    #expect(plan["left_out"] == .array([]) && plan["unselected"] == .array([]))
    let done = try events.one("adapter_done")
    let factors = AdapterEvents.list(done["factors"])
    #expect(factors.count == 14)
    var (kept, total) = (0.0, 0.0)
    for factor in factors {
      let (rank, share) = try check(factor, output)
      let norm = try #require(AdapterEvents.number(factor["norm"]))
      if options.contains("--max-rank") { #expect(rank <= 2) }
      if options == ["--energy", "0.7"] { #expect(share >= 0.7 && rank < 4) }
      kept += share * norm * norm
      total += norm * norm
    }
    let share = try #require(AdapterEvents.number(done["share"]))
    #expect(abs(share - kept / total) < 1e-12)
  }

  /// Compares what is said of a module with its factors and the models, in double.
  private func check(_ factor: JSONValue, _ adapter: String) throws -> (rank: Int, share: Double) {
    let module = try #require(AdapterEvents.text(factor["module"]))
    let file = try SafetensorsFile(path: adapter + "/adapter_model.safetensors")
    let (a, b) = (
      try values("base_model.model.\(module).lora_A.weight", file),
      try values("base_model.model.\(module).lora_B.weight", file)
    )
    let rank = try #require(AdapterEvents.number(factor["rank"]).map { Int($0) })
    let (before, after) = (try weight(module, of: Self.base), try weight(module, of: tuned))
    let (rows, columns) = (b.count / rank, a.count / rank)
    try #require(rows * columns == before.count && before.count == after.count, "\(module)")
    var (error, norm) = (0.0, 0.0)
    for row in 0..<rows {
      for column in 0..<columns {
        let change = after[row * columns + column] - before[row * columns + column]
        let product = (0..<rank).reduce(0) { $0 + b[row * rank + $1] * a[$1 * columns + column] }
        norm += change * change
        error += (change - product) * (change - product)
      }
    }
    let share = try #require(AdapterEvents.number(factor["share"]))
    #expect(abs((1 - error / norm) - share) < 1e-5, "\(module)")
    #expect(abs((AdapterEvents.number(factor["norm"]) ?? 0) - norm.squareRoot()) < 1e-6 * norm.squareRoot())
    let squares = AdapterEvents.list(factor["singular_values"]).compactMap(AdapterEvents.number).map { $0 * $0 }
    #expect(squares.count == min(rows, columns) && squares == squares.sorted(by: >))
    #expect(abs(squares.reduce(0, +) - norm) < 1e-6 * norm)
    #expect(abs(squares.prefix(rank).reduce(0, +) - share * norm) < 1e-6 * norm)
    return (rank, share)
  }

  private func values(_ name: String, _ file: SafetensorsFile) throws -> [Double] {
    try file.floats(TensorName(name)).map(Double.init)
  }

  private func weight(_ module: String, of model: String) throws -> [Double] {
    for name in try FileManager.default.contentsOfDirectory(atPath: model) where name.hasSuffix(".safetensors") {
      let file = try SafetensorsFile(path: model + "/" + name)
      let wanted = TensorName(module + ".weight")
      if file.header.tensors.contains(where: { $0.name == wanted }) { return try values(module + ".weight", file) }
    }
    return []
  }

  @Test func factorsAreRoundedToTheDType() throws {
    for (options, dtype) in [
      ([], DType.f32), (["--dtype", "auto"], .bf16), (["--dtype", "bf16"], .bf16), (["--dtype", "float16"], .f16),
    ] {
      let output = scratch.file("adapter-\(options.joined())")
      #expect(try extract(["-q", "-o", output, "--rank", "2"] + options).status == 0)
      #expect(Set(try readTensors(output).map(\.dtype)) == [dtype])
    }
  }

  @Test func aPatternSelectsModules() throws {
    let output = scratch.file("adapter")
    let result = try extract([
      "--json", "-o", output, "--rank", "2", "--target", "layers\\.1\\.", "--exclude", "mlp|k_proj$",
    ])
    #expect(result.status == 0, "\(result.messages)")
    let events = try AdapterEvents(result)
    try events.expectSums(of: "extract", output)
    let names = Set(events.named("module").compactMap { AdapterEvents.text($0["name"]) })
    #expect(names == Set(["q_proj", "v_proj", "o_proj"].map { "model.layers.1.self_attn.\($0)" }))
    let unselected = AdapterEvents.list(try events.one("adapter_plan")["unselected"]).compactMap(AdapterEvents.text)
    #expect(unselected.count == 13 && names.isDisjoint(with: unselected))
    let text = try extract(["-n", "--target", "layers\\.1\\.", "--exclude", "mlp|k_proj$"])
    #expect(text.lines.contains("extract   3 modules, 13 modules not selected"), "\(text.text)")
  }

  @Test func whatAnAdapterCannotHoldIsListed() throws {
    // A norm is only in the base.
    let lacking = try scratch.folder("lacking")
    let tensors = try readTensors(tuned).filter { $0.name != "model.norm.weight" }
    try writeFile(lacking + "/model.safetensors", tensors)
    let arguments = ["extract", Self.base, lacking, "-o", scratch.file("adapter"), "--rank", "2"]
    let refused = try Program.run(arguments)
    #expect(expectRefusal(refused, status: 3).contains("model.norm.weight: the tuned model does not have this tensor"))
    #expect(refused.messages.contains("--skip-other"))
    #expect(try scratch.entries() == ["lacking", "tuned"])
    let result = try Program.run(arguments + ["--skip-other", "--json", "-q"])
    #expect(result.status == 0)
    let events = try AdapterEvents(result)
    #expect(try events.one("adapter_plan")["left_out"] == .array([.string("model.norm.weight")]))
    let warning = AdapterEvents.text(try events.one("warning")["message"])
    #expect(warning?.hasSuffix("cannot hold the change: model.norm.weight") == true)
    #expect(result.messages == "warning: \(warning ?? "")\n")
  }

  @Test func aDryRunWritesNothing() throws {
    for options in [[], ["-o", scratch.file("adapter")], ["-o", scratch.file("adapter"), "--json"]] {
      let result = try extract(["-n", "--rank", "4"] + options)
      #expect(result.status == 0 && result.errors == [], "\(result.messages)")
      if options.last == "--json" {
        let events = try AdapterEvents(result)
        #expect(events.names == ["start", "adapter_plan", "adapter_done"])
        #expect(events.all.dropFirst().allSatisfy { $0["dry_run"] == .bool(true) })
        #expect(events.all[2]["bytes"] == .integer(0))
      } else {
        #expect(result.lines.count { $0.hasPrefix("matrix    ") } == 16)
      }
      #expect(try scratch.entries() == ["tuned"])
    }
  }

  @Test func anOutputThatExistsIsReplacedOnlyByForce() throws {
    let output = scratch.file("adapter")
    #expect(try extract(["-q", "-o", output, "--rank", "2"]).status == 0)
    let first = try tree(output)
    let taken = try extract(["-o", output, "--rank", "3"])
    #expect(expectRefusal(taken, status: 5).contains("already exists [output-exists]\n  hint: choose another name, or"))
    let dry = try extract(["-n", "-o", output, "--rank", "3"])
    expectRefusal(dry, status: 5)
    #expect(try tree(output) == first)
    #expect(try extract(["-q", "--force", "-o", output, "--rank", "3"]).status == 0)
    #expect(try extract(["-q", "-o", scratch.file("other"), "--rank", "3"]).status == 0)
    #expect(try tree(output) == tree(scratch.file("other")))
    #expect(try scratch.entries() == ["adapter", "other", "tuned"])
  }

  /// PEFT and mlx-lm write no record of the files.
  @Test(arguments: ["lora/linear/bf16/adapter", "mlx/lora/adapter"])
  func forceReplacesTheAdapterOfAnotherProgram(name: String) throws {
    let output = try copyOfFixture(name, in: scratch, as: "adapter")
    let before = try tree(output)
    let taken = try extract(["-o", output, "--rank", "2"])
    #expect(expectRefusal(taken, status: 5).contains("replace it with --force"))
    #expect(try tree(output) == before)
    try scratch.write("mine", to: "adapter/notes.txt")
    #expect(expectRefusal(try extract(["-o", output, "-f"]), status: 5).contains("it holds \"notes.txt\""))
    try FileManager.default.removeItem(atPath: output + "/notes.txt")
    #expect(try tree(output) == before)
    #expect(try extract(["-q", "-o", output, "--rank", "2", "--force"]).status == 0)
    #expect(try readTensors(output).count == 28 && scratch.entries() == ["adapter", "tuned"])
  }

  @Test func otherFilesAreNeverReplaced() throws {
    try scratch.write("mine", to: "notes/notes.txt")
    try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: tuned)
    let before = try tree(scratch.path)
    for (output, status, errorClass) in [
      ("notes", Int32(5), "output-exists"), ("notes/notes.txt", 5, "output-exists"), ("link", 5, "output-is-input"),
      ("tuned", 5, "output-is-input"), ("tuned/inside", 5, "output-is-input"), ("missing/adapter", 4, "not-found"),
    ] {
      for options in [[], ["--force"]] {
        let result = try extract(["-o", scratch.file(output), "--json"] + options)
        #expect(result.status == status, "\(output) \(result.messages)")
        try AdapterEvents(result).expectRefusal(result, class: errorClass)
        #expect(try tree(scratch.path) == before)
      }
    }
  }

  @Test(arguments: [
    ["--rank", "0"], ["--rank", "-1"], ["--rank", "two"], ["--energy", "0"], ["--energy", "1.01"], ["--energy", "nan"],
    ["--sv-ratio", "0.9"], ["--sv-ratio", "inf"], ["--max-rank", "4"], ["--energy", "0.5", "--max-rank", "0"],
    ["--rank", "4", "--energy", "0.9"], ["--rank", "4", "--sv-ratio", "2"], ["--max-rank", "8", "--rank", "4"],
    ["--target", "("], ["--exclude", "["], ["--dtype", "int8"], ["--seed", "-1"], ["-j", "0"], ["--to", "mlx"],
  ])
  func aValueWithoutMeaningIsRefused(options: [String]) throws {
    let result = try extract(["-o", scratch.file("adapter")] + options)
    #expect(
      expectRefusal(result, status: 2).contains(options.suffix(2).first ?? "-") || result.messages.contains(options[0]))
    #expect(result.messages.contains("[usage]"))
    #expect(try scratch.entries() == ["tuned"])
  }

  @Test func theOutputIsAFolder() throws {
    for options in [["-o", scratch.file("adapter.safetensors")], []] {
      let result = try extract(options)
      #expect(expectRefusal(result, status: 2).contains(options.isEmpty ? "for example -o adapter" : "is a folder"))
    }
    #expect(try scratch.entries() == ["tuned"])
  }

  /// Every refusal names the file, and leaves nothing.
  @Test func whatIsRefusedWritesNothing() throws {
    let quantized = fixturesPath() + "/quantized/nf4/base"
    let other = basePath("gpt2-bf16")
    let cases: [(base: String, tuned: String, status: Int32, class: String, file: String)] = [
      (Self.base, Self.base, 3, "no-change", Self.base), (Self.base, tuned + "x", 4, "not-found", tuned + "x"),
      (Self.base, Self.adapter, 3, "no-weights", Self.adapter), (Self.adapter, tuned, 3, "no-weights", Self.adapter),
      (Self.base, other, 3, "unsupported", other),
      (quantized, quantized, 3, "no-change", quantized),
    ]
    for item in cases {
      for options in [["--rank", "2"], ["--rank", "2", "--json"]] {
        let result = try Program.run(["extract", item.base, item.tuned, "-o", scratch.file("adapter")] + options)
        #expect(result.status == item.status, "\(item) \(result.messages)")
        #expect(result.messages.contains("error: \(item.file)"), "\(result.messages)")
        if options.last == "--json" {
          let events = try AdapterEvents(result)
          try events.expectRefusal(result, class: item.class)
          #expect(AdapterEvents.text(events.all.last?["file"])?.hasPrefix(item.file) == true)
        }
        #expect(try scratch.entries() == ["tuned"])
      }
    }
    let target = try extract(["-o", scratch.file("adapter"), "--target", "nothing"])
    #expect(expectRefusal(target, status: 3).contains("no matrix is selected"))
    #expect(try scratch.entries() == ["tuned"])
  }

  @Test func nothingIsMadeIfEventsCannotBeWritten() throws {
    for stream in FileManager.default.fileExists(atPath: "/dev/full") ? [">/dev/full", ">&-"] : [">&-"] {
      let result = try extract(["--json", "-o", scratch.file("adapter")], shell: "exec \"$0\" \"$@\" \(stream)")
      #expect(expectRefusal(result, status: 4, stream).contains("standard output"))
      #expect(try scratch.entries() == ["tuned"])
    }
  }
}
