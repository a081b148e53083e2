import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge convert`: what it prints, its events, its options, and what it refuses.
@Suite struct ConvertCommandTests {
  private static let mlx = fixturesPath() + "/mlx/lora/adapter"
  private static let peft = adapterPath("linear-f32")
  private static let images = fixturesPath() + "/image/cases/"
  private static let flux = images + "flux-kohya-folder/adapter.safetensors"
  private static let fluxBase = images + "bases/flux-folder"
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  /// An adapter, the dialects in which it goes there and back, and its base.
  static let ways: [(adapter: String, dialects: [String], base: String?)] = [
    (mlx, ["peft", "mlx"], nil), (peft, ["mlx", "peft"], nil),
    (flux, ["comfyui", "diffusers", "kohya"], fluxBase),
    (
      images + "sdxl-kohya-sgm-folder/adapter.safetensors", ["diffusers", "comfyui", "kohya"],
      images + "bases/sdxl-folder"
    ),
  ]

  private func output(_ dialect: String, _ name: String) -> String {
    scratch.file("\(name)-\(dialect)" + (["peft", "mlx"].contains(dialect) ? "" : ".safetensors"))
  }

  @Test(arguments: ways)
  func theEventsAddUpThereAndBack(adapter: String, dialects: [String], base: String?) throws {
    var path = adapter
    var outputs: [String] = []
    for (number, dialect) in dialects.enumerated() {
      let output = output(dialect, "\(number)")
      let result = try Program.run(
        ["convert", path, "--to", dialect, "--json", "-o", output] + (base.map { ["--base", $0] } ?? []))
      #expect(result.status == 0, "\(result.messages)")
      let events = try AdapterEvents(result)
      let plan = try events.one("adapter_plan")
      #expect(plan["adapter"] == .string(path) && plan["to"] == .string(dialect))
      let copied = try #require(AdapterEvents.number(plan["copied"]).map { Int($0) })
      try events.expectSums(of: "convert", output)
      let names = try readTensors(output).map(\.name)
      let modules = events.named("module").compactMap { AdapterEvents.text($0["name"]) }
      // A module is named as in the output; what is only copied is not made.
      #expect(modules.allSatisfy { module in names.contains { $0.contains(module + ".") } }, "\(modules)")
      #expect(copied <= names.count && (copied < names.count) == !modules.isEmpty)
      outputs.append(output)
      path = output
    }
    // Once more through all dialects: the same bytes.
    let last = try #require(outputs.last)
    for (number, dialect) in dialects.enumerated() {
      let output = output(dialect, "again-\(number)")
      let result = try Program.run(
        ["convert", "-q", path, "--to", dialect, "-o", output] + (base.map { ["--base", $0] } ?? []))
      #expect(result.status == 0, "\(result.messages)")
      path = output
    }
    #expect(try tensorBytes(path) == tensorBytes(last) && !tensorBytes(last).isEmpty)
    #expect(try scratch.entries().allSatisfy { !$0.hasPrefix(".") })
  }

  @Test func theTextSaysWhatWasMade() throws {
    let output = output("mlx", "adapter")
    let result = try Program.run(["convert", Self.peft, "--to", "mlx", "-o", output])
    #expect(result.status == 0 && result.output == [], "\(result.messages)")
    let lines = result.messageLines
    #expect(
      lines.prefix(2) == [
        "adapter   \(Self.peft)   14 modules", "convert   14 modules to MLX: 0 tensors copied, 28 in another form",
      ])
    #expect(lines.last?.hasPrefix("done      \(output)   28 tensors, ") == true)
    #expect(try scratch.entries(".").filter { $0.hasPrefix("adapter") } == ["adapter-mlx"])
    for options in [["-q"], ["-v"], ["-j", "1"], ["--json"]] {
      let other = scratch.file(options.joined())
      let quiet = try Program.run(["convert", Self.peft, "--to", "mlx", "-o", other] + options)
      #expect(quiet.status == 0)
      #expect(quiet.messages.isEmpty == ["-q", "--json"].contains(options[0]))
      #expect(try tree(other) == tree(output), "\(options)")
    }
  }

  @Test func aDryRunWritesNothing() throws {
    for options in [[], ["-o", scratch.file("adapter")], ["-o", scratch.file("adapter"), "--json"]] {
      let result = try Program.run(["convert", "-n", Self.mlx, "--to", "peft"] + options)
      #expect(result.status == 0 && result.errors == [], "\(result.messages)")
      if options.last == "--json" {
        let events = try AdapterEvents(result)
        #expect(events.names == ["start", "adapter_plan", "adapter_done"])
        #expect(events.all.dropFirst().allSatisfy { $0["dry_run"] == .bool(true) })
      } else {
        #expect(result.lines.count == 2 && result.lines[1].hasPrefix("convert   "))
      }
      #expect(try scratch.entries() == [])
    }
  }

  @Test func anOutputThatExistsIsReplacedOnlyByForce() throws {
    let output = scratch.file("adapter")
    #expect(try Program.run(["convert", "-q", Self.mlx, "--to", "peft", "-o", output]).status == 0)
    let first = try tree(output)
    let taken = try Program.run(["convert", Self.peft, "--to", "mlx", "-o", output])
    #expect(expectRefusal(taken, status: 5).contains("--force"))
    #expect(try tree(output) == first)
    #expect(try Program.run(["convert", "-q", Self.peft, "--to", "mlx", "-o", output, "--force"]).status == 0)
    #expect(try Program.run(["convert", "-q", Self.peft, "--to", "mlx", "-o", scratch.file("other")]).status == 0)
    #expect(try tree(output) == tree(scratch.file("other")))
    // A file never takes the place of a folder.
    let file = scratch.file("adapter.safetensors")
    _ = try scratch.folder("adapter.safetensors")
    let result = try Program.run(
      ["convert", Self.flux, "--to", "diffusers", "--base", Self.fluxBase, "-o", file, "--force"])
    #expect(expectRefusal(result, status: 5).contains("[output-exists]"))
    #expect(try scratch.entries() == ["adapter", "adapter.safetensors", "other"])
  }

  @Test(arguments: [
    ("peft", "adapter.safetensors", "an adapter of PEFT is a folder"),
    ("mlx", "adapter.safetensors", "an adapter of MLX is a folder"),
    ("diffusers", "adapter", "an adapter of diffusers is one file"),
    ("kohya", "adapter.bin", "an adapter of kohya is one file"),
    ("comfyui", "adapter", "an adapter of ComfyUI is one file"),
  ])
  func theDialectDecidesTheKindOfTheOutput(dialect: String, name: String, text: String) throws {
    for options in [[], ["-n"]] {
      let result = try Program.run(["convert", Self.peft, "--to", dialect, "-o", scratch.file(name)] + options)
      #expect(expectRefusal(result, status: 2).contains(text))
      #expect(result.messages.contains("  hint: give --output a name "))
    }
    #expect(try scratch.entries() == [])
  }

  @Test(arguments: [
    ([], "--to"), (["--to", "all"], "values: peft, diffusers, kohya, comfyui, mlx, lora"),
    (["--to"], "--to"), (["--to", "lora"], "--base"),
    (["--to", "lora", "--base", "b"], "--rank, --energy or --sv-ratio"),
    (["--to", "mlx", "--dtype", "float16"], "--dtype"), (["--to", "peft", "--seed", "1"], "--seed"),
    (["--to", "mlx", "--rank", "4"], "--rank"), (["--to", "mlx", "-j", "0"], "--jobs"),
    (["--to", "kohya.ss"], "invalid value \"kohya.ss\" for --to"),
  ])
  func aValueWithoutMeaningIsRefused(options: [String], text: String) throws {
    let result = try Program.run(["convert", Self.peft, "-o", scratch.file("adapter")] + options)
    #expect(expectRefusal(result, status: 2).contains(text), "\(result.messages)")
    #expect(try scratch.entries() == [])
  }

  /// Every refusal names the file, and leaves nothing.
  @Test func whatIsRefusedWritesNothing() throws {
    let text = basePath("llama-bf16")
    let tucker = Self.images + "sd1-locon-tucker/adapter.safetensors"
    let cases: [(adapter: String, to: String, base: String?, status: Int32, class: String, file: String)] = [
      (Self.peft, "kohya", nil, 3, "base", Self.peft), (Self.peft, "kohya", text, 3, "base", Self.peft),
      (Self.flux, "diffusers", nil, 3, "base", Self.flux), (Self.flux, "peft", text, 3, "base", Self.flux),
      (tucker, "diffusers", Self.images + "bases/sd1-folder", 3, "not-convertible", tucker),
      (Self.flux, "kohya", Self.images + "bases/sdxl-folder", 3, "no-target", Self.flux),
      (adapterPath("experts-f32"), "mlx", nil, 3, "not-convertible", adapterPath("experts-f32")),
      (adapterPath("patterns-f32"), "mlx", nil, 3, "not-convertible", adapterPath("patterns-f32")),
      (text, "mlx", nil, 3, "not-found", text), (Self.peft + "x", "mlx", nil, 4, "not-found", Self.peft + "x"),
      (Self.peft, "mlx", text + "x", 4, "not-found", text + "x"),
    ]
    for item in cases {
      let isFolder = ["peft", "mlx"].contains(item.to)
      let arguments = ["convert", item.adapter, "--to", item.to] + (item.base.map { ["--base", $0] } ?? [])
      for options in [["-n"], [], ["--json"]] {
        let result = try Program.run(
          arguments + ["-o", scratch.file("adapter" + (isFolder ? "" : ".safetensors"))] + options)
        #expect(result.status == item.status, "\(item) \(result.messages)")
        #expect(result.messages.contains("error: \(item.file)"), "\(result.messages)")
        if options == ["--json"] { try AdapterEvents(result).expectRefusal(result, class: item.class) }
        #expect(try scratch.entries() == [])
      }
    }
  }

  @Test func anInputIsNeverReplaced() throws {
    let input = try copyOfFixture("mlx/lora/adapter", in: scratch, as: "input")
    let before = try tree(scratch.path)
    for output in ["input", "input/peft"] {
      let result = try Program.run(["convert", input, "--to", "peft", "-o", scratch.file(output), "--force"])
      #expect(expectRefusal(result, status: 5).contains("[output-is-input]"))
      #expect(try tree(scratch.path) == before)
    }
  }

  /// A LoHa of rank 4 is a sum of products of rank 16 at the most: nothing is lost.
  @Test func aLoRAIsComputed() throws {
    let base = basePath("tiny-llama-f32")
    let adapter = fixturesPath() + "/loha/linear/f32/adapter"
    let output = scratch.file("lora")
    let arguments = ["convert", adapter, "--to", "lora", "--base", base, "--rank", "16", "-o", output]
    let dry = try Program.run(arguments + ["--dry-run"])
    #expect(try dry.status == 0 && dry.lines.count > 3 && scratch.entries() == [], "\(dry.messages)")
    let events = try AdapterEvents(Program.run(arguments + ["--json"]))
    let plan = try events.one("adapter_plan")
    #expect(plan["to"] == .string("lora") && plan["base"] == .string(base) && plan["new_modules"] == .array([]))
    #expect(plan["left_out"] == .array([]))
    try events.expectSums(of: "convert", output)
    let share = try #require(AdapterEvents.number(events.all.last?["share"]))
    #expect(share > 1 - 1e-9 && share <= 1)
    let again = scratch.file("again")
    let text = try Program.run(arguments.dropLast() + [again])
    #expect(text.status == 0 && text.messageLines.contains { $0.hasPrefix("factors   ") && $0.contains("100.000 %") })
    #expect(try tree(again) == tree(output))
    // Killed or not, other options are other work.
    let other = try Program.run(arguments.dropLast(4) + ["--energy", "0.5", "--dtype", "bfloat16", "-o", output])
    #expect(other.status == 5)
  }

  /// Differences of biases are added as they are, whatever the scaling of the factors beside them.
  @Test(arguments: [
    ("wan-comfy-diff-folder", "wan-folder"), ("pixart-comfy-folder", "pixart-folder"),
    ("flux-comfy-dotted-text-encoders", "flux-comfy.safetensors"),
  ])
  func differencesOfBiasesStay(name: String, baseName: String) throws {
    let adapter = Self.images + "\(name)/adapter.safetensors"
    let base = Self.images + "bases/" + baseName
    let expected = scratch.file("expected" + (baseName.hasSuffix("folder") ? "" : ".safetensors"))
    #expect(try Program.run(["merge", "-q", base, adapter, "-o", expected]).status == 0)
    for dialect in ["comfyui", "kohya"] {
      let converted = output(dialect, "converted")
      let result = try Program.run(["convert", "-q", adapter, "--to", dialect, "--base", base, "-o", converted])
      #expect(result.status == 0, "\(result.messages)")
      let merged = scratch.file(dialect + (baseName.hasSuffix("folder") ? "" : ".safetensors"))
      #expect(try Program.run(["merge", "-q", base, converted, "-o", merged]).status == 0)
      #expect(try tensorBytes(merged) == tensorBytes(expected))
    }
  }

  /// A classifier's adapter stays one, whatever the base's class is.
  @Test func theTaskOfALoRAIsTheAdapters() throws {
    let output = scratch.file("lora")
    let arguments = ["convert", adapterPath("bias-all-head-f32"), "--to", "lora", "--base", basePath("tiny-bert-f32")]
    let result = try Program.run(arguments + ["-r", "64", "-q", "-o", output])
    #expect(result.status == 0, "\(result.messages)")
    let text = try contents(output + "/adapter_config.json")
    #expect(try JSONParser.parse(text.span)["task_type"] == .string("SEQ_CLS"))
    let merged = try Program.run(
      ["merge", "-q", basePath("tiny-bert-f32"), output, "--add-tensors", "-o", scratch.file("merged")])
    #expect(merged.status == 0, "\(merged.messages)")
  }
}
