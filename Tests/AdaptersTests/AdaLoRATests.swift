import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct AdaLoRATests {
  /// Every field of PEFT 0.21.2's `AdaLoraConfig` beyond those of `LoraConfig`, and some of those it has, with its default.
  private static let defaults = """
    "task_type": null, "peft_type": "ADALORA", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "r": 8, "target_modules": null,
    "exclude_modules": null, "lora_alpha": 8, "lora_dropout": 0.0, "fan_in_fan_out": false, "bias": "none",
    "use_rslora": false, "modules_to_save": null, "init_lora_weights": true, "layers_to_transform": null,
    "layers_pattern": null, "rank_pattern": null, "alpha_pattern": {}, "megatron_config": null,
    "megatron_core": "megatron.core", "trainable_token_indices": null, "loftq_config": {}, "eva_config": null,
    "corda_config": null, "use_dora": false, "use_qalora": false, "qalora_group_size": 16, "layer_replication": null,
    "lora_bias": false, "target_parameters": null, "target_r": 8, "init_r": 12, "tinit": 0, "tfinal": 0, "deltaT": 1,
    "beta1": 0.85, "beta2": 0.85, "orth_reg_weight": 0.5, "total_step": 100
    """

  private func json(_ fields: String) -> String { "{\"peft_type\": \"ADALORA\", \(fields)}" }

  private func factors(_ module: String, rank: Int = 12) -> [Entry] {
    [
      entry("\(module).lora_A", [rank, 4]), entry("\(module).lora_B", [6, rank]),
      entry("\(module).lora_E", [rank, 1]),
    ]
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(json: "{\(Self.defaults)}", factors("m"))
    let update = try #require(found.updates.first)
    #expect(found.config.methodName == "AdaLoRA" && update.rank == 12 && update.alpha == 8)
    #expect(update.scaling == 8 / (12 + 1e-5) && update.divisor == 12 + 1e-5)
    #expect(update.outFeatures == 6 && update.inFeatures == 4)
  }

  @Test func anAlphaOfNothingCountsAsTheRank() throws {
    #expect(
      try adapter(json: json(#""lora_alpha": 0"#), factors("m")).updates[0].scaling == 12
        / (12 + 1e-5))
  }

  /// The divisor stays that of the rank which training began with.
  @Test func prunedModulesHaveTheirOwnRanks() throws {
    let pattern =
      #""rank_pattern": {"a.lora_E": [true, false, true], "b.lora_E.default": [false, false, false]}"#
    let empty = [
      entry("b.lora_A", [0, 4]), entry("b.lora_B", [6, 0]), entry("b.lora_E", [0, 1]),
    ]
    let found = try adapter(
      json: json("\"init_r\": 3, \(pattern)"), factors("a", rank: 2) + empty + factors("c", rank: 3)
    )
    #expect(found.updates.map(\.module) == ["a", "c"] && found.updates.map(\.rank) == [2, 3])
    #expect(found.updates.allSatisfy { $0.scaling == 8 / (3 + 1e-5) })
    #expect(found.ignoredTensors.count == 3)
    #expect(
      try adapter(
        json: json("\"target_modules\": [\"b\"], \(pattern)"), empty + factors("a", rank: 2)
      ).updates.count
        == 1)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    for index in 0..<3 {
      var lost = factors("m")
      lost.remove(at: index)
      #expect(try refusal(json: json("\"r\": 8"), lost).errorClass == "pair")
    }
    #expect(try refusal(json: json("\"r\": 8"), factors("m", rank: 8)).errorClass == "rank")
    #expect(try refusal(json: json(#""use_dora": true"#), factors("m")).errorClass == "unsupported")
    #expect(
      try refusal(json: json(#""rank_pattern": {"m": [true]}"#), factors("m")).errorClass
        == "adapter-config")
    #expect(
      try refusal(json: json(#""rank_pattern": {"m.lora_E": 4}"#), factors("m")).errorClass
        == "adapter-config")
    let other = #""rank_pattern": {"x.lora_E": [true]}"#
    #expect(try refusal(json: json(other), factors("m")).errorClass == "pair")
    // Tensors of a module that is said to have been pruned whole.
    let none = #""rank_pattern": {"m.lora_E": [false]}"#
    #expect(try refusal(json: json(none), factors("m")).errorClass == "rank")
    #expect(try refusal(json: json("\"r\": 8"), pair("m")).errorClass == "adapter-key")
  }
}
