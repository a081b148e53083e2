import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// Tuners that replace tensors or rows and update no module.
@Suite struct ReplacingTunerTests {
  private static let norms = #""peft_type": "LN_TUNING", "target_modules": ["ln_1", "norm"]"#
  private static let tokens = #""peft_type": "TRAINABLE_TOKENS", "token_indices": [4, 1]"#

  private func norm(_ module: String) -> [Entry] {
    [
      entry("\(module).ln_tuning_layers.weight", [4]),
      entry("\(module).ln_tuning_layers.bias", [4]),
    ]
  }

  @Test func normsReplaceTheBases() throws {
    let found = try adapter(
      json: "{\(Self.norms)}", norm("h.0.ln_1") + [entry("norm.ln_tuning_layers.weight", [4])])
    #expect(found.config.methodName == "LN tuning" && found.updates.isEmpty && found.warnings == [])
    #expect(
      found.replacements.map(\.target) == ["h.0.ln_1.bias", "h.0.ln_1.weight", "norm.weight"])
    #expect(found.fieldReplacing("h.0.ln_1.bias") == "target_modules")
    #expect(
      found.fieldReplacing("h.0.ln_2.bias") == nil && found.fieldReplacing("h.0.xln_1.bias") == nil)
  }

  @Test func aModuleIsSavedWholeTogetherWithNorms() throws {
    let fields = Self.norms + #", "modules_to_save": ["ln_f"]"#
    let found = try adapter(json: "{\(fields)}", norm("h.0.ln_1") + [entry("ln_f.weight", [4])])
    #expect(found.replacements.count == 3 && found.warnings == [])
  }

  @Test func adaptersWithoutNormsAreRefused() throws {
    let saved = #"{"peft_type": "LN_TUNING", "target_modules": ["ln_1"], "r": 8}"#
    #expect(try refusal(json: saved, norm("h.0.ln_1")).errorClass == "unsupported")
    #expect(try refusal(json: "{\(Self.norms)}", pair("m")).errorClass == "adapter-key")
    let twice = norm("ln_1") + [entry("ln_1.weight", [4])]
    #expect(try refusal(json: "{\(Self.norms)}", twice).errorClass == "adapter-conflict")
  }

  @Test func tokensReplaceRows() throws {
    let rows = entry("model.embed_tokens.trainable_tokens_delta", [2, 6])
    let found = try adapter(
      json: "{\(Self.tokens), \"target_modules\": \"model.embed_tokens\"}", [rows])
    #expect(found.config.methodName == "trainable tokens" && found.updates.isEmpty)
    #expect(
      found.tokenRows.map(\.module) == ["model.embed_tokens"]
        && found.tokenRows[0].indices == [4, 1])
  }

  @Test func everyEmbeddingHasTheSameTokens() throws {
    let rows = ["embed_tokens", "lm_head"].map { entry("\($0).trainable_tokens_delta", [2, 6]) }
    let fields = Self.tokens + #", "target_modules": ["embed_tokens", "lm_head"]"#
    #expect(try adapter(json: "{\(fields)}", rows).tokenRows.count == 2)
    #expect(try refusal(json: "{\(fields)}", [rows[0]]).errorClass == "pair")
  }

  @Test func otherRowsAreRefused() throws {
    let rows = [entry("embed_tokens.trainable_tokens_delta", [3, 6])]
    #expect(try refusal(json: "{\(Self.tokens)}", rows).errorClass == "shape")
    #expect(
      try refusal(json: #"{"peft_type": "TRAINABLE_TOKENS"}"#, rows).errorClass == "adapter-config")
    let twice = #"{"peft_type": "TRAINABLE_TOKENS", "token_indices": [1, 1]}"#
    #expect(try refusal(json: twice, rows).errorClass == "adapter-config")
  }
}
