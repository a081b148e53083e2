import JSONText
import Safetensors
import Testing

@testable import Adapters

@Suite struct AdapterConfigTests {
  @Test func missingFieldsTakePEFTsDefaults() throws {
    let adapter = try adapter()
    #expect(adapter.config.rank == 8)
    #expect(adapter.config.alpha == 8)
    #expect(!adapter.config.usesRankStabilizedScaling)
    #expect(!adapter.config.hasLoraBias)
    #expect(adapter.config.rankPattern.keys.isEmpty && adapter.config.alphaPattern.keys.isEmpty)
    #expect(adapter.baseModelName == nil)
    #expect(adapter.layers.map(\.scaling) == [1])
  }

  @Test(arguments: [
    ("", 1), (#""lora_alpha": 16"#, 2), (#""lora_alpha": -4"#, -0.5), (#""lora_alpha": 0"#, 0),
    (#""lora_alpha": 1.5"#, 0.1875), (#""lora_alpha": 6, "use_rslora": true"#, 6 / 8.0.squareRoot()),
    (#""lora_alpha": 6, "use_rslora": null"#, 0.75),
  ])
  func scalesByAlphaOverRankOrItsRoot(fields: String, scaling: Double) throws {
    #expect(try adapter(fields).layers[0].scaling == scaling)
  }

  @Test func patternsOverrideRankAndAlphaIndependently() throws {
    let adapter = try adapter(
      #""r": 8, "lora_alpha": 16, "rank_pattern": {"q_proj": 4, "m.q_proj": 2}, "alpha_pattern": {"v_proj$|k": 3}"#,
      pair("m.q_proj", rank: 4) + pair("m.v_proj") + pair("m.o_proj"))
    #expect(adapter.layers.map(\.module) == ["m.o_proj", "m.q_proj", "m.v_proj"])
    #expect(adapter.layers.map(\.rank) == [8, 4, 8])
    #expect(adapter.layers.map(\.alpha) == [16, 16, 3])
    #expect(adapter.layers.map(\.scaling) == [2, 4, 0.375])
    #expect(adapter.layers.map(\.rankPattern) == [nil, "q_proj", nil])
    #expect(adapter.layers.map(\.alphaPattern) == [nil, nil, "v_proj$|k"])
    #expect(adapter.unusedPatterns == [UnusedPattern(field: "rank_pattern", key: "m.q_proj")])
  }

  @Test func nullPatternsAreEmpty() throws {
    #expect(try adapter(#""rank_pattern": null, "alpha_pattern": {}"#).layers.count == 1)
  }

  @Test func theBaseModelsNameIsKept() throws {
    #expect(try adapter(#""base_model_name_or_path": "org/model""#).baseModelName == "org/model")
  }

  @Test(arguments: [
    (#""r": 0"#, #""r" is 0: an integer of at least 1 expected"#),
    (#""r": 8.0"#, #""r" is 8.0: an integer of at least 1 expected"#),
    (#""r": null"#, #""r" is null"#), (#""r": true"#, #""r" is true"#), (#""r": "8""#, #""r" is "8""#),
    (#""lora_alpha": "16""#, #""lora_alpha" is "16": a finite number expected"#),
    (#""lora_alpha": null"#, #""lora_alpha" is null"#),
    (#""use_rslora": 1"#, #""use_rslora" is 1: true or false expected"#),
    (#""lora_bias": "all""#, #""lora_bias" is "all""#),
    (#""rank_pattern": []"#, #""rank_pattern" is an array of 0: an object expected"#),
    (#""rank_pattern": {"q": 1.5}"#, #""rank_pattern"["q"]" is 1.5"#),
    (#""alpha_pattern": {"q": null}"#, #""alpha_pattern"["q"]" is null: a finite number expected"#),
    (#""base_model_name_or_path": 7"#, #""base_model_name_or_path" is 7: a string expected"#),
  ])
  func wrongTypesAreNamed(fields: String, message: String) throws {
    let error = try refusal(fields)
    #expect(error.errorClass == "adapter-config")
    #expect(error.message.hasPrefix(message))
    #expect(error.file?.hasSuffix("/adapter_config.json") == true)
  }

  @Test(arguments: [
    #""use_dora": true"#, #""bias": "all""#, #""bias": "lora_only""#, #""modules_to_save": ["lm_head"]"#,
    #""target_parameters": ["mlp.experts"]"#, #""trainable_token_indices": [1]"#, #""layer_replication": [[0, 1]]"#,
    #""fan_in_fan_out": true"#, #""ensure_weight_tying": true"#, #""use_bdlora": {"nblocks": 2}"#,
    #""kasa_config": {"beta": 1}"#, #""velora_config": {"a": 1}"#, #""monteclora_config": {"a": 1}"#,
    #""megatron_config": {"a": 1}"#, #""alora_invocation_tokens": [1]"#, #""alora_invocation_tokens": []"#,
    #""arrow_config": {"a": 1}"#, #""use_qalora": true"#, #""init_lora_weights": "pissa""#,
    #""init_lora_weights": "pissa_niter_4""#, #""init_lora_weights": "olora""#, #""init_lora_weights": "corda""#,
    #""init_lora_weights": "loftq""#, #""init_lora_weights": "lora_ga""#, #""init_lora_weights": "mica""#,
    #""init_lora_weights": "something""#, #""enable_lora": [true, false]"#,
  ])
  func unsupportedFieldsAreRefusedByName(field: String) throws {
    let error = try refusal(field)
    let name = field.split(separator: ":")[0]
    #expect(error.errorClass == "unsupported")
    #expect(error.category == .refusedInput)
    #expect(error.message.hasPrefix("\(name) is "))
    #expect(!error.message.contains("\n"))
  }

  @Test func theMessageSaysFileFieldValueAndFeature() throws {
    let error = try refusal(#""use_dora": true"#)
    #expect(error.description.hasSuffix(#"/adapter_config.json: "use_dora" is true: DoRA is not supported yet"#))
  }

  @Test(arguments: [
    #""use_dora": false"#, #""bias": "none""#, #""modules_to_save": []"#, #""init_lora_weights": false"#,
    #""init_lora_weights": "gaussian""#, #""init_lora_weights": "orthogonal""#, #""init_lora_weights": "eva""#,
    #""target_modules": ["q"]"#, #""lora_dropout": 0.5"#, #""loftq_config": {"bits": 4}"#, #""merge_weights": false"#,
    #""task_type": "SEQ_CLS", "revision": "main", "qalora_group_size": 8, "megatron_core": "x""#, #""later": null"#,
  ])
  func fieldsWithoutEffectAreAccepted(fields: String) throws {
    #expect(try adapter(fields).layers.count == 1)
  }

  @Test(arguments: ["true", "false", "0", "\"\"", "[]", "{}"])
  func unknownFieldsAreRefusedUnlessNull(value: String) throws {
    let error = try refusal(#""use_new_thing": \#(value)"#)
    #expect(error.errorClass == "unknown-field")
    #expect(error.message.hasPrefix(#""use_new_thing" is "#))
  }

  @Test func theFirstBadFieldOfTheFileIsReported() throws {
    #expect(try refusal(#""use_dora": true, "odd": 1"#).message.contains("use_dora"))
    #expect(try refusal(#""odd": 1, "use_dora": true"#).message.contains("odd"))
  }

  @Test(arguments: [(#"{"peft_type": "LOHA", "odd": 1}"#, #""LOHA""#), (#"{"r": 8}"#, "missing")])
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
    for (name, _) in Self.peftFields { #expect(ConfigField.named(name) != nil, "\(name)") }
    let config = try AdapterConfig(.object(Self.peftFields.map { JSONMember(key: $0.0, value: $0.1) }), path: "c")
    #expect(config.rank == 8 && config.alpha == 8)
    #expect(Set(ConfigField.all.map(\.name)).count == ConfigField.all.count)
  }
}
