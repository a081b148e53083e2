import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// `lora_adapter_metadata`, the configs that diffusers saves in a file.
@Suite struct StatedConfigTests {
  private func pair(_ module: String, rank: Int = 4) -> [TestTensor] {
    [zeros(module + ".lora_A.weight", [rank, 4]), zeros(module + ".lora_B.weight", [6, rank])]
  }

  private func metadata(_ text: String) -> [String: String] { ["lora_adapter_metadata": text] }

  @Test func everyComponentHasItsOwn() throws {
    let text = #"""
      {"unet.r": 4, "unet.lora_alpha": 2, "unet.alpha_pattern": {"b": 8, "q": 1}, "unet.peft_type": "LORA",
       "text_encoder.r": 4, "text_encoder.lora_alpha": 8, "text_encoder.use_rslora": true, "text_encoder.peft_type": "LORA"}
      """#
    let found = try fileAdapter(
      pair("unet.a") + pair("unet.x.b") + pair("text_encoder.c") + pair("transformer.d"), metadata: metadata(text))
    #expect(found.updates.map(\.module) == ["text_encoder.c", "transformer.d", "unet.a", "unet.x.b"])
    #expect(found.updates.map(\.scaling) == [4, 1, 0.5, 2] && found.updates[3].alphaPattern == "b")
    #expect(found.unusedPatterns == [UnusedPattern(field: "unet.alpha_pattern", key: "q")])
    #expect(found.warnings.count == 2)
  }

  @Test func aModelsOwnHasNoComponent() throws {
    let found = try fileAdapter(
      pair("down.a"), metadata: metadata(#"{"r": 4, "lora_alpha": 2, "peft_type": "LORA"}"#))
    #expect(found.updates.map(\.scaling) == [0.5])
  }

  @Test func biasesAreScaledAsPEFTDoes() throws {
    let text = #"{"r": 4, "lora_alpha": 2, "lora_bias": true, "peft_type": "LORA"}"#
    let found = try fileAdapter(pair("a") + [zeros("a.lora_B.bias", [6])], metadata: metadata(text))
    #expect(found.updates[0].bias?.isScaled == true)
  }

  @Test func whatIsWrongIsRefused() throws {
    func refusal(_ text: String, _ more: [TestTensor] = []) throws -> AdapterError {
      try fileRefusal(pair("unet.a") + more, metadata: metadata(text))
    }
    #expect(try refusal("{").errorClass == "adapter-config")
    #expect(try refusal("[]").errorClass == "adapter-config")
    #expect(try refusal(#"{"unet.r": 8, "unet.lora_alpha": 2, "unet.peft_type": "LORA"}"#).errorClass == "rank")
    #expect(try refusal(#"{"unet.r": 4, "r": 4}"#).errorClass == "adapter-config")
    #expect(try refusal(#"{"unet.r": 4, "unet.peft_type": "LORA", "unet.strange": 4}"#).errorClass == "unknown-field")
    // The fields have the names that the file has.
    let strange = try refusal(#"{"unet.r": 4, "unet.peft_type": "LORA", "unet.strange": 4}"#)
    #expect(strange.message.hasPrefix("\"unet.strange\" is 4"))
    #expect(strange.hint?.contains("from lora_adapter_metadata in the metadata") == true)
    #expect(
      try refusal(#"{"unet.r": 8, "unet.peft_type": "LORA"}"#).message.contains("expected rank 8 from \"unet.r\""))
    #expect(try refusal(#"{"unet.r": "x", "unet.peft_type": "LORA"}"#).message.hasPrefix("\"unet.r\" is"))
    #expect(
      try refusal(#"{"unet.r": 4, "unet.peft_type": "LORA", "unet.rank_pattern": {"(": 4}}"#).message.hasPrefix(
        "\"unet.rank_pattern\""))
    #expect(try refusal(#"{"unet.r": 4, "unet.peft_type": "XLORA"}"#).message.contains("\"unet.peft_type\""))
    #expect(
      try refusal(#"{"unet.r": 4, "unet.peft_type": "LORA", "unet.init_lora_weights": "pissa"}"#).errorClass
        == "adapter-config")
    #expect(
      try refusal(#"{"unet.r": 4, "unet.peft_type": "LORA", "unet.use_dora": true}"#).errorClass == "pair")
    #expect(
      try refusal(#"{"unet.r": 4, "unet.peft_type": "LORA"}"#, [number("unet.a.alpha", 1)]).errorClass
        == "adapter-conflict")
  }
}
