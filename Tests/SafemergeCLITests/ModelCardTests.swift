import Checksums
import Foundation
import JSONText
import TestSupport
import Testing

/// `merge --model-card`: the README.md of a result.
@Suite struct ModelCardTests {
  private static let base = fixturesPath() + "/bases/llama-bf16"
  private static let adapter = fixturesPath() + "/lora/linear/bf16/adapter"

  private func card(
    _ arguments: [String], environment: [String: String] = [:], in scratch: Scratch
  ) throws -> String {
    let output = scratch.file("my merged_model")
    let result = try Program.run(
      ["merge"] + arguments + ["-o", output, "--model-card"], environment: environment)
    #expect(result.status == 0, "\(result.messages)")
    return String(decoding: try contents(output + "/README.md"), as: UTF8.self)
  }

  @Test func theCardNamesWhatWasMerged() throws {
    let scratch = try Scratch()
    let text = try card([Self.base, "\(Self.adapter)=0.5", "--dtype", "f32"], in: scratch)
    let checksum = SHA256Checksum(of: try contents(Self.adapter + "/adapter_model.safetensors"))
    let expected = """
      # my merged\\_model

      [bases/llama-bf16](https://huggingface.co/bases/llama-bf16) with one adapter merged into its weights by safemerge \(try version()).

      | adapter | method | weight | modules | SHA-256 |
      | --- | --- | --- | --- | --- |
      | `adapter` | LoRA | 0.5 | 14 | `\(checksum)` |

      ## How it was merged

      - base: `llama-bf16`
      - tensors: 14 merged, 7 converted
      - options: `--dtype \(try recorded("dtype", in: scratch))`
      - the checksums of all inputs and files: `.safemerge.json`

      ## Verification

      This command compares each element with the merge, computed in double precision by independent code:

      ```sh
      safemerge check . --against llama-bf16 --adapter adapter=0.5
      ```

      """
    #expect(text.hasSuffix(expected), "\(text)")
    // The base is a local folder: what the adapter calls it is what the hub can link to.
    #expect(text.hasPrefix("---\nbase_model: bases/llama-bf16\nbase_model_relation: finetune\n"))
    #expect(!text.contains(scratch.path), "A path of this machine is in the card.")
  }

  /// The license of the base and its languages hold for what is made from it; the rest of its card does not.
  @Test func theCardInheritsTheLicense() throws {
    let scratch = try Scratch()
    try FileManager.default.copyItem(atPath: Self.base, toPath: scratch.file("base"))
    try scratch.write(
      """
      ---
      license: other
      license_name: llama3.1
      language:
      - en
      - de
      tags:
      - base
      extra_gated_prompt: |
        license: mit
      ---
      # The base
      """, to: "base/README.md")
    let text = try card([scratch.file("base"), Self.adapter], in: scratch)
    let metadata = try #require(text.split(separator: "---\n").first)
    #expect(
      metadata.contains("license: other\nlicense_name: llama3.1\nlanguage:\n- en\n- de\ntags:\n- merge\n- lora\n"),
      "\(metadata)")
    #expect(!text.contains("extra_gated") && !text.contains("The base"))
  }

  @Test func theCardSaysHowTheResultWasVerified() throws {
    let scratch = try Scratch()
    let text = try card([Self.base, Self.adapter, "--verify", "full"], in: scratch)
    #expect(text.contains("computed a second time, in double precision by independent code"))
    #expect(text.contains("read back from the disk"))
    #expect(!text.contains("safemerge check"))
  }

  /// The card is a file of the result: an edited one is found.
  @Test func theCardIsRecorded() throws {
    let scratch = try Scratch()
    _ = try card([Self.base, Self.adapter], in: scratch)
    let output = scratch.file("my merged_model")
    #expect(try Program.run(["check", "--data", output]).status == 0)
    try scratch.write("something else", to: "my merged_model/README.md")
    let found = try Program.run(["check", "--data", output])
    #expect(found.status == 3)
    #expect((found.text + found.messages).contains("README.md"))
  }

  @Test func theCardIsPlanned() throws {
    let plan = try Program.run(["merge", Self.base, Self.adapter, "--dry-run", "--model-card"])
    #expect(plan.status == 0)
    #expect(plan.lines.contains { $0.hasPrefix("write ") && $0.contains("README.md   model card") }, "\(plan.text)")
  }

  @Test func aSingleFileHasNoCard() throws {
    let scratch = try Scratch()
    let refused = try Program.run([
      "merge", Self.base + "/model.safetensors", Self.adapter, "-o", scratch.file("out.safetensors"), "--model-card",
    ])
    #expect(refused.status == 3)
    #expect(refused.messages.contains("[model-card]"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("out.safetensors")))
  }

  @Test func theBasesCardCannotBeAtTheSamePlace() throws {
    let scratch = try Scratch()
    let arguments = ["merge", Self.base, Self.adapter, "-o", scratch.file("out"), "--model-card"]
    let refused = try Program.run(arguments + ["--include-file", "README.md"])
    #expect(refused.status == 3)
    #expect(refused.messages.contains("README.md") && refused.messages.contains("[model-card]"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("out")))
  }

  private func version() throws -> String {
    try #require(Program.run(["--version"]).text.split(separator: " ").dropFirst().first.map(String.init))
  }

  private func recorded(_ option: String, in scratch: Scratch) throws -> String {
    let bytes = try contents(scratch.file("my merged_model/.safemerge.json"))
    let record = try JSONParser.parse(bytes.span)
    guard case .string(let value)? = record["options"]?[option] else {
      Issue.record("The record has no option \(option).")
      return ""
    }
    return value
  }
}
