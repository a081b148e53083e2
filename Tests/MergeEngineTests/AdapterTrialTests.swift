import Adapters
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import ModelNames
import Safetensors
import TestSupport
import Testing

/// Adapters rebuilt from public reports, in the layouts of their trainers or with unusual configs.
@Suite struct AdapterTrialTests {
  private static func trial(_ path: String) -> String { fixturesPath() + "/trials/" + path }

  private func merged(_ base: String, _ adapter: String, in scratch: Scratch) throws -> String {
    let isFile = base.hasSuffix(".safetensors")
    let output = scratch.file(isFile ? "merged.safetensors" : "merged")
    try TestMerge(base: Self.trial(base), adapter: Self.trial(adapter), output: output).run()
    return output
  }

  @Test(arguments: [
    ("mbridge-3d/base", "mbridge-3d/adapter", "mbridge-3d/expect"),
    ("tinker-qwen35/base", "tinker-qwen35/adapter", "tinker-qwen35/expect"),
    ("tinker-unembed/base", "tinker-unembed/adapter", "tinker-unembed/expect"),
    ("tinker-nemotron-empty/base", "tinker-nemotron-empty/adapter", "tinker-nemotron-empty/expect"),
    (
      "tinker-nemotron-empty/base", "tinker-nemotron-empty/adapter-attention", "tinker-nemotron-empty/expect-attention"
    ),
    ("automodel-thinker/base", "automodel-thinker/adapter", "automodel-thinker/expect"),
    ("mistral-finetune/base/consolidated.safetensors", "mistral-finetune/adapter", "mistral-finetune/expect"),
    ("mistral-finetune/base/consolidated.safetensors", "mistral-finetune/adapter-config", "mistral-finetune/expect"),
    ("config-variants/base", "checkpoint-folders/root1", "config-variants/expect"),
    ("config-variants/base", "peft-state/adapter-vision", "config-variants/expect"),
    ("config-variants/base", "peft-state/state-as-adapter", "config-variants/expect"),
  ])
  func isMerged(base: String, adapter: String, expected: String) throws {
    let scratch = try Scratch()
    try expectValues(of: try merged(base, adapter, in: scratch), Self.trial(expected))
  }

  /// All of these hold the same factors, and say the same.
  @Test(arguments: [
    "a-alpha-float", "a-alpha-pattern-float", "a-dora-null", "a-f64", "a-from-model-config", "a-init-string-false",
    "a-legacy", "a-legacy2", "a-minimal", "a-mlx", "a-no-alpha", "a-no-peft-type", "a-no-r", "a-pattern-empty",
    "a-peft-type-lower", "a-swift", "a-swift-null", "a-target-regex",
  ])
  func readsTheConfig(variant: String) throws {
    let scratch = try Scratch()
    let output = try merged("config-variants/base", "config-variants/\(variant)", in: scratch)
    try expectValues(of: output, Self.trial("config-variants/expect"))
  }

  @Test(arguments: [
    ("a-minimal", "\"peft_type\" is missing; the keys are LoRA's"),
    ("a-no-r", "\"r\" is missing; the factors have rank 4"),

    ("a-peft-type-lower", "\"peft_type\" is \"lora\"; PEFT writes \"LORA\""),
    ("a-init-string-false", "\"init_lora_weights\" is \"false\" in quotes; a boolean is meant"),
  ])
  func saysWhatIsUnusual(variant: String, warning: String) throws {
    let adapter = try Adapter(folder: Self.trial("config-variants/\(variant)"))
    #expect(adapter.warnings.contains { $0.hasSuffix(warning) }, "\(adapter.warnings)")
  }

  @Test(arguments: [
    ("config-variants/a-ia3", "unsupported", "take the adapter as PEFT saved it, or correct \"peft_type\""),
    ("config-variants/a-loha", "unsupported", "take the adapter as PEFT saved it, or correct \"peft_type\""),
    ("config-variants/a-prompt", "unsupported", "run it with PEFT"),
    ("config-variants/a-alora", "unsupported", "run it with PEFT or a server that knows aLoRA"),
    ("config-variants/a-alora-empty", "unsupported", "run it with PEFT or a server that knows aLoRA"),
    (
      "config-variants/a-custom", "unknown-field",
      "update safemerge, or delete the field from adapter_config.json if it has no effect on the weights"
    ), ("checkpoint-folders/root2", "not-found", "pass one of them"),
    ("checkpoint-folders/root4", "not-found", "pass one of them"),
  ])
  func refusesWithAWayOut(adapter: String, errorClass: String, hint: String) throws {
    let error = #expect(throws: AdapterError.self) { try Adapter(folder: Self.trial(adapter)) }
    #expect(error?.errorClass == errorClass)
    #expect(error?.hint == hint)
  }

  @Test func refusesAFileOfTwoAdapters() throws {
    let error = #expect(throws: AdapterError.self) { try Adapter(folder: Self.trial("checkpoint-folders/root5")) }
    #expect(error?.problem == .adapterNames(found: "ref", other: "default"))
    #expect(error?.hint?.contains("selected_adapters=[\"ref\"]") ?? false)
  }

  /// The base has adapters of its own inside: PEFT has the weight under another name.
  @Test func tellsABaseUnderPEFT() throws {
    let scratch = try Scratch()
    let error = #expect(throws: PlanError.self) {
      try merged("peft-state/base-builtin", "peft-state/adapter-vision", in: scratch)
    }
    let name = "model.layers.0.self_attn.q_proj"
    #expect(error?.problem == .name(.adaptedBase(target: "\(name).weight", tensor: "\(name).base_layer.weight")))
  }

  /// Three layers share a weight, and each has an update of its own.
  @Test func refusesSeveralUpdatesOfOneSharedWeight() throws {
    let scratch = try Scratch()
    let error = #expect(throws: MergeError.self) {
      try merged("zamba2-shared/base", "zamba2-shared/adapter", in: scratch)
    }
    #expect(error?.errorClass == "tied")
    #expect(error?.message.contains("model.layers.1.shared_transformer.feed_forward.gate_up_proj") ?? false)
  }

  /// A depthwise convolution, which PEFT trains with factors that no weight of it can hold, with B still zero.
  @Test func leavesOutZerosThatCannotBeMerged() throws {
    let scratch = try Scratch()
    let other = try Scratch()
    let output = try merged("falcon-h1-conv/base", "falcon-h1-conv/adapter-conv", in: scratch)
    let expected = try merged("falcon-h1-conv/base", "falcon-h1-conv/adapter", in: other)
    let (found, wanted) = (try loadTensors(output), try loadTensors(expected))
    #expect(found.mapValues { Array($0.data) } == wanted.mapValues { Array($0.data) })
    let plan = try TestMerge(
      base: Self.trial("falcon-h1-conv/base"), adapter: Self.trial("falcon-h1-conv/adapter-conv"),
      output: scratch.file("again")
    ).plan
    #expect(plan.warnings.contains { $0.contains("model.layers.0.mamba.conv1d is skipped") })
  }
}
