import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge merge` that succeeds.
@Suite struct MergeTests {
  private static func tensors(_ paths: [String]) throws -> [String: [UInt8]] {
    var tensors: [String: [UInt8]] = [:]
    for tensor in try paths.flatMap(readTensors) {
      tensors["\(tensor.name) \(tensor.dtype.name) \(tensor.shape)"] = tensor.bytes
    }
    return tensors
  }

  @Test func folderForAFolder() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let result = try Program.run(["merge", basePath("llama-bf16-sharded"), adapterPath("linear-bf16"), "-o", output])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.output == [])
    #expect(try scratch.entries() == ["merged"])
    let names = try FileManager.default.contentsOfDirectory(atPath: basePath("llama-bf16-sharded"))
    #expect(try scratch.entries("merged") == (names + [".safemerge.json"]).sorted())
    let shards = (1...4).map { "\(output)/model-0000\($0)-of-00004.safetensors" }
    let expected = fixturesPath() + "/lora/linear/bf16/merged/model.safetensors"
    #expect(try Self.tensors(shards) == Self.tensors([expected]))
    for word in ["base ", "adapter ", "plan ", "memory ", "merged ", "copied ", "done "] {
      #expect(result.messageLines.contains { $0.hasPrefix(word) }, "\(word): \(result.messages)")
    }
    // What was merged can be read again.
    let listing = try Program.run(["ls", output, "--format", "names"])
    #expect(listing.status == 0)
    #expect(listing.lines.count == 21)
  }

  @Test func fileForAFile() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    let file = basePath("llama-f32") + "/model.safetensors"
    let result = try Program.run(["merge", file, adapterPath("linear-f32"), "--output", output])
    #expect(result.status == 0, "\(result.messages)")
    #expect(try scratch.entries() == ["merged.safetensors"])
    let expected = fixturesPath() + "/lora/linear/f32/merged/model.safetensors"
    #expect(try Self.tensors([output]) == Self.tensors([expected]))
  }

  @Test func indexFileStandsForItsFolder() throws {
    let scratch = try Scratch()
    let (one, other) = (scratch.file("one"), scratch.file("other"))
    let folder = basePath("llama-f32-sharded")
    #expect(try Program.run(["merge", folder, adapterPath("linear-f32"), "-o", one]).status == 0)
    let index = folder + "/model.safetensors.index.json"
    #expect(try Program.run(["merge", index, adapterPath("linear-f32"), "-o", other]).status == 0)
    #expect(try tree(one) == tree(other))
  }

  @Test func relativePathsWork() throws {
    let scratch = try Scratch()
    _ = try copyOfFixture("bases/llama-f32", in: scratch, as: "base")
    _ = try copyOfFixture("lora/linear/f32/adapter", in: scratch, as: "adapter")
    let result = try Program.run(["merge", "base/", "./adapter/", "-o", "merged/"], folder: scratch.path)
    #expect(result.status == 0, "\(result.messages)")
    #expect(try scratch.entries() == ["adapter", "base", "merged"])
  }

  /// For any number of threads, every instruction set of this machine, and whatever the order of work.
  @Test func bytesDependOnTheInputsAlone() throws {
    let scratch = try Scratch()
    var first: [String: [UInt8]]?
    var runs: [([String], [String: String])] = [1, 2, 7].map { (["-j", "\($0)"], [:]) }
    runs += [([], ["SAFEMERGE_THREADS": "3"]), ([], ["SAFEMERGE_SIMD": ""]), ([], ["SAFEMERGE_SIMD": "off"])]
    var count = 0
    for name in ["avx512bf16", "avx512", "avx2", "neon", "portable"] { runs.append(([], ["SAFEMERGE_SIMD": name])) }
    for (number, (arguments, environment)) in runs.enumerated() {
      let output = scratch.file("merged\(number)")
      let result = try Program.run(
        ["merge", basePath("llama-f32-sharded"), adapterPath("linear-f32"), "-o", output] + arguments,
        environment: environment)
      if result.status == 2, result.messages.contains("this machine cannot run") { continue }
      #expect(result.status == 0, "\(arguments) \(environment) \(result.messages)")
      count += 1
      let files = try tree(output)
      if let first { #expect(files == first, "\(arguments) \(environment)") } else { first = files }
    }
    #expect(count >= 7, "portable kernels run everywhere")
  }

  @Test func otherFilesAreThoseOfTheLists() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let base = basePath("llama-bf16")
    #expect(try Program.run(["merge", base, adapterPath("linear-bf16"), "-o", output]).status == 0)
    let copied = [
      "LICENSE", "additional_chat_templates/x.jinja", "chat_template.jinja", "config.json", "generation_config.json",
      "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json",
    ]
    let found = try model(output)
    #expect(found.keys.sorted() == (copied + ["additional_chat_templates", "model.safetensors"]).sorted())
    for name in copied { #expect(try found[name] == contents(base + "/" + name), "\(name)") }
  }

  @Test func tokenizerOfTheAdapterWins() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let adapter = adapterPath("adapter-with-tokenizer-bf16")
    #expect(try Program.run(["merge", basePath("llama-bf16"), adapter, "-o", output]).status == 0)
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      #expect(try contents(output + "/" + name) == contents(adapter + "/" + name))
      #expect(try contents(output + "/" + name) != contents(basePath("llama-bf16") + "/" + name))
    }
    // What the adapter has not is the base's: its chat template, too.
    #expect(
      try scratch.entries("merged") == [
        ".safemerge.json", "LICENSE", "additional_chat_templates", "chat_template.jinja", "config.json",
        "generation_config.json", "model.safetensors", "special_tokens_map.json", "tokenizer.json",
        "tokenizer_config.json",
      ])
    for name in ["config.json", "chat_template.jinja", "additional_chat_templates/x.jinja", "special_tokens_map.json"] {
      #expect(try contents(output + "/" + name) == contents(basePath("llama-bf16") + "/" + name))
    }
  }

  @Test(arguments: [("022", 0o644, 0o755), ("077", 0o600, 0o700), ("002", 0o664, 0o775)])
  func permissionsAreThoseOfTheUmask(mask: String, file: Int, folder: Int) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let single = scratch.file("merged.safetensors")
    let shell = "umask \(mask); exec \"$0\" \"$@\""
    let (base, adapter) = (basePath("llama-bf16"), adapterPath("linear-bf16"))
    #expect(try Program.run(["merge", base, adapter, "-o", output], shell: shell).status == 0)
    let model = base + "/model.safetensors"
    #expect(try Program.run(["merge", model, adapter, "-o", single], shell: shell).status == 0)
    func mode(_ path: String) throws -> Int? {
      (try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber)?.intValue
    }
    #expect(try mode(output) == folder)
    #expect(try mode(output + "/additional_chat_templates") == folder)
    #expect(try mode(single) == file)
    for name in ["model.safetensors", "config.json", "additional_chat_templates/x.jinja"] {
      #expect(try mode(output + "/" + name) == file, "\(name)")
    }
  }

  @Test func quietIsSilent() throws {
    let scratch = try Scratch()
    let arguments = ["merge", basePath("llama-f32-sharded"), adapterPath("linear-f32"), "-o"]
    let result = try Program.run(arguments + [scratch.file("merged"), "-q"])
    #expect(result.status == 0)
    #expect(result.errors == [])
    #expect(result.output == [])
    // Errors are not silenced.
    expectRefusal(try Program.run(arguments + [scratch.file("merged"), "-q"]), status: 5)
  }

  @Test func verboseNamesModulesAndFiles() throws {
    let scratch = try Scratch()
    let result = try Program.run(
      ["merge", basePath("llama-bf16"), adapterPath("linear-bf16"), "-v", "-o", scratch.file("merged")])
    #expect(result.status == 0)
    for text in [
      "merge     model.layers.1.self_attn.v_proj   r=4 alpha=7 scaling=1.75 -> model.layers.1.self_attn.v_proj.weight",
      "write     model.safetensors", "write     LICENSE", "skip      README.md", "skip      pytorch_model.bin",
      "skip      training_args.bin",
    ] { #expect(result.messages.contains(text), "\(text)") }
    let more = ["copy      model.norm.weight   BF16 [36]", "using     kernels ", "time      headers "]
    for text in more { #expect(!result.messages.contains(text), "\(text)") }
    let twice = try Program.run(
      ["merge", basePath("llama-bf16"), adapterPath("linear-bf16"), "-vv", "-f", "-o", scratch.file("merged")])
    #expect(twice.status == 0)
    for text in more { #expect(twice.messages.contains(text), "\(text)") }
  }

  @Test func dryRunPrintsThePlanAndWritesNothing() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    for arguments in [["-n"], ["--dry-run", "-o", output]] {
      let result = try Program.run(["merge", basePath("llama-bf16-sharded"), adapterPath("linear-bf16")] + arguments)
      #expect(result.status == 0, "\(result.messages)")
      #expect(result.errors == [])
      for text in [
        "r=4 alpha=7 (scaling 1.75)", "tensors: 14 merged (", "7 copied (", "4 shards", "memory ",
        "merge     model.layers.0.mlp.up_proj ", "write     model-00004-of-00004.safetensors", "write     config.json",
        "write     model.safetensors.index.json", "copy      lm_head.weight   BF16 [64, 36]",
      ] { #expect(result.text.contains(text), "\(text)") }
      #expect(try scratch.entries() == [])
    }
  }

  @Test func dryRunHasTheExitCodesOfTheRun() throws {
    let scratch = try Scratch()
    _ = try scratch.folder("taken/inside")
    let arguments = ["merge", "-n", basePath("llama-bf16")]
    expectRefusal(try Program.run(arguments + [adapterPath("refused-arrow-bf16")]), status: 3)
    expectRefusal(try Program.run(arguments + [adapterPath("linear-bf16"), "-o", scratch.file("taken")]), status: 5)
    expectRefusal(
      try Program.run(arguments + [adapterPath("linear-bf16"), "-o", scratch.file("no/folder")]), status: 4)
    #expect(try Program.run(arguments + [adapterPath("linear-bf16"), "-j", "0"]).status == 2)
    #expect(try scratch.entries() == ["taken"])
  }

  /// Whatever is on the command line, no trap.
  @Test func anyNumberOfJobsIsAccepted() throws {
    for jobs in ["1000000", "\(Int.max)"] {
      let result = try Program.run(["merge", "-n", basePath("llama-f32"), adapterPath("linear-f32"), "-j", jobs])
      #expect(result.status == 0, "\(jobs) \(result.messages)")
      #expect(!result.isSignal)
    }
  }

  /// A descriptor that is closed at the start must not be given to an output file, where messages would overwrite it.
  @Test(arguments: ["llama-f32", "llama-f32/model.safetensors", "llama-f32-sharded"])
  func closedStandardStreamsDoNotDamageTheResult(model: String) throws {
    let scratch = try Scratch()
    let arguments = ["merge", basePath(model), adapterPath("linear-f32"), "-o"]
    let suffix = model.hasSuffix(".safetensors") ? ".safetensors" : ""
    func output(_ name: String) -> String { scratch.file(name + suffix) }
    func files(_ path: String) throws -> [String: [UInt8]] {
      model.hasSuffix(".safetensors") ? ["": try contents(path)] : try tree(path)
    }
    let expected = output("expected")
    #expect(try Program.run(arguments + [expected]).status == 0)
    for (number, streams) in ["2>&-", "<&- 2>&-", "<&- >&- 2>&-", ">&- 2>&-"].enumerated() {
      for jobs in ["1", "7"] {
        let merged = output("merged\(number)-\(jobs)")
        let result = try Program.run(
          arguments + [merged, "-v", "--progress", "always", "-j", jobs], shell: "exec \"$0\" \"$@\" \(streams)")
        #expect(result.status == 0, "\(streams)")
        #expect(try files(merged) == files(expected), "\(streams)")
      }
    }
  }
}
