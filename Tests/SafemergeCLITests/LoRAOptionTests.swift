import Foundation
import Safetensors
import TestSupport
import Testing

/// The options of `safemerge merge` for kinds of LoRA that leave something to decide, through the program.
@Suite struct LoRAOptionTests {
  private func data(_ path: String, _ name: String) throws -> [UInt8]? {
    try tensorBytes(path)[name]
  }

  private func expected(_ name: String, _ tensor: String, isCorrect: Bool = false) throws -> [UInt8] {
    let testCase = try FixtureCase.named(name)
    let file = try #require(isCorrect ? testCase.correct : testCase.merged)
    return try #require(try data(file, tensor))
  }

  private func merge(
    _ scratch: Scratch, _ base: String, _ adapters: [String], _ arguments: [String] = [], name: String = "merged"
  ) throws -> (result: Program.Result, file: String) {
    let output = scratch.file(name)
    let result = try Program.run(["merge", basePath(base)] + adapters + ["-o", output] + arguments)
    return (result, output + "/model.safetensors")
  }

  private func warnings(_ result: Program.Result) -> [String] {
    result.messageLines.filter { $0.hasPrefix("warning: ") }
  }

  // MARK: --tied

  @Test func tiedIsToBeDecided() throws {
    let scratch = try Scratch()
    let adapter = [adapterPath("tied-embedding-bf16")]
    for arguments in [[], ["--tied", "refuse"], ["-n"]] {
      let message = expectRefusal(try merge(scratch, "tiny-tied-bf16", adapter, arguments).result, status: 3)
      #expect(message.contains("--tied split"))
      #expect(message.contains("[tied]\n"))
    }
    #expect(try scratch.entries() == [])
    let (embedding, head) = ("model.embed_tokens.weight", "lm_head.weight")
    let split = try merge(scratch, "tiny-tied-bf16", adapter, ["--tied", "split"], name: "split")
    #expect(split.result.status == 0, "\(split.result.messages)")
    #expect(warnings(split.result).count { $0.contains("written separately") } == 1)
    for name in [embedding, head] {
      #expect(try data(split.file, name) == expected("tied-embedding-bf16", name, isCorrect: true), "\(name)")
    }
    let config = String(decoding: try contents(scratch.file("split/config.json")), as: UTF8.self)
    #expect(config.contains("\"tie_word_embeddings\": false"))
    let shared = try merge(
      scratch, "tiny-tied-bf16", adapter, ["--tied", "shared", "--arithmetic", "peft"], name: "shared")
    #expect(shared.result.status == 0, "\(shared.result.messages)")
    #expect(warnings(shared.result).count { $0.contains("both change") } == 1)
    #expect(try data(shared.file, head) == nil)
    #expect(try data(shared.file, embedding) == expected("tied-embedding-bf16", embedding))
    #expect(
      try contents(scratch.file("shared/config.json")) == contents(basePath("tiny-tied-bf16") + "/config.json"))
    // Both changed, each in its own way: one tensor cannot be both.
    let both = try merge(
      scratch, "tiny-tied-bf16", [adapterPath("tied-both-bf16")], ["--tied", "shared"], name: "both")
    #expect(expectRefusal(both.result, status: 3).contains("[tied]\n"))
    #expect(try scratch.entries() == ["shared", "split"])
  }

  // MARK: --expert-layout

  @Test func layoutOfExpertsIsToBeDecidedForUnsloth() throws {
    let scratch = try Scratch()
    let adapter = try copyOfFixture("lora/experts-grouped-unmarked/bf16/adapter", in: scratch, as: "adapter")
    let config = String(decoding: try contents(adapter + "/adapter_config.json"), as: UTF8.self)
    let name = config.replacingOccurrences(
      of: "\"base_model_name_or_path\": \"bases/tiny-mixtral-bf16\"",
      with: "\"base_model_name_or_path\": \"unsloth/tiny-mixtral\"")
    #expect(name != config)
    try write(Array(name.utf8), to: adapter + "/adapter_config.json")
    let refused = try merge(scratch, "tiny-mixtral-bf16", [adapter]).result
    let message = expectRefusal(refused, status: 3)
    #expect(message.contains("--expert-layout rank_major or --expert-layout grouped_by_expert"))
    #expect(try scratch.entries() == ["adapter"])
    let tensor = "model.layers.0.mlp.experts.down_proj"
    let peft = try expected("experts-bf16", tensor)
    for (layout, isIt) in [("grouped_by_expert", true), ("rank_major", false)] {
      let merged = try merge(
        scratch, "tiny-mixtral-bf16", [adapter], ["--expert-layout", layout, "--arithmetic", "peft"], name: layout)
      #expect(merged.result.status == 0, "\(merged.result.messages)")
      #expect(try (data(merged.file, tensor) == peft) == isIt)
    }
    let wrong = try merge(scratch, "tiny-mixtral-bf16", [adapter], ["--expert-layout", "mine"])
    #expect(wrong.result.status == 2)
  }

  // MARK: --mha-out-proj

  @Test func outputProjectionIsAddedTwiceOrOnce() throws {
    let scratch = try Scratch()
    let adapter = [adapterPath("attention-f32")]
    let name = "attention.out_proj.weight"
    var values: [[Float]] = [try numbers(basePath("tiny-attention-f32") + "/model.safetensors", name)]
    for (arguments, count) in [(["--mha-out-proj", "once"], 0), ([], 1), (["--mha-out-proj", "twice"], 1)] {
      let merged = try merge(scratch, "tiny-attention-f32", adapter, arguments, name: "m\(values.count)")
      #expect(merged.result.status == 0, "\(merged.result.messages)")
      #expect(warnings(merged.result).count { $0.contains("added twice") } == count)
      values.append(try numbers(merged.file, name))
      // The input projection is added once in any case.
      #expect(
        try data(merged.file, "attention.in_proj_weight") == expected("attention-f32", "attention.in_proj_weight"))
    }
    #expect(values[2] == values[3])
    for index in values[0].indices {
      let (zero, one, two) = (Double(values[0][index]), Double(values[1][index]), Double(values[2][index]))
      #expect(abs((two - zero) - 2 * (one - zero)) < 1e-6)
    }
    #expect(values[1] != values[2])
  }

  private func numbers(_ path: String, _ name: String) throws -> [Float] {
    let bytes = try #require(try data(path, name))
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
    }
  }

  // MARK: --add-tensors

  @Test func newTensorsAreToBeAskedFor() throws {
    let scratch = try Scratch()
    let adapter = [adapterPath("llama-sequence-bf16")]
    let message = expectRefusal(try merge(scratch, "tiny-llama-bf16", adapter).result, status: 3)
    #expect(message.contains("score.weight"))
    #expect(message.contains("--add-tensors"))
    #expect(message.contains("[no-target]\n"))
    #expect(try scratch.entries() == [])
    let merged = try merge(scratch, "tiny-llama-bf16", adapter, ["--add-tensors"])
    #expect(merged.result.status == 0, "\(merged.result.messages)")
    #expect(try data(merged.file, "score.weight") == expected("llama-sequence-bf16", "score.weight"))
    let config = String(decoding: try contents(scratch.file("merged/config.json")), as: UTF8.self)
    #expect(config.contains("LlamaForSequenceClassification"))
  }

  // MARK: Several adapters

  @Test func weightsFollowFolders() throws {
    let scratch = try Scratch()
    let plain = try copyOfFixture("lora/keys/bf16/adapter", in: scratch, as: "plain")
    // A folder whose name looks like one with a weight is taken whole, and may have a weight too.
    let equal = try copyOfFixture("lora/keys/bf16/adapter", in: scratch, as: "mine=0.5")
    let named = try copyOfFixture("lora/keys/bf16/adapter", in: scratch, as: "a=b")
    func bytes(_ adapters: [String], _ name: String) throws -> [UInt8] {
      let merged = try merge(scratch, "tiny-llama-bf16", adapters, name: name)
      #expect(merged.result.status == 0, "\(merged.result.messages)")
      return try contents(merged.file)
    }
    let whole = try bytes([plain], "1")
    let half = try bytes([plain + "=0.5"], "2")
    #expect(whole != half)
    #expect(try bytes([equal], "3") == whole)
    #expect(try bytes([equal + "=0.5"], "4") == half)
    #expect(try bytes([named], "5") == whole)
    #expect(try bytes([named + "=5e-1"], "6") == half)
    #expect(try bytes([plain + "=1"], "7") == whole)
    #expect(try bytes([plain + "=0.25", named + "=0.25"], "8") == half)
    let base = "model.layers.0.self_attn.q_proj.weight"
    let zero = try merge(scratch, "tiny-llama-bf16", [plain + "=0"], name: "9")
    #expect(try data(zero.file, base) == data(basePath("tiny-llama-bf16") + "/model.safetensors", base))
    // The plan says what is merged.
    let plan = try Program.run(["merge", "-n", basePath("tiny-llama-bf16"), plain + "=-0.5", plain])
    #expect(plan.lines.count { $0.hasPrefix("adapter ") } == 2)
    #expect(plan.lines.count { $0.hasSuffix("weight -0.5") } == 1)
    for text in ["=", "=x", "=nan", "=inf", "=1e999", "=1=x"] {
      let wrong = try Program.run(["merge", "-n", basePath("tiny-llama-bf16"), plain + text])
      #expect(wrong.status == 2, "\(text) \(wrong.messages)")
      #expect(wrong.messages.contains("expected a number"), "\(text) \(wrong.messages)")
    }
    let none = try Program.run(["merge", "-n", basePath("tiny-llama-bf16"), scratch.file("none=0.5")])
    expectRefusal(none, status: 4)
  }

  @Test func aWeightOnWhatReplacesIsRefused() throws {
    let scratch = try Scratch()
    let message = expectRefusal(
      try merge(scratch, "tiny-llama-bf16", [adapterPath("modules-to-save-bf16") + "=0.5"]).result, status: 3)
    #expect(message.contains("[unsupported]\n"))
    let twice = [adapterPath("modules-to-save-bf16"), adapterPath("modules-to-save-bf16")]
    #expect(expectRefusal(try merge(scratch, "tiny-llama-bf16", twice).result, status: 3).contains("[hit-twice]\n"))
    #expect(try scratch.entries() == [])
  }

  @Test func twoTokenizersAreRefused() throws {
    let scratch = try Scratch()
    let one = try copyOfFixture("lora/adapter-with-tokenizer/bf16/adapter", in: scratch, as: "one")
    let two = try copyOfFixture("lora/adapter-with-tokenizer/bf16/adapter", in: scratch, as: "two")
    // Copies of one tokenizer are one.
    #expect(
      try merge(scratch, "llama-bf16", [one, adapterPath("adapter-with-tokenizer-bf16")], name: "same").result.status
        == 0)
    try FileManager.default.removeItem(atPath: scratch.file("same"))
    try write(Array("{}".utf8), to: two + "/tokenizer_config.json")
    let message = expectRefusal(try merge(scratch, "llama-bf16", [one, two]).result, status: 3)
    #expect(message.contains("one"))
    #expect(message.contains("two"))
    #expect(message.contains("[tokenizers]\n"))
    #expect(try scratch.entries() == ["one", "two"])
    // With one of them it is that one's, wherever it stands.
    let other = adapterPath("linear-bf16")
    for (number, adapters) in [[one, other], [other, one]].enumerated() {
      let merged = try merge(scratch, "llama-bf16", adapters, name: "m\(number)")
      #expect(merged.result.status == 0, "\(merged.result.messages)")
      #expect(try contents(scratch.file("m\(number)/tokenizer.json")) == contents(one + "/tokenizer.json"))
    }
  }

  // MARK: Rows of padding

  /// A tokenizer of so many tokens, half of them added ones.
  private func writeTokenizer(_ folder: String, tokens: Int) throws {
    let vocabulary = (0..<tokens / 2).map { "\"t\($0)\": \($0)" }.joined(separator: ", ")
    let added = (tokens / 2..<tokens).map { "{\"id\": \($0)}" }.joined(separator: ", ")
    let text = "{\"added_tokens\": [\(added)], \"model\": {\"type\": \"BPE\", \"vocab\": {\(vocabulary)}}}"
    try write(Array(text.utf8), to: folder + "/tokenizer.json")
    try write(Array("{}".utf8), to: folder + "/tokenizer_config.json")
  }

  private func vocabularyLines(_ result: Program.Result) -> [String] {
    #expect(result.status == 0, "\(result.messages)")
    return result.messageLines.filter { $0.hasPrefix("vocab ") }
  }

  @Test func rowsOfPaddingAreExplained() throws {
    let scratch = try Scratch()
    let base = try copyOfFixture("bases/tiny-llama-bf16", in: scratch, as: "base")
    let adapter = try copyOfFixture("lora/resized-vocab/bf16/adapter", in: scratch, as: "adapter")
    var runs = 0
    func lines(_ adapter: String) throws -> [String] {
      runs += 1
      return vocabularyLines(try Program.run(["merge", base, adapter, "-o", scratch.file("m\(runs)")]))
    }
    // Nobody knows how many tokens there are.
    #expect(try lines(adapter) == [])
    // The adapter made 37 rows of the base's 32, and the base's tokenizer stays.
    try writeTokenizer(base, tokens: 30)
    #expect(try lines(adapter) == ["vocab     37 embedding rows, 30 tokens, 7 padding rows"])
    try writeTokenizer(adapter, tokens: 36)
    #expect(try lines(adapter) == ["vocab     37 embedding rows, 36 tokens, 1 padding row"])
    try writeTokenizer(adapter, tokens: 37)
    #expect(try lines(adapter) == [])
    // Padding of the base that the adapter has no part in.
    #expect(try lines(adapterPath("keys-bf16")) == [])
  }

  @Test func rowsOfPaddingAreThoseOfTheAdaptersTokenizer() throws {
    let scratch = try Scratch()
    let brought = try merge(scratch, "llama-bf16", [adapterPath("adapter-with-tokenizer-bf16")]).result
    #expect(
      vocabularyLines(brought) == ["vocab     64 embedding rows, 4 tokens, 60 padding rows"])
    let plain = try merge(scratch, "llama-bf16", [adapterPath("linear-bf16")], name: "plain").result
    #expect(vocabularyLines(plain) == [])
  }

  @Test func tokensWithoutRowsAreRefused() throws {
    let scratch = try Scratch()
    let adapter = try copyOfFixture("lora/resized-vocab/bf16/adapter", in: scratch, as: "adapter")
    try writeTokenizer(adapter, tokens: 38)
    let message = expectRefusal(try merge(scratch, "tiny-llama-bf16", [adapter]).result, status: 3)
    #expect(message.contains("has 38 tokens, but the merged embedding only 37 rows"))
    #expect(try scratch.entries() == ["adapter"])
  }

  // MARK: Rounding

  @Test func roundingIsReproducible() throws {
    let scratch = try Scratch()
    var files: [String: [UInt8]] = [:]
    let runs = [
      ("a", ["--round", "stochastic:1", "-j", "1"]), ("b", ["--round", "stochastic:1", "-j", "7"]),
      ("c", ["--round", "stochastic:2"]), ("d", ["--round", "nearest"]), ("e", []),
    ]
    for (name, arguments) in runs {
      let merged = try merge(scratch, "tiny-llama-bf16", [adapterPath("keys-bf16")], arguments, name: name)
      #expect(merged.result.status == 0, "\(merged.result.messages)")
      files[name] = try contents(merged.file)
    }
    #expect(files["a"] == files["b"])
    #expect(files["a"] != files["c"])
    #expect(files["a"] != files["d"])
    #expect(files["d"] == files["e"])
    for value in [
      "stochastic", "stochastic:", "stochastic:-1", "stochastic:x", "stochastic:18446744073709551616", "up",
    ] {
      let wrong = try Program.run(
        ["merge", "-n", basePath("tiny-llama-bf16"), adapterPath("keys-bf16"), "--round", value])
      #expect(wrong.status == 2, "\(value)")
    }
  }

  @Test func overflowIsAWarningWhereItIsAskedFor() throws {
    let scratch = try Scratch()
    let adapter = [adapterPath("keys-bf16") + "=1e9"]
    let message = expectRefusal(try merge(scratch, "tiny-llama-f16", adapter, ["-q"]).result, status: 3)
    #expect(message.contains("[nonfinite]\n"))
    #expect(try scratch.entries() == [])
    for arguments in [[], ["-q"]] {
      let name = "m\(arguments.count)"
      let merged = try merge(scratch, "tiny-llama-f16", adapter, ["--on-nonfinite", "warn"] + arguments, name: name)
      #expect(merged.result.status == 0, "\(merged.result.messages)")
      if arguments.isEmpty {
        #expect(warnings(merged.result).count { $0.contains("became infinite or NaN") } > 0)
      }
      #expect(try SafetensorsHeader(path: merged.file).tensors.count > 0)
    }
  }
}
