import Adapters
import Checkpoints
import Foundation
import Inspection
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// Results in which a tie went wrong: `check --against` finds them without being told how the merge was made.
@Suite struct TieCheckTests {
  private func classes(_ output: String) throws -> Set<String> {
    let merge = try MergeCheck(
      Checkpoint(path: output), base: Checkpoint(path: fixturesPath() + "/bases/tiny-tied-f32"),
      adapters: [AdapterUse(Adapter(folder: fixturesPath() + "/lora/tied-embedding/f32/adapter"))],
      planning: MergeOptions(), options: MergeCheck.Options(workers: 1))
    return Set(try merge.run().findings.map(\.findingClass))
  }

  /// The base's folder with tensors changed or added.
  private func output(_ scratch: Scratch, _ name: String, tied: Bool, _ tensors: [TestTensor]) throws -> String {
    let folder = try scratch.folder(name)
    try writeFile(folder + "/model.safetensors", tensors, metadata: "{\"format\":\"pt\"}")
    let text = String(decoding: try contents(fixturesPath() + "/bases/tiny-tied-f32/config.json"), as: UTF8.self)
    let edited = text.replacingOccurrences(
      of: "\"tie_word_embeddings\": true", with: "\"tie_word_embeddings\": \(tied)")
    try write(Array(edited.utf8), to: folder + "/config.json")
    return folder
  }

  @Test func findsATieThatWentWrong() throws {
    let scratch = try Scratch()
    let base = try readTensors(fixturesPath() + "/bases/tiny-tied-f32/model.safetensors")
    // What PEFT makes of the embedding: the head, which the adapter did not change, changes with it.
    let changed = try readTensors(fixturesPath() + "/lora/tied-embedding/f32/merged/model.safetensors")
    let merged = base.map { tensor in changed.first { $0.name == tensor.name } ?? tensor }
    let embedding = try #require(base.first { $0.name == "model.embed_tokens.weight" })
    #expect(try classes(output(scratch, "as PEFT", tied: true, merged)) == ["tied"])
    // Apart, and config.json does not say so.
    let head = TestTensor("lm_head.weight", .f32, embedding.shape, bytes: embedding.bytes)
    let apart = merged.filter { $0.name != "lm_head.weight" } + [head]
    #expect(try classes(output(scratch, "tied", tied: true, apart)) == ["tied"])
    #expect(try classes(output(scratch, "right", tied: false, apart)) == [])
  }
}
