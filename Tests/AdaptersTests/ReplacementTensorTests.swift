import Safetensors
import Testing

@testable import Adapters

/// What replaces the base's tensors, and what is left out.
@Suite struct WholeTensorTests {
  private let delta = "token_adapter.trainable_tokens_delta"

  private func targets(_ adapter: Adapter) -> [String] { adapter.replacements.map { "\($0.kind) \($0.target)" } }

  @Test func everyTensorHasOneUse() throws {
    let tensors =
      pair("m.q") + [
        entry("m.q.base_layer.bias", [6]), entry("m.k.bias", [6]), entry("norm.bias", [4]),
        entry("head.weight", [3, 4]),
        entry("head.bias", [3]), entry("head.modules_to_save.bias", [3]), entry("head.original_module.bias", [3]),
        entry("e.\(delta)", [2, 4]),
      ]
    let adapter = try adapter(
      #""bias": "all", "modules_to_save": ["head"], "trainable_token_indices": [5, 1]"#, tensors)
    #expect(
      targets(adapter) == [
        "bias head.bias", "savedModule head.weight", "bias m.k.bias", "bias m.q.bias", "bias norm.bias",
      ])
    #expect(adapter.tokenRows.map(\.module) == ["e"] && adapter.tokenRows[0].indices == [5, 1])
    #expect(adapter.ignoredTensors.count == 2 && adapter.ignoredTensors.allSatisfy { !$0.reason.isEmpty })
    let used =
      adapter.updates.flatMap(\.tensorIndices) + adapter.replacements.map(\.tensor) + adapter.tokenRows.map(\.tensor)
      + adapter.ignoredTensors.map(\.tensor)
    #expect(used.sorted() == Array(adapter.header.tensors.indices))
    #expect(adapter.warnings.isEmpty)
  }

  // MARK: Biases

  @Test(arguments: ["all", "lora_only"])
  func trainedBiasesReplace(bias: String) throws {
    for key in ["m.q.base_layer.bias", "m.q.bias"] {
      let adapter = try adapter(#""bias": "\#(bias)""#, pair("m.q") + [entry(key, [6])])
      #expect(targets(adapter) == ["bias m.q.bias"] && adapter.warnings.isEmpty)
    }
  }

  @Test func biasesOfAttentionBlocksAreFound() throws {
    let tensors = pair("a") + pair("a.base_layer.out_proj") + [entry("a.base_layer.out_proj.base_layer.bias", [6])]
    #expect(targets(try adapter(#""bias": "all""#, tensors)) == ["bias a.out_proj.bias"])
  }

  @Test func aBiasThatTheConfigLacksIsRefused() throws {
    #expect(try refusal("", pair("m.q") + [entry("m.q.base_layer.bias", [6])]).problem == .baseBiasNotDeclared)
  }

  @Test func aBiasHasOneDimension() throws {
    let error = try refusal(#""bias": "all""#, pair("m.q") + [entry("m.q.base_layer.bias", [6, 1])])
    #expect(error.message == "expected shape (out), found (6, 1)")
  }

  @Test func biasesThatWereNotSavedAreWarnedOf() throws {
    let warnings = try adapter(#""bias": "lora_only""#).warnings
    #expect(warnings.count == 1 && warnings[0].contains("\"lora_only\""))
  }

  @Test func aLoraBiasOfAnotherScalingIsWarnedOf() throws {
    let tensors = pair("m.q") + [entry("m.q.lora_B.bias", [6])]
    #expect(try adapter(#""lora_bias": true"#, tensors).warnings.isEmpty)
    let warnings = try adapter(#""lora_bias": true, "lora_alpha": 16"#, tensors).warnings
    #expect(warnings.count == 1 && warnings[0].contains("0.15.1"))
  }

  // MARK: Modules saved whole

  @Test func savedModulesReplace() throws {
    let tensors = pair("m.q") + [entry("m.head.a.weight", [3, 4], .f64), entry("m.head.steps", [], .i64)]
    let adapter = try adapter(#""modules_to_save": ["head"]"#, tensors)
    #expect(targets(adapter) == ["savedModule m.head.a.weight", "savedModule m.head.steps"])
    #expect(adapter.warnings.isEmpty)
  }

  /// PEFT takes `modules_to_save` for the end of a path without a dot.
  @Test func namesOfSavedModulesNeedNoDot() throws {
    let tensors = pair("m.q") + [entry("m.input_layernorm.weight", [4])]
    #expect(try adapter(#""modules_to_save": ["norm"]"#, tensors).warnings.isEmpty)
  }

  @Test func savedModulesWithoutTensorsAreRefusedOrWarnedOf() throws {
    let head = entry("head.weight", [3, 4])
    #expect(try refusal(#""modules_to_save": ["head"]"#).problem == .missingSavedModules(["head"]))
    let partly = try adapter(#""modules_to_save": ["head", "other"]"#, pair("m.q") + [head])
    #expect(partly.warnings.count == 1 && partly.warnings[0].contains("\"other\""))
    let score = entry("score.weight", [3, 4])
    let task = try adapter(
      #""task_type": "SEQ_CLS", "modules_to_save": ["classifier", "score"]"#, pair("m.q") + [score])
    #expect(task.warnings.isEmpty)
  }

  @Test func wholeTensorsWithoutReasonAreWarnedOf() throws {
    let odd = try adapter("", pair("m.q") + [entry("m.k.weight", [6, 4])])
    #expect(odd.replacements.count == 1 && odd.warnings.count == 1)
    #expect(odd.warnings[0].hasSuffix("such as base_model.model.m.k.weight"))
    let resized = try adapter(
      "", pair("m.q") + [entry("m.embed_tokens.weight", [9, 4]), entry("lm_head.weight", [9, 4])])
    #expect(resized.warnings.isEmpty)
  }

  @Test(arguments: ["modules_to_save.weight", "modules_to_save.default.weight"])
  func oldNamesOfSavedModulesAreRead(suffix: String) throws {
    let tensors = pair("m.q") + [entry("head.\(suffix)", [3, 4]), entry("head.original_module.weight", [3, 4])]
    let adapter = try adapter(#""modules_to_save": ["head"]"#, tensors)
    #expect(targets(adapter) == ["savedModule head.weight"] && adapter.ignoredTensors.count == 1)
    #expect(adapter.warnings.contains { $0.contains("modules_to_save.") })
  }

  @Test func theAdaptersNameInSavedModulesIsThatOfOtherKeys() throws {
    let mine = [
      entry("m.q.lora_A.mine.weight", [8, 4]), entry("m.q.lora_B.mine.weight", [6, 8]),
      entry("head.modules_to_save.mine.weight", [3, 4]), entry("head.modules_to_save.mine.default.weight", [3, 4]),
    ]
    let adapter = try adapter(#""modules_to_save": ["head"]"#, mine)
    #expect(targets(adapter) == ["savedModule head.default.weight", "savedModule head.weight"])
  }

  @Test func aSecondCopyIsIgnoredOnlyWherePEFTWritesIt() throws {
    let saved = #""modules_to_save": ["head"]"#
    let biases = pair("m.q") + [entry("head.bias", [3]), entry("head.modules_to_save.bias", [3])]
    #expect(try adapter(#""bias": "all", \#(saved)"#, biases).ignoredTensors.count == 1)
    #expect(try refusal(saved, biases).errorClass == "adapter-conflict")
    let resized = pair("m.q") + [entry("head.weight", [3, 4]), entry("head.modules_to_save.weight", [3, 4])]
    #expect(try adapter(saved, resized).ignoredTensors.count == 1)
    let original = pair("m.q") + [entry("head.weight", [3, 4]), entry("k.original_module.weight", [3, 4])]
    #expect(try refusal(saved, original).problem == .originalAlone("k.weight"))
  }

  @Test func twoTensorsForOneTargetAreRefused() throws {
    let tensors = pair("e") + [entry("e.weight", [6, 4]), entry("e.base_layer.weight", [6, 4])]
    let error = try refusal("", tensors)
    #expect(
      error.errorClass == "adapter-conflict" && error.message.hasPrefix("replaces e.weight, and so does base_model."))
  }

  @Test func theBasesOwnWeightReplaces() throws {
    let tensors =
      pair("lm_head") + [entry("lm_head.base_layer.weight", [6, 4]), entry("lm_head.base_layer.bias", [6])]
    #expect(targets(try adapter("", tensors)) == ["baseLayer lm_head.bias", "baseLayer lm_head.weight"])
  }

  @Test func whatTheBaseMustNotKeepIsKnown() throws {
    let saved = try adapter(
      #""modules_to_save": ["norm", "head"]"#,
      pair("m.q") + [entry("head.weight", [3, 4]), entry("m.norm.weight", [4])])
    for name in ["head.bias", "m.input_layernorm.weight", "m.norm.a.weight"] {
      #expect(saved.fieldReplacing(name) == "modules_to_save")
    }
    #expect(saved.fieldReplacing("m.normal.weight") == nil && saved.fieldReplacing("norm") == nil)
    let bias = entry("m.q.base_layer.bias", [6])
    let all = try adapter(#""bias": "all""#, pair("m.q") + [bias])
    #expect(all.fieldReplacing("m.k.bias") == "bias" && all.fieldReplacing("m.k.in_bias") == nil)
    let some = try adapter(#""bias": "lora_only""#, pair("m.q") + pair("m.k") + [bias])
    #expect(some.fieldReplacing("m.k.bias") == "bias" && some.fieldReplacing("m.v.bias") == nil)
    #expect(try adapter(#""bias": "all""#).fieldReplacing("m.k.bias") == nil)
  }

  @Test func otherBiasesOfOldReleasesReplace() throws {
    let tensors = pair("a") + pair("a.base_layer.out_proj") + [entry("a.base_layer.in_proj_bias", [12])]
    #expect(targets(try adapter(#""bias": "all""#, tensors)) == ["bias a.in_proj_bias"])
    #expect(try refusal("", tensors).problem == .unknownKey)
  }

  /// What PEFT saves of an embedding whose class has a parameter beside its weight.
  @Test func parametersBesideASavedWeightReplace() throws {
    let tensors = pair("q") + [entry("m.e.base_layer.weight", [6, 4]), entry("m.e.base_layer.eoi_embedding", [4])]
    #expect(Set(targets(try adapter("", tensors))) == ["baseLayer m.e.weight", "baseLayer m.e.eoi_embedding"])
    #expect(try refusal("", pair("q") + [entry("m.e.base_layer.eoi_embedding", [4])]).problem == .unknownKey)
  }

  // MARK: Token rows

  @Test func tokensOfAListAreOfOneEmbedding() throws {
    let fields = #""trainable_token_indices": [3, 1]"#
    let rows = entry("m.e.\(delta)", [2, 4])
    #expect(try adapter(fields, pair("q") + [rows]).tokenRows.map(\.indices) == [[3, 1]])
    #expect(try refusal(fields).problem == .missingTokenRows("the input embedding"))
    #expect(try refusal("", pair("q") + [rows]).problem == .tokensNotDeclared)
    let two = pair("q") + [rows, entry("n.e.\(delta)", [2, 4])]
    #expect(try refusal(fields, two).problem == .tokensOfSeveral(other: "m.e"))
  }

  @Test(arguments: [[3, 4], [2], [2, 4, 1], [1, 4]])
  func tokensMustBeAsManyAsRows(shape: [Int]) throws {
    let error = try refusal(#""trainable_token_indices": [3, 1]"#, pair("q") + [entry("e.\(delta)", shape)])
    #expect(error.message.hasPrefix("expected shape (2, dimension)"))
  }

  @Test func tokensOfADictionaryGoByTheEndOfThePath() throws {
    let fields = #""trainable_token_indices": {"lm_head": [2], "e": [3, 1]}"#
    let rows = [entry("m.e.\(delta)", [2, 4]), entry("lm_head.\(delta)", [1, 4])]
    let adapter = try adapter(fields, pair("q") + rows)
    #expect(
      adapter.tokenRows.map(\.module) == ["lm_head", "m.e"] && adapter.tokenRows.map(\.indices) == [[2], [3, 1]])
    #expect(try refusal(fields, pair("q") + [rows[0]]).problem == .missingTokenRows("\"lm_head\""))
    #expect(try refusal(fields, pair("q") + rows + [entry("m.te.\(delta)", [2, 4])]).problem == .tokensNotDeclared)
    let twice = #""trainable_token_indices": {"e": [3, 1], "m.e": [3, 1]}"#
    #expect(try refusal(twice, pair("q") + [rows[0]]).problem == .tokensNamedTwice("e", "m.e"))
  }

  @Test func tokensOfTiedLayersAreSavedOnce() throws {
    let fields = #""trainable_token_indices": {"lm_head": [3, 1], "e": [3, 1]}"#
    let adapter = try adapter(fields, pair("q") + [entry("m.e.\(delta)", [2, 4])])
    #expect(adapter.tokenRows.count == 1 && adapter.warnings.count == 1 && adapter.warnings[0].contains("tied"))
  }

  @Test func anEmbeddingMayBeResizedAndHaveRows() throws {
    let tensors = pair("q") + [entry("e.token_adapter.base_layer.weight", [9, 4]), entry("e.\(delta).mine", [1, 4])]
    let adapter = try adapter(#""trainable_token_indices": [8]"#, tensors)
    #expect(targets(adapter) == ["baseLayer e.weight"] && adapter.tokenRows.map(\.module) == ["e"])
  }

  // MARK: Variants

  @Test(arguments: [
    (#""velora_config": {"scale": 1}"#, "lora_velora_embed"),
    (#""velora_config": {"scale": 1}"#, "lora_velora_embed.mine"),
    (#""monteclora_config": {"num_samples": 8}"#, "lora_monteclora_sampler.std_prior"),
    (#""monteclora_config": {"num_samples": 8}"#, "lora_monteclora_sampler.mine.expert_weights"),
  ])
  func tensorsOfTrainingAreIgnoredIfTheConfigHasTheVariant(fields: String, key: String) throws {
    let tensors = pair("m.q") + [entry("m.q.\(key)", [4])]
    let adapter = try adapter(fields, tensors)
    #expect(adapter.updates.count == 1 && adapter.ignoredTensors.map(\.tensor).count == 1)
    #expect(adapter.ignoredTensors[0].reason.contains("training only"))
    #expect(try refusal("", tensors).message.contains("has no \""))
  }
}
