import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct AdapterConfigTests {
  @Test func missingFieldsTakePEFTsDefaults() throws {
    let adapter = try adapter()
    let lora = try #require(adapter.config.lora)
    #expect(lora.ranks.rank == 8)
    #expect(lora.ranks.alpha == 8)
    #expect(!lora.usesRankStabilizedScaling)
    #expect(!lora.hasLoraBias)
    #expect(lora.ranks.rankPattern.keys.isEmpty && lora.ranks.alphaPattern.keys.isEmpty)
    #expect(adapter.baseModelName == nil)
    #expect(adapter.updates.map(\.scaling) == [1])
  }

  @Test(arguments: [
    ("", 1), (#""lora_alpha": 16"#, 2), (#""lora_alpha": -4"#, -0.5), (#""lora_alpha": 0"#, 0),
    (#""lora_alpha": 1.5"#, 0.1875), (#""lora_alpha": 6, "use_rslora": true"#, 6 / 8.0.squareRoot()),
    (#""lora_alpha": 6, "use_rslora": null"#, 0.75),
  ])
  func scalesByAlphaOverRankOrItsRoot(fields: String, scaling: Double) throws {
    #expect(try adapter(fields).updates[0].scaling == scaling)
  }

  @Test func patternsOverrideRankAndAlphaIndependently() throws {
    let adapter = try adapter(
      #""r": 8, "lora_alpha": 16, "rank_pattern": {"q_proj": 4, "m.q_proj": 2}, "alpha_pattern": {"v_proj$|k": 3}"#,
      pair("m.q_proj", rank: 4) + pair("m.v_proj") + pair("m.o_proj"))
    #expect(adapter.updates.map(\.module) == ["m.o_proj", "m.q_proj", "m.v_proj"])
    #expect(adapter.updates.map(\.rank) == [8, 4, 8])
    #expect(adapter.updates.map(\.alpha) == [16, 16, 3])
    #expect(adapter.updates.map(\.scaling) == [2, 4, 0.375])
    #expect(adapter.updates.map(\.rankPattern) == [nil, "q_proj", nil])
    #expect(adapter.updates.map(\.alphaPattern) == [nil, nil, "v_proj$|k"])
    #expect(adapter.unusedPatterns == [UnusedPattern(field: "rank_pattern", key: "m.q_proj")])
  }

  @Test func nullPatternsAreEmpty() throws {
    #expect(try adapter(#""rank_pattern": null, "alpha_pattern": {}"#).updates.count == 1)
  }

  @Test func theBaseModelsNameIsKept() throws {
    #expect(try adapter(#""base_model_name_or_path": "org/model""#).baseModelName == "org/model")
  }

  @Test(arguments: [
    (#""r": 0"#, #""r" is 0: expected an integer of at least 1"#),
    (#""r": 8.0"#, #""r" is 8.0: expected an integer of at least 1"#),
    (#""r": null"#, #""r" is null"#), (#""r": true"#, #""r" is true"#), (#""r": "8""#, #""r" is "8""#),
    (#""lora_alpha": "16""#, #""lora_alpha" is "16": expected a finite number"#),
    (#""lora_alpha": null"#, #""lora_alpha" is null"#),
    (#""use_rslora": 1"#, #""use_rslora" is 1: expected true or false"#),
    (#""lora_bias": "all""#, #""lora_bias" is "all""#),
    (#""rank_pattern": []"#, #""rank_pattern" is an array of 0: expected an object"#),
    (#""rank_pattern": {"q": 1.5}"#, #""rank_pattern"["q"]" is 1.5"#),
    (#""alpha_pattern": {"q": null}"#, #""alpha_pattern"["q"]" is null: expected a finite number"#),
    (#""bias": "some""#, #""bias" is "some": expected "none", "all" or "lora_only""#),
    (#""bias": true"#, #""bias" is true"#),
    (#""use_dora": "yes""#, #""use_dora" is "yes""#), (#""fan_in_fan_out": 1"#, #""fan_in_fan_out" is 1"#),
    (#""modules_to_save": "lm_head""#, #""modules_to_save" is "lm_head": expected a list of strings"#),
    (#""modules_to_save": [1]"#, #""modules_to_save" is 1: expected a list of strings"#),
    (#""target_parameters": "x""#, #""target_parameters" is "x""#),
    (#""lora_B_layout": "other""#, #""lora_B_layout" is "other": expected "rank_major" or "grouped_by_expert""#),
    (#""trainable_token_indices": "1""#, #""trainable_token_indices" is "1": expected a list of token ids"#),
    (#""trainable_token_indices": [-1]"#, #""trainable_token_indices" is -1"#),
    (#""trainable_token_indices": [3, 3]"#, #""trainable_token_indices" is 3: expected every token once"#),
    (#""trainable_token_indices": {"e": 1}"#, #""trainable_token_indices"["e"]" is 1"#),
    (#""layer_replication": [[0, 2], [2]]"#, #""layer_replication" is an array of 1: expected a list of pairs"#),
    (#""layer_replication": [[2, 2]]"#, #""layer_replication" is "#),
    (#""layer_replication": 1"#, #""layer_replication" is 1"#),
    (#""use_bdlora": 3"#, #""use_bdlora" is 3: expected an object"#),
    (#""use_bdlora": {"nblocks": 0}"#, #""nblocks" is 0: expected an integer of at least 1"#),
    (#""velora_config": 1"#, #""velora_config" is 1"#), (#""task_type": 1"#, #""task_type" is 1"#),
    (#""base_model_name_or_path": 7"#, #""base_model_name_or_path" is 7: expected a string"#),
  ])
  func wrongTypesAreNamed(fields: String, message: String) throws {
    let error = try refusal(fields)
    #expect(error.errorClass == "adapter-config")
    #expect(error.message.hasPrefix(message))
    #expect(error.file?.hasSuffix("/adapter_config.json") == true)
  }

  @Test(arguments: [
    #""megatron_config": {"a": 1}"#, #""alora_invocation_tokens": [1]"#,
    #""alora_invocation_tokens": []"#, #""arrow_config": {"a": 1}"#, #""use_qalora": true"#,
    #""init_lora_weights": "pissa_niter_4""#, #""init_lora_weights": "PiSSA""#,
    #""init_lora_weights": "corda""#, #""init_lora_weights": "loftq""#, #""init_lora_weights": "lora_ga""#,
    #""init_lora_weights": "something""#, #""init_lora_weights": 1"#, #""enable_lora": [true, false]"#,
  ])
  func unmergeableFieldsAreRefused(field: String) throws {
    let error = try refusal(field)
    let name = field.split(separator: ":")[0]
    #expect(error.errorClass == "unsupported")
    #expect(error.category == .refusedInput)
    #expect(error.message.hasPrefix("\(name) is "))
    #expect(!error.message.contains("\n") && !error.message.contains("yet"))
  }

  @Test(arguments: ["pissa_niter_16", "corda", "lora_ga"])
  func anInitializationThatChangedTheBaseHasAWayOut(name: String) throws {
    let hint = try #require(try refusal(#""init_lora_weights": "\#(name)""#).hint)
    #expect(hint.contains("path_initial_model_for_weight_conversion") && hint.contains("base"))
  }

  @Test func whatTookAPartOutOfTheBaseIsKnown() throws {
    for (fields, change) in [
      (#""init_lora_weights": "pissa""#, .pissa), (#""init_lora_weights": "olora""#, .olora),
      (#""init_lora_weights": "OLoRA""#, .olora), (#""kasa_config": {"beta": 1}"#, .kasa),
      (#""kasa_config": {}"#, .kasa),
      (#""kasa_config": null"#, nil), (#""init_lora_weights": "eva""#, nil), (#""init_lora_weights": true"#, nil),
    ] as [(String, Decomposition?)] {
      let tensors = change == .kasa ? [entry("m.q_proj.lora_diag", [8])] : []
      #expect(try adapter(fields, pair("m.q_proj") + tensors).config.lora?.decomposition == change, "\(fields)")
    }
  }

  @Test func loftQBelongsToItsOwnBase() throws {
    let error = try refusal(#""init_lora_weights": "loftq", "loftq_config": {"bits": 4}"#)
    #expect(error.message.contains("quantized base"))
    #expect(error.hint?.contains("the base that LoftQ wrote") == true)
  }

  @Test(arguments: [
    (#""use_dora": true, "lora_bias": true"#, "lora_bias"),
    (#""use_dora": true, "use_bdlora": {"nblocks": 2}"#, "use_bdlora"),
    (#""lora_bias": true, "init_lora_weights": "gaussian""#, "lora_bias"),
    (#""lora_bias": true, "init_lora_weights": "pissa""#, "lora_bias"),
    (#""kasa_config": {}, "use_dora": true"#, "use_dora"),
    (#""kasa_config": {}, "use_bdlora": {"nblocks": 2}"#, "use_bdlora"),
    (#""kasa_config": {}, "velora_config": {}"#, "velora_config"),
    (#""kasa_config": {}, "monteclora_config": {}"#, "monteclora_config"),
    (#""kasa_config": {}, "init_lora_weights": "mica""#, "init_lora_weights"),
    (#""kasa_config": {}, "init_lora_weights": "olora""#, "kasa_config"),
    (#""use_bdlora": {"nblocks": 2}, "init_lora_weights": "pissa""#, "use_bdlora"),
  ])
  func combinationsThatPEFTLacksAreRefused(fields: String, name: String) throws {
    let error = try refusal(fields)
    #expect(error.errorClass == "unsupported" && error.message.contains("\"\(name)\""), "\(error.message)")
  }

  @Test func theMessageSaysFileFieldValueAndReason() throws {
    let error = try refusal(#""use_qalora": true"#)
    #expect(
      error.description.hasSuffix(
        #"/adapter_config.json: "use_qalora" is true: a QALoRA adapter belongs to GPTQ weights and cannot be merged"#))
  }

  @Test(arguments: [
    #""use_dora": false"#, #""bias": "none""#, #""modules_to_save": []"#, #""init_lora_weights": false"#,
    #""init_lora_weights": "gaussian""#, #""init_lora_weights": "orthogonal""#, #""init_lora_weights": "eva""#,
    #""init_lora_weights": "mica""#, #""velora_config": {"scale": 1}"#, #""monteclora_config": {"num_samples": 8}"#,
    #""fan_in_fan_out": true"#, #""ensure_weight_tying": true"#, #""megatron_config": null"#,
    #""target_modules": ["q"]"#, #""lora_dropout": 0.5"#, #""loftq_config": {"bits": 4}"#, #""merge_weights": false"#,
    #""task_type": "SEQ_CLS", "revision": "main", "qalora_group_size": 8, "megatron_core": "x""#, #""later": null"#,
  ])
  func fieldsWithoutEffectAreAccepted(fields: String) throws {
    #expect(try adapter(fields).updates.count == 1)
  }

  @Test func whatTheConfigSaysIsKept() throws {
    let config = try adapter(
      #"""
      "bias": "lora_only", "lora_B_layout": "grouped_by_expert", "layer_replication": [[0, 2], [1, 3]],
      "fan_in_fan_out": true, "ensure_weight_tying": true, "init_lora_weights": "mica", "task_type": "SEQ_CLS",
      "peft_version": "0.21.2", "revision": "main", "auto_mapping": {"unsloth_fixed": true}
      """#
    ).config
    #expect(
      config.bias == .loraOnly && config.lora?.expertLayout == .expertMajor
        && config.layerReplication == [0..<2, 1..<3])
    #expect(config.fanInFanOut && config.tiesWeights && config.lora?.initialization == .named("mica"))
    #expect(config.taskType == "SEQ_CLS" && config.peftVersion == "0.21.2" && config.revision == "main")
    #expect(config.lora?.isFromUnsloth == true)
  }

  @Test func whatTheConfigDoesNotSayIsPEFTsDefault() throws {
    let config = try adapter().config
    #expect(config.bias == .none && config.lora?.expertLayout == nil && config.layerReplication == nil)
    #expect(
      !config.fanInFanOut && !config.tiesWeights && config.lora?.initialization == .plain
        && config.lora?.usesDora == false)
    #expect(
      config.taskType == nil && config.peftVersion == nil && config.revision == nil
        && config.lora?.isFromUnsloth == false)
    #expect(config.savedModules.isEmpty && config.targetParameters.isEmpty && config.trainableTokenIndices == nil)
    #expect(config.lora?.blockDiagonal == nil)
  }

  @Test func unknownMembersOfBDLoRAAreRefused() throws {
    #expect(try refusal(#""use_bdlora": {"nblocks": 2, "odd": 1}"#).errorClass == "unknown-field")
  }

  @Test func oldConfigsWithDifferentPatternsAreWarnedOf() throws {
    let patterns = #""rank_pattern": {"q_proj": 8}, "alpha_pattern": {"m.q_proj": 3}"#
    #expect(try adapter(patterns).warnings.contains { $0.contains("before 0.15") })
    #expect(try adapter(patterns + #", "peft_version": "0.18.0""#).warnings.isEmpty)
  }

  @Test func patternsWithoutEffectAreWarnedOf() throws {
    let warnings = try adapter(#""rank_pattern": {"k_proj": 4}"#).warnings
    #expect(warnings.count == 1)
    #expect(
      warnings.first?.hasSuffix(#"/adapter_config.json: rank_pattern "k_proj" matches no module of the adapter"#)
        == true)
  }

  @Test(arguments: ["true", "false", "0", "\"\"", "[]", "{}"])
  func unknownFieldsAreRefusedUnlessNull(value: String) throws {
    let error = try refusal(#""use_new_thing": \#(value)"#)
    #expect(error.errorClass == "unknown-field")
    #expect(error.message.hasPrefix(#""use_new_thing" is "#))
  }

  @Test func theFirstBadFieldOfTheFileIsReported() throws {
    #expect(try refusal(#""use_qalora": true, "odd": 1"#).message.contains("use_qalora"))
    #expect(try refusal(#""odd": 1, "use_qalora": true"#).message.contains("odd"))
  }

  @Test(arguments: [(#"{"peft_type": "FROD", "odd": 1}"#, #""FROD""#), (#"{"r": 8, "odd": 1}"#, "missing")])
  func otherTunersAreNamedBeforeTheirFields(config: String, expected: String) throws {
    let scratch = try Scratch()
    try scratch.write(config, to: "adapter_config.json")
    try scratch.write(pair("q"))
    let error = try #require(throws: AdapterError.self) { _ = try Adapter(folder: scratch.path) }
    #expect(error.message.contains("\"peft_type\"") && error.message.contains(expected))
  }

  /// The fields of `dataclasses.fields(peft.LoraConfig)` in PEFT 0.21.2, and the default of each as JSON.
  static let peftFields: [(String, JSONValue)] = [
    ("task_type", .null), ("peft_type", .string("LORA")), ("auto_mapping", .null), ("peft_version", .string("0.21.2")),
    ("base_model_name_or_path", .null), ("revision", .null), ("inference_mode", .bool(false)), ("r", .integer(8)),
    ("target_modules", .null), ("exclude_modules", .null), ("lora_alpha", .integer(8)), ("lora_dropout", .real(0)),
    ("fan_in_fan_out", .bool(false)), ("bias", .string("none")), ("use_rslora", .bool(false)),
    ("modules_to_save", .null), ("init_lora_weights", .bool(true)), ("layers_to_transform", .null),
    ("layers_pattern", .null), ("rank_pattern", .object([])), ("alpha_pattern", .object([])),
    ("megatron_config", .null), ("megatron_core", .string("megatron.core")), ("trainable_token_indices", .null),
    ("loftq_config", .object([])), ("eva_config", .null), ("corda_config", .null), ("lora_ga_config", .null),
    ("use_dora", .bool(false)), ("velora_config", .null), ("alora_invocation_tokens", .null),
    ("use_qalora", .bool(false)), ("qalora_group_size", .integer(16)), ("monteclora_config", .null),
    ("layer_replication", .null), ("runtime_config", .object([])), ("lora_bias", .bool(false)),
    ("target_parameters", .null), ("use_bdlora", .null), ("arrow_config", .null), ("kasa_config", .null),
    ("ensure_weight_tying", .bool(false)),
  ]

  @Test func everyFieldOfPEFTIsKnownAndItsDefaultAccepted() throws {
    #expect(Self.peftFields.count == 42)
    for (name, _) in Self.peftFields { #expect(ConfigField.named(name, of: LoRA.self) != nil, "\(name)") }
    let config = try AdapterConfig(.object(Self.peftFields.map { JSONMember(key: $0.0, value: $0.1) }), path: "c")
    #expect(config.lora?.ranks.rank == 8 && config.lora?.ranks.alpha == 8)
  }

  @Test func noFieldHasTwoMeanings() {
    for tuner in Tuners.all {
      let names = (ConfigField.common + tuner.fields).map(\.name)
      #expect(Set(names).count == names.count, "\(tuner.name)")
    }
  }
}
