import Foundation
import Safetensors
import TestSupport
import Testing

/// `safemerge merge` that fails: one line, the right exit code, and nothing left behind.
@Suite struct RefusalTests {
  /// Runs a merge to a free name that is to fail.
  private func expectNothing(
    _ scratch: Scratch, base: String, adapter: String, status: Int32, names text: [String] = [],
    arguments: [String] = [], shell: String? = nil, location: SourceLocation = #_sourceLocation
  ) throws {
    let isFile = base.hasSuffix(".safetensors")
    let output = try scratch.folder("results") + (isFile ? "/merged.safetensors" : "/merged")
    let result = try Program.run(["merge", base, adapter, "-o", output] + arguments, shell: shell)
    let message: String
    if shell == nil {
      message = expectRefusal(result, status: status, location: location)
    } else {
      #expect(result.status == status, "\(result.messages)", sourceLocation: location)
      message = result.messages
    }
    for text in text { #expect(message.contains(text), "\(text): \(message)", sourceLocation: location) }
    #expect(try scratch.entries("results") == [], sourceLocation: location)
  }

  /// A copy of an adapter with its tensors changed.
  private func changed(
    _ name: String, in scratch: Scratch, fields: (String) -> String = { $0 }, _ change: ([TestTensor]) -> [TestTensor]
  ) throws -> String {
    let copy = scratch.file("adapter")
    try FileManager.default.copyItem(atPath: adapterPath(name), toPath: copy)
    let path = copy + "/adapter_model.safetensors"
    try writeFile(path, change(readTensors(path)))
    let config = String(decoding: try contents(copy + "/adapter_config.json"), as: UTF8.self)
    try write(Array(fields(config).utf8), to: copy + "/adapter_config.json")
    return copy
  }

  private static let target = "base_model.model.model.layers.0.self_attn.q_proj"

  @Test func renamedKeyIsRefused() throws {
    for (old, new, text) in [
      ("q_proj", "q_prj", "nearest: model.layers.0.self_attn.q_proj.weight"),
      ("model.layers.0", "model.layers.7", "model.layers.7.self_attn.q_proj.weight"),
    ] {
      let scratch = try Scratch()
      // Both nibbles: the pair is whole, but the module is not in the base.
      let adapter = try changed("linear-bf16", in: scratch) { tensors in
        tensors.map { tensor in
          guard tensor.name.hasPrefix(Self.target) else { return tensor }
          let name = tensor.name.replacingOccurrences(of: old, with: new)
          return TestTensor(name, tensor.dtype, tensor.shape, bytes: tensor.bytes)
        }
      }
      try expectNothing(
        scratch, base: basePath("llama-bf16"), adapter: adapter, status: 3, names: [text, "[no-target]"])
    }
  }

  @Test func renamedFactorIsRefused() throws {
    let scratch = try Scratch()
    let adapter = try changed("linear-bf16", in: scratch) { tensors in
      tensors.map { tensor in
        tensor.name == Self.target + ".lora_A.weight"
          ? TestTensor(Self.target + "_.lora_A.weight", tensor.dtype, tensor.shape, bytes: tensor.bytes) : tensor
      }
    }
    try expectNothing(scratch, base: basePath("llama-bf16"), adapter: adapter, status: 3, names: ["q_proj", "[pair]"])
  }

  @Test func missingFactorIsRefused() throws {
    for half in ["lora_A", "lora_B"] {
      let scratch = try Scratch()
      let adapter = try changed("linear-bf16", in: scratch) { $0.filter { $0.name != "\(Self.target).\(half).weight" } }
      try expectNothing(
        scratch, base: llama, adapter: adapter, status: 3, names: ["\(Self.target).\(half).weight", "[pair]"])
    }
  }

  @Test func wrongBaseIsRefused() throws {
    for (base, adapter, text) in [
      (basePath("qwen2-bf16"), adapterPath("linear-bf16"), "[shape]"),
      (basePath("llama-bf16"), adapterPath("lora-bias-bf16"), "bases/qwen2"),
      (basePath("gpt2-bf16"), adapterPath("linear-bf16"), "[no-target]"),
      (basePath("qwen2-f32") + "/model.safetensors", adapterPath("linear-f32"), "bases/llama-f32"),
    ] { try expectNothing(try Scratch(), base: base, adapter: adapter, status: 3, names: [text]) }
  }

  @Test func wrongRankIsRefused() throws {
    for (rank, text) in [
      ("8", "expected rank 8 from \"r\", found 4"), ("0", "\"r\" is 0"), ("\"4\"", "\"r\" is \"4\""),
    ] {
      let scratch = try Scratch()
      let adapter = try changed(
        "linear-bf16", in: scratch, fields: { $0.replacingOccurrences(of: "\"r\": 4", with: "\"r\": \(rank)") }, { $0 })
      try expectNothing(scratch, base: basePath("llama-bf16"), adapter: adapter, status: 3, names: [text])
    }
  }

  /// What says why: the field of the config, or the tensor.
  @Test(arguments: [
    ("refused-alora-bf16", "alora_invocation_tokens"), ("refused-arrow-bf16", "arrow_config"),
    ("refused-qalora-bf16", "use_qalora"), ("refused-pissa-niter-bf16", "\"pissa_niter_4\""),
    ("refused-corda-bf16", "\"corda\""), ("refused-loftq-bf16", "\"loftq\""), ("refused-lora-ga-bf16", "\"lora_ga\""),
    ("conv-grouped-bf16", "grouped.weight"),
  ])
  func whatIsNotSupportedIsRefused(name: String, text: String) throws {
    let base = basePath(name.hasPrefix("conv") ? "tiny-conv-bf16" : "tiny-llama-bf16")
    try expectNothing(
      try Scratch(), base: base, adapter: adapterPath(name), status: 3,
      names: [adapterPath(name), text, "[unsupported]"])
  }

  /// A method that is not decoded keeps nobody from merging into modules of 16 bits; their config stays.
  @Test func otherModulesOfAQuantizedBaseAreMerged() throws {
    let scratch = try Scratch()
    let base = try copyOfFixture("bases/tiny-llama-bf16", in: scratch, as: "base")
    let config = String(decoding: try contents(base + "/config.json"), as: UTF8.self)
    let quantized = "{\"quantization_config\": {\"quant_method\": \"hqq\"}," + config.dropFirst()
    try write(Array(quantized.utf8), to: base + "/config.json")
    let result = try Program.run(["merge", "-q", base, adapterPath("keys-bf16"), "-o", scratch.file("merged")])
    #expect(result.status == 0, "\(result.text)")
    #expect(try contents(scratch.file("merged/config.json")) == Array(quantized.utf8))
  }

  @Test func unknownFieldIsRefused() throws {
    let scratch = try Scratch()
    let adapter = try changed(
      "linear-bf16", in: scratch, fields: { "{\"new\\u001b_field\": 1," + $0.dropFirst() }, { $0 })
    try expectNothing(
      scratch, base: llama, adapter: adapter, status: 3, names: ["new\\u{1b}_field", "[unknown-field]"])
  }

  @Test func overflowIsRefused() throws {
    for model in ["llama-f16", "llama-bf16"] {
      let scratch = try Scratch()
      let adapter = try changed("linear-bf16", in: scratch) { tensors in
        tensors.map { tensor in
          guard tensor.name.hasPrefix(Self.target + ".") else { return tensor }
          // 1e38, little-endian.
          let bytes = (0..<tensor.bytes.count).map { [0x99, 0x76, 0x96, 0x7e][$0 % 4] as UInt8 }
          return TestTensor(tensor.name, tensor.dtype, tensor.shape, bytes: bytes)
        }
      }
      try expectNothing(
        scratch, base: basePath(model), adapter: adapter, status: 3,
        names: ["model.layers.0.self_attn.q_proj.weight", "1,440 finite elements", "[nonfinite]"], arguments: ["-q"])
    }
  }

  @Test func pickleIsRefused() throws {
    let scratch = try Scratch()
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    try FileManager.default.moveItem(
      atPath: adapter + "/adapter_model.safetensors", toPath: adapter + "/adapter_model.bin")
    try expectNothing(scratch, base: basePath("llama-bf16"), adapter: adapter, status: 3, names: ["[pickle]"])
  }

  @Test func specialFilesAreRefused() throws {
    let scratch = try Scratch()
    try expectNothing(scratch, base: "/dev/zero", adapter: adapterPath("linear-bf16"), status: 3)
    let fifo = scratch.file("fifo.safetensors")
    #expect(mkfifo(fifo, 0o600) == 0)
    try expectNothing(scratch, base: fifo, adapter: adapterPath("linear-bf16"), status: 3)
    expectRefusal(try Program.run(["ls", fifo]), status: 3)
  }

  @Test func shardsOutsideTheFolderAreRefused() throws {
    for name in [
      "../model.safetensors", "/etc/x.safetensors", "a\\\\b.safetensors", "..", "", "x.bin", "a\\u0000.safetensors",
    ] {
      let scratch = try Scratch()
      let base = try scratch.folder("base")
      let index = "{\"weight_map\": {\"w\": \"\(name)\"}}"
      try write(Array(index.utf8), to: base + "/model.safetensors.index.json")
      try expectNothing(scratch, base: base, adapter: adapterPath("linear-bf16"), status: 3)
    }
  }

  @Test func linksToFilesElsewhereAreRefused() throws {
    let scratch = try Scratch()
    let base = try copyOfFixture("bases/llama-bf16", in: scratch, as: "base")
    try write(Array("secret".utf8), to: scratch.file("secret"))
    try FileManager.default.removeItem(atPath: base + "/tokenizer.json")
    try FileManager.default.createSymbolicLink(
      atPath: base + "/tokenizer.json", withDestinationPath: scratch.file("secret"))
    try expectNothing(
      scratch, base: base, adapter: adapterPath("linear-bf16"), status: 3, names: ["tokenizer.json", "[side-file]"])
  }

  // MARK: Input and output

  @Test func missingParentFolderIsAnOutputError() throws {
    let scratch = try Scratch()
    let result = try Program.run(
      ["merge", basePath("llama-bf16"), adapterPath("linear-bf16"), "-o", scratch.file("no/such/merged")])
    expectRefusal(result, status: 4)
    #expect(try scratch.entries() == [])
  }

  /// A limit on the size of files stands for a full disk.
  @Test(arguments: ["0", "1", "40", "92"]) func fullDiskIsAnOutputError(blocks: String) throws {
    let shell = "ulimit -f \(blocks); exec \"$0\" \"$@\""
    for base in [basePath("llama-f32"), basePath("llama-f32") + "/model.safetensors"] {
      let scratch = try Scratch()
      // The limit holds for the messages' file, too.
      let quiet = "{ \(shell); } 2>/dev/null"
      try expectNothing(scratch, base: base, adapter: adapterPath("linear-f32"), status: 4, shell: quiet)
    }
  }

  @Test func unreadableInputIsAnInputError() throws {
    let scratch = try Scratch()
    let base = scratch.file("loop.safetensors")
    try FileManager.default.createSymbolicLink(atPath: base, withDestinationPath: base)
    try expectNothing(scratch, base: base, adapter: adapterPath("linear-f32"), status: 4, names: ["[system]"])
  }

  /// A wrong path is the same mistake for the base as for the adapter.
  @Test func missingInputsHaveOneMessage() throws {
    let scratch = try Scratch()
    let none = scratch.file("none")
    let output = scratch.file("merged")
    let base = try Program.run(["merge", none, adapterPath("linear-bf16"), "-o", output])
    let adapter = try Program.run(["merge", llama, none, "-o", output])
    #expect(base.status == adapter.status)
    expectRefusal(base, status: base.status)
    expectRefusal(adapter, status: adapter.status)
    #expect(try scratch.entries() == [])
  }

  private var llama: String { basePath("llama-bf16") }

  @Test func fullOrClosedStandardOutputIsAnOutputError() throws {
    let commands = [
      ["ls", llama], ["ls", llama, "--format", "json"], ["ls", llama, "--summary"],
      ["merge", "-n", llama, adapterPath("linear-bf16")], ["--version"], ["--help"], ["help", "merge"],
    ]
    for stream in FileManager.default.fileExists(atPath: "/dev/full") ? [">/dev/full", ">&-"] : [">&-"] {
      for command in commands {
        let result = try Program.run(command, shell: "exec \"$0\" \"$@\" \(stream)")
        expectRefusal(result, status: 4, "\(command) \(stream)")
        #expect(result.messages.contains("standard output"))
      }
    }
  }

  @Test func closedPipeIsQuiet() throws {
    let shell = "{ \"$0\" \"$@\"; echo $? >&2; } | head -n 1"
    let scratch = try Scratch()
    let tensors = (0..<20_000).map { TestTensor("model.layers.\($0).weight", .u8, [0]) }
    let file = scratch.file("many.safetensors")
    try writeFile(file, tensors)
    let result = try Program.run(["ls", file, "--format", "names"], shell: "trap - PIPE; " + shell)
    #expect(result.output == Array("model.layers.0.weight\n".utf8))
    #expect(result.messages == "141\n")
  }

  // MARK: Output that exists

  private static func prepare(_ scratch: Scratch) throws -> (base: String, adapter: String) {
    let base = try copyOfFixture("bases/llama-bf16", in: scratch, as: "base")
    return (base, try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter"))
  }

  @Test func existingOutputIsReplacedByForceOnly() throws {
    let scratch = try Scratch()
    let (base, adapter) = try Self.prepare(scratch)
    let output = scratch.file("merged")
    #expect(try Program.run(["merge", base, adapter, "-o", output]).status == 0)
    let expected = try tree(output)
    try write([1], to: output + "/config.json")
    try write([1], to: output + "/model-00001-of-00002.safetensors")
    let before = try tree(output)
    expectRefusal(try Program.run(["merge", base, adapter, "-o", output]), status: 5)
    #expect(try tree(output) == before)
    let forced = try Program.run(["merge", base, adapter, "-o", output, "--force"])
    #expect(forced.status == 0, "\(forced.messages)")
    // Replaced, not merged into.
    #expect(try tree(output) == expected)
    #expect(try scratch.entries() == ["adapter", "base", "merged"])
  }

  @Test func failureLeavesWhatForceWouldReplace() throws {
    let scratch = try Scratch()
    let (base, _) = try Self.prepare(scratch)
    let output = try copyOfFixture("bases/llama-f32", in: scratch, as: "merged")
    let before = try tree(output)
    let entries = try scratch.entries()
    let arguments = ["merge", base, scratch.file("adapter"), "-o", output, "-f", "-q"]
    let result = try Program.run(arguments, shell: "{ ulimit -f 40; exec \"$0\" \"$@\"; } 2>/dev/null")
    #expect(result.status == 4)
    #expect(try tree(output) == before)
    #expect(try scratch.entries() == entries)
  }

  @Test func existingFileIsReplacedByForceOnly() throws {
    let scratch = try Scratch()
    let (base, adapter) = try Self.prepare(scratch)
    let output = scratch.file("merged.safetensors")
    try write([1, 2, 3], to: output)
    let arguments = ["merge", base + "/model.safetensors", adapter, "-o", output]
    expectRefusal(try Program.run(arguments), status: 5)
    #expect(try contents(output) == [1, 2, 3])
    #expect(try Program.run(arguments + ["-f"]).status == 0)
    #expect(try SafetensorsHeader(path: output).tensors.count == 21)
    #expect(try scratch.entries() == ["adapter", "base", "merged.safetensors"])
  }

  @Test func emptyFolderMayBeTheOutput() throws {
    let scratch = try Scratch()
    let output = try scratch.folder("merged")
    #expect(try Program.run(["merge", llama, adapterPath("linear-bf16"), "-o", output]).status == 0)
    #expect(try scratch.entries() == ["merged"])
    #expect(try scratch.entries("merged").contains("model.safetensors"))
  }

  /// `--force` never removes anything but a model.
  @Test(arguments: [
    ["notes.txt"], ["model.safetensors", "notes.txt"], ["model.safetensors", "src/main.c"], [".ssh/id"],
    ["2023_summer/photo.jpg"], ["model.safetensors", "2023_summer/photo.jpg"], ["tokenizer.model/photo.jpg"],
    ["model.safetensors", "additional_chat_templates/notes.txt"], ["LICENSE", "main.py"], ["README.md"],
  ])
  func forceReplacesModelsOnly(files: [String]) throws {
    let scratch = try Scratch()
    let output = try scratch.folder("mine")
    for file in files {
      if let slash = file.firstIndex(of: "/") { _ = try scratch.folder("mine/" + file[..<slash]) }
      try write([1], to: output + "/" + file)
    }
    let before = try tree(output)
    let result = try Program.run(["merge", llama, adapterPath("linear-bf16"), "-o", output, "--force"])
    expectRefusal(result, status: 5, "\(files)")
    #expect(try tree(output) == before, "\(files)")
    #expect(try scratch.entries() == ["mine"])
  }

  @Test func forceReplacesNoLinksAndNoOtherKinds() throws {
    let scratch = try Scratch()
    let (base, adapter) = try Self.prepare(scratch)
    let model = try copyOfFixture("bases/llama-f32", in: scratch, as: "model")
    try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: model)
    try FileManager.default.createSymbolicLink(atPath: scratch.file("dangling"), withDestinationPath: "nowhere")
    try write([1], to: scratch.file("file"))
    let before = try tree(scratch.path)
    for name in ["link", "link/", "dangling", "file"] {
      expectRefusal(try Program.run(["merge", base, adapter, "-f", "-o", scratch.file(name)]), status: 5, name)
    }
    #expect(try tree(scratch.path) == before)
    // A folder where a file is to be.
    let single = ["merge", base + "/model.safetensors", adapter, "-f", "-o"]
    _ = try scratch.folder("folder.safetensors")
    expectRefusal(try Program.run(single + [scratch.file("folder.safetensors")]), status: 5)
    #expect(try scratch.entries("folder.safetensors") == [])
  }

  @Test func outputOverAnInputIsRefused() throws {
    let scratch = try Scratch()
    let (base, adapter) = try Self.prepare(scratch)
    let link = scratch.file("link")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: base)
    let file = base + "/model.safetensors"
    let hard = scratch.file("hard.safetensors")
    try FileManager.default.linkItem(atPath: file, toPath: hard)
    let soft = scratch.file("soft.safetensors")
    try FileManager.default.createSymbolicLink(atPath: soft, withDestinationPath: file)
    let before = try tree(scratch.path)
    let folders = [
      base, base + "/", base + "/.", base + "/../base", scratch.path + "//base", "base", "./base", "adapter/../base",
      link, adapter, scratch.path, scratch.path + "/.", ".", base + "/inside", link + "/inside", adapter + "/inside",
      "base/./in",
    ]
    for output in folders {
      let result = try Program.run(["merge", base, adapter, "-f", "-o", output], folder: scratch.path)
      expectRefusal(result, status: 5, output)
    }
    let files = [
      file, "base/model.safetensors", "base//model.safetensors", "base/../base/model.safetensors",
      "link/model.safetensors", hard, soft, adapter + "/adapter_model.safetensors", "adapter/new.safetensors",
    ]
    for output in files {
      let result = try Program.run(["merge", file, adapter, "-f", "-o", output], folder: scratch.path)
      expectRefusal(result, status: 5, output)
    }
    #expect(try tree(scratch.path) == before)
  }

  @Test func outputNameFollowsTheBase() throws {
    let scratch = try Scratch()
    for (base, output) in [(llama, "merged.safetensors"), (llama + "/model.safetensors", "merged")] {
      let result = try Program.run(["merge", base, adapterPath("linear-bf16"), "-o", scratch.file(output)])
      expectRefusal(result, status: 3)
      #expect(result.messages.contains("[output-name]"))
    }
    #expect(try scratch.entries() == [])
  }

  // MARK: Usage

  @Test func wrongUsage() throws {
    let scratch = try Scratch()
    let model = ["merge", llama, adapterPath("linear-bf16")]
    let cases: [([String], [String: String])] = [
      (["frobnicate"], [:]), (["merge"], [:]), (["merge", llama], [:]), (model, [:]), (["ls"], [:]),
      (["ls", llama, "--format", "xml"], [:]), (["ls", llama, "--sort", "shape"], [:]),
      (["ls", llama, "--nothing"], [:]),
      (["ls", llama, "--summary", "--format", "json"], [:]), (model + ["-o", "x", "-q", "-v"], [:]),
      (model + ["-n", "-j", "0"], [:]), (model + ["-n", "-j", "-1"], [:]), (model + ["-n", "-j", "two"], [:]),
      (model + ["-n"], ["SAFEMERGE_SIMD": "sse"]), (model + ["-n"], ["SAFEMERGE_SIMD": "AVX2"]),
      (model + ["-n"], ["SAFEMERGE_THREADS": "0"]), (model + ["-n"], ["SAFEMERGE_THREADS": "-2"]),
      (model + ["-n"], ["SAFEMERGE_THREADS": "many"]), (model + ["-n"], ["SAFEMERGE_THREADS": "99999999999999999999"]),
    ]
    for (arguments, environment) in cases {
      let result = try Program.run(arguments, environment: environment, folder: scratch.path)
      #expect(result.status == 2, "\(arguments) \(environment)")
      #expect(!result.isSignal)
      #expect(result.output.isEmpty != arguments.contains("json"), "\(arguments)")
      #expect(!result.errors.isEmpty, "\(arguments)")
    }
    #expect(try scratch.entries() == [])
  }

  @Test func noArgumentsShowTheHelp() throws {
    let result = try Program.run([])
    #expect(result.status == 2)
    #expect(result.output == [])
    #expect(result.messages.contains("USAGE: safemerge"))
  }

  @Test(arguments: [["--help"], ["-h"], ["help"], ["merge", "--help"], ["help", "ls"], ["ls", "-h"]])
  func helpIsOutput(arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 0)
    #expect(result.errors == [])
    #expect(result.text.contains("USAGE: safemerge"))
    #expect(result.lines.allSatisfy { $0.unicodeScalars.count <= 200 })
  }

  @Test func versionIsOutput() throws {
    let result = try Program.run(["--version"])
    #expect(result.status == 0)
    #expect(result.errors == [])
    #expect(result.lines.count == 1)
    #expect(result.text.hasPrefix("safemerge 0."))
    #expect(result.text.contains("jansson 2."))
  }
}
