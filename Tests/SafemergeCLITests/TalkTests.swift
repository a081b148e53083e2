import Foundation
import TestSupport
import Testing

@testable import MergeEngine
@testable import SafemergeCLI

/// What `safemerge` says to people.
@Suite struct TalkTests {
  private static let base = basePath("llama-bf16-sharded")
  private static let adapter = adapterPath("linear-bf16")

  private func lines(_ result: Program.Result, _ word: String) -> [String] {
    result.messageLines.filter { $0.hasPrefix(word.padded(to: 10)) }
  }

  @Test func theSummarySaysWhatWasDone() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let result = try Program.run(["merge", Self.base, Self.adapter, "-o", output])
    #expect(
      lines(result, "merged") == [
        "merged    14 tensors (35.0 KiB): 14 modules from \(Self.adapter), r=4 alpha=7 (scaling 1.75)"
      ], "\(result.messages)")
    #expect(lines(result, "copied") == ["copied    7 tensors (9.4 KiB), 2 config and tokenizer files"])
    let done = try #require(result.messageLines.last)
    #expect(done.hasPrefix("done      \(output)   "))
    #expect(done.contains("/s), peak memory ") && done.hasSuffix(" MiB"), "nothing that reads as a warning: \(done)")
    // The plan comes before the work, the summary after it.
    let words = result.messageLines.map { String($0.prefix { $0 != " " }) }
    #expect(words == ["base", "adapter", "plan", "memory", "merged", "copied", "done"])
  }

  @Test(arguments: [
    (["--verify", "read"], "verified: 4 files read back from disk"), (["--checksums"], "SHA-256 of 4 files recorded"),
  ])
  func theSummarySaysWhetherTheResultWasVerified(options: [String], text: String) throws {
    let scratch = try Scratch()
    let result = try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("merged")] + options)
    #expect(result.messageLines.last?.hasSuffix(", \(text)") == true, "\(result.messages)")
  }

  @Test func everyAdapterIsNamedWithItsWeight() throws {
    let scratch = try Scratch()
    let result = try Program.run(
      ["merge", Self.base, Self.adapter, Self.adapter + "=0.5", "--dtype", "f32", "-o", scratch.file("merged")])
    let module = "14 modules from \(Self.adapter), r=4 alpha=7 (scaling 1.75)"
    #expect(
      lines(result, "merged") == ["merged    14 tensors (70.0 KiB): \(module); \(module), weight 0.5"],
      "\(result.messages)")
    #expect(lines(result, "converted") == ["converted 7 tensors (18.7 KiB)"])
    #expect(
      lines(result, "copied") == ["copied    0 tensors (0 B), 1 config or tokenizer file"], "config.json is rewritten")
  }

  @Test func filesOfAnInterruptedMergeAreNamed() throws {
    let model = try SlowModel()
    let output = model.scratch.file("merged")
    let result = try model.merge(output, shell: SlowModel.signalling("TERM", after: "^shard     1/"))
    guard result.status == 143 else { return }
    let next = try model.merge(output)
    #expect(lines(next, "resumed").count == 1, "\(next.messages)")
    #expect(lines(next, "resumed").first?.contains(" of 4 shards already complete, ") == true)
    // What a run before wrote is not counted as written by this one.
    let again = try #require(lines(next, "done").first)
    #expect(again.contains(" of it written in "), "\(again)")
    let whole = try model.merge(model.scratch.file("other"))
    #expect(lines(whole, "resumed").isEmpty && lines(whole, "done").first?.contains(" of it written") == false)
  }

  // MARK: Suggestions

  @Test func pathsThatMayHaveBeenMeant() throws {
    let scratch = try Scratch()
    for name in ["Llama-3.1-8B", "Llama-3.1-70B", "other"] { _ = try scratch.folder("models/\(name)") }
    for (name, wanted) in [
      ("models/Llama-3.1-8b", ["models/Llama-3.1-8B", "models/Llama-3.1-70B"]),
      ("models/Llama-3.1-8", ["models/Llama-3.1-8B"]),
      ("modles/other", ["models/other"]), ("modles/nothing", []), ("elsewhere", []),
    ] {
      #expect(NearPaths.find(scratch.file(name)) == wanted.map(scratch.file), "\(name)")
    }
    let arguments = ["merge", scratch.file("models/othr"), Self.adapter, "-o", scratch.file("m")]
    #expect(
      expectRefusal(try Program.run(arguments), status: 4)
        .hasSuffix("no such file or folder [not-found]\n  hint: did you mean \(scratch.file("models/other"))?\n"))
    // Relative to the current folder, where it may be a Hugging Face model as well.
    let relative = try Program.run(["ls", "models/othr"], folder: scratch.path)
    #expect(
      expectRefusal(relative, status: 4).contains("did you mean models/other? or download it with: hf download"))
  }

  @Test func baseAndAdapterInTheWrongOrder() throws {
    let scratch = try Scratch()
    let base = basePath("llama-bf16")
    for (arguments, text) in [
      ([base, base], "this is a model, not an adapter [not-found]\n  hint: the base comes first, then the adapters: "),
      (
        [Self.adapter, base],
        "this is a model, not an adapter [not-found]\n  hint: the base comes first, then the adapters: "
      ),
    ] {
      let result = try Program.run(["merge"] + arguments + ["-o", scratch.file("m")])
      #expect(expectRefusal(result, status: 3).contains(text), "\(result.messages)")
    }
    let folder = try Program.run(["merge", fixturesPath() + "/bases", Self.adapter, "-o", scratch.file("m")])
    #expect(expectRefusal(folder, status: 3).contains("models in it: \(fixturesPath())/bases/"))
    let config = try Program.run(["ls", base + "/config.json"])
    #expect(expectRefusal(config, status: 3).contains("but a JSON text ["))
  }

  /// The hint is about the command that was asked for.
  @Test func modelsAndAdaptersInEachOthersPlaces() throws {
    let scratch = try Scratch()
    let base = basePath("llama-bf16")
    for (arguments, text) in [
      (
        ["extract", base, Self.adapter],
        "an adapter, not a model [no-weights]\n  hint: both are models: safemerge extract BASE"
      ),
      (
        ["extract", Self.adapter, base],
        "an adapter, not a model [no-weights]\n  hint: both are models: safemerge extract BASE"
      ),
      (
        ["resize", base, "--rank", "2"],
        "a model, not an adapter [not-found]\n  hint: it resizes an adapter: safemerge resize"
      ),
      (
        ["convert", base, "--to", "mlx"],
        "a model, not an adapter [not-found]\n  hint: the base is an option: safemerge convert"
      ),
      (
        ["combine", base, Self.adapter],
        "a model, not an adapter [not-found]\n  hint: it combines adapters, without a base: "
      ),
      (
        ["unmerge", base, base],
        "a model, not an adapter [not-found]\n  hint: the model comes first, then the adapters: "
      ),
    ] {
      let result = try Program.run(arguments + ["-o", scratch.file("output")])
      #expect(expectRefusal(result, status: 3).contains(text), "\(result.messages)")
    }
    #expect(try scratch.entries() == [])
  }

  @Test(arguments: [
    (["mrge"], "unknown command \"mrge\" [usage]\n  hint: did you mean merge?"),
    (["chekc", "x"], "hint: did you mean check?"),
    (["frobnicate"], "unknown command \"frobnicate\" [usage]\n  hint: commands: merge, combine"),
    (["m\u{1b}[31m"], "unknown command \"m\\u{1b}[31m\""),
    (["merge", "a", "b", "--outpt", "c"], "hint: did you mean --output?"),
    (["merge", "a", "b"], "missing required option --output (-o)"),
  ])
  func wordsThatMayHaveBeenMeant(arguments: [String], text: String) throws {
    let result = try Program.run(arguments)
    #expect(result.status == 2 && result.output == [])
    #expect(result.messages.contains(text), "\(result.messages)")
    #expect(rawControls(result.messages) == [])
  }

  // MARK: Progress

  @Test func theRateLeavesOutWhatWasThereBefore() {
    let rate = TransferRate(done: 100 << 20, left: 300 << 20, elapsed: .seconds(2))
    #expect(rate.bytesPerSecond == 50 << 20 && rate.secondsLeft == 6)
    #expect(TransferRate(done: 0, left: 10, elapsed: .seconds(1)).secondsLeft == nil)
    #expect(TransferRate(done: 1, left: .max, elapsed: .seconds(1)).secondsLeft == 1_000_000_000)
    #expect(TransferRate(done: 1, left: 0, elapsed: .zero).secondsLeft == 0)
  }

  @Test(arguments: [(0, "0:00"), (6, "0:06"), (75, "1:15"), (3600, "1:00:00"), (3723, "1:02:03")])
  func timeLeft(seconds: Int, text: String) {
    #expect(TransferRate(done: 1 << 20, left: seconds << 20, elapsed: .seconds(1)).timeLeft == text)
  }
}
