import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// Warnings of what is likely not wanted: they stay with `--quiet`, and have a class of their own in events.
@Suite struct LossWarningTests {
  private static let trials = fixturesPath() + "/trials/"
  private static let base = trials + "saved-and-lora/base"

  /// The classes of the warnings of a merge, each of which must be on standard error under `--quiet` too.
  private func classes(_ models: [String], in scratch: Scratch, status: Int32 = 0) throws -> [String] {
    let quiet = try Program.run(["merge"] + models + ["-o", scratch.file("quiet"), "--quiet"])
    #expect(quiet.status == status, "\(quiet.messages)")
    let result = try Program.run(["merge"] + models + ["-o", scratch.file("merged"), "--json"])
    #expect(result.status == status)
    let events = try result.lines.map { try JSONParser.parse(Array($0.utf8).span) }
    let warnings = events.filter { $0["event"] == .string("warning") && $0["class"] != .string("other") }
    for warning in warnings {
      guard case .string(let message)? = warning["message"] else { continue }
      #expect(quiet.messages.contains("warning: \(message)\n"), "\(message): \(quiet.messages)")
    }
    return warnings.compactMap { if case .string(let name)? = $0["class"] { name } else { nil } }
  }

  @Test func alphaOf0IsNamed() throws {
    let scratch = try Scratch()
    #expect(try classes([Self.base, Self.trials + "verl-alpha0/adapter"], in: scratch) == ["zero-scaling"])
    let adapter = try writeAdapter(scratch.file("pattern"), rank: 2, alpha: "4", factors(), fields: pattern)
    let base = scratch.file("base.safetensors")
    try writeFile(
      base, [TestTensor("m.weight", .f32, [4, 6], bytes: ones(24)), TestTensor("n.weight", .f32, [4, 6])])
    let result = try Program.run(["merge", base, adapter, "-o", scratch.file("one.safetensors")])
    #expect(
      result.messages.contains("1 of 2 modules add nothing (first: n), because \"alpha_pattern\" has 0 for \"n\""))
  }

  private let pattern = "\"alpha_pattern\": {\"n\": 0}"

  private func ones(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x3F, count: 4 * count) }

  private func factors() -> [TestTensor] {
    ["m", "n"].flatMap { module in
      [
        TestTensor("\(module).lora_A.weight", .f32, [2, 6], bytes: ones(12)),
        TestTensor("\(module).lora_B.weight", .f32, [4, 2], bytes: ones(8)),
      ]
    }
  }

  @Test func aWeightOf0IsNamed() throws {
    let adapter = Self.trials + "saved-and-lora/adapter"
    let scratch = try Scratch()
    // Weights are for updates alone: here one without a saved module.
    let plain = Self.trials + "sidecar-weights/adapter-vit"
    #expect(try classes([Self.base, plain + "=0"], in: scratch) == ["unread-weights", "zero-scaling"])
    #expect(try classes([Self.base, adapter], in: Scratch()) == [])
  }

  @Test(arguments: [
    ("longlora", "trainable_params.bin"), ("nonlora", "non_lora_state_dict.bin"),
    ("valuehead", "value_head.safetensors"),
    ("vit", "vit.safetensors"),
  ])
  func weightsBesideTheAdapterAreNamed(name: String, file: String) throws {
    let scratch = try Scratch()
    let adapter = Self.trials + "sidecar-weights/adapter-\(name)"
    #expect(try classes([Self.base, adapter], in: scratch) == ["unread-weights"])
    let result = try Program.run(["merge", "--dry-run", "--quiet", Self.base, adapter])
    #expect(result.messages.contains(": \(file) not read; weights in it "))
    let check = try Program.run(["check", adapter])
    #expect(check.status == 0 && (check.messages + check.text).contains(": \(file) not read; weights in it "))
  }

  /// The file that is read is known by every spelling of the folder.
  @Test(arguments: ["adapter/", "adapter//", "adapter/.", "/adapter", "../bf16//adapter/"])
  func theAdapterItselfIsRead(_ name: String) throws {
    let path = fixturesPath() + "/lora/linear/bf16/" + name
    let result = try Program.run(["merge", "--dry-run", "--quiet", basePath("llama-bf16") + "/", path])
    #expect(result.status == 0 && result.messages.isEmpty, "\(result.messages)")
    #expect(try Program.run(["check", path]).lines.count == 1)
  }

  /// Beside an error too: the missing rows are in the file that is not read.
  @Test func theyAreNamedBesideAnError() throws {
    let scratch = try Scratch()
    let found = try classes([Self.base, Self.trials + "sidecar-weights/adapter-newemb"], in: scratch, status: 3)
    #expect(found == ["unread-weights"])
  }

  /// What only a training reads, and tokenizers, are no weights; those in folders are, and other adapters.
  @Test func whatIsNoWeightIsNotNamed() throws {
    let scratch = try Scratch()
    let adapter = scratch.file("adapter")
    try FileManager.default.copyItem(atPath: Self.trials + "saved-and-lora/adapter", toPath: adapter)
    for name in ["training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state_0.pth", "tokenizer.bin", ".x.bin"] {
      try write([0], to: adapter + "/" + name)
    }
    for folder in ["checkpoint-5", "global_step10", "2_Dense", "reference"] {
      try FileManager.default.createDirectory(atPath: adapter + "/" + folder, withIntermediateDirectories: true)
      try write([0], to: adapter + "/\(folder)/model.safetensors")
    }
    let result = try Program.run(["merge", "-n", "-q", Self.base, adapter])
    #expect(
      result.messages == """
        warning: \(adapter): 2_Dense/model.safetensors, reference/model.safetensors not read; weights in it \
        that were trained with the adapter are missing from the result

        """)
  }

  @Test func oneAdapterTwiceIsNamed() throws {
    let scratch = try Scratch()
    let adapter = Self.trials + "verl-alpha0/adapter"
    let copy = scratch.file("copy")
    try FileManager.default.copyItem(atPath: adapter, toPath: copy)
    let found = try classes([Self.base, adapter, copy], in: scratch)
    #expect(found == ["zero-scaling", "zero-scaling", "repeated-adapter"])
  }

  @Test func anAdapterThatIsInTheBaseIsNamed() throws {
    let scratch = try Scratch()
    let adapter = Self.trials + "saved-and-lora/adapter"
    #expect(try classes([Self.base, adapter], in: scratch) == [])
    let merged = scratch.file("merged")
    let again = try Scratch()
    #expect(try classes([merged, adapter], in: again) == ["already-merged"])
    let other = Self.trials + "verl-alpha0/adapter"
    #expect(try classes([merged, other], in: Scratch()) == ["zero-scaling"])
  }

  @Test func aChangeOutOfProportionIsNamed() throws {
    let adapter = Self.trials + "sidecar-weights/adapter-vit"
    #expect(try classes([Self.base, adapter + "=100"], in: Scratch()) == ["unread-weights", "large-change"])
    let scratch = try Scratch()
    let result = try Program.run(["merge", "-q", Self.base, adapter + "=100", "-o", scratch.file("merged")])
    // 7.24 times with the weight 1.
    #expect(result.messages.contains("in 4 of 4 tensors (most: model.layers.1.self_attn.q_proj.weight, 724 times)"))
  }
}
