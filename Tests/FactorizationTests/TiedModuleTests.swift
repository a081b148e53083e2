import Adapters
import Factorization
import JSONText
import LowRank
import Safetensors
import TestSupport
import Testing

/// Adapters of models that have no module of their `base_model_prefix`, and of embeddings that are heads too.
@Suite struct TiedModuleTests {
  private static let prefix = "base_model.model."

  private func names(_ adapter: String) throws -> [String] {
    try SafetensorsFile(path: adapter + "/adapter_model.safetensors").header.tensors
      .map { String($0.name.string.dropFirst(Self.prefix.count)) }.sorted()
  }

  private func checkMerge(_ pair: Pair, _ adapter: String) throws {
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    #expect(try pair.deltaError(of: again) < 1e-6)
  }

  private static let query = "decoder.block.0.layer.0.SelfAttention.q"

  private func t5(_ type: String, _ className: String, isTied: Bool, changes: (String) -> Bool) throws -> Pair {
    try TinyPair.make(
      #"{"model_type": "\#(type)", "architectures": ["\#(className)"], "tie_word_embeddings": \#(isTied)}"#,
      [
        "shared.weight": [16, 8], "\(Self.query).weight": [8, 8],
        "encoder.block.0.layer.0.SelfAttention.q.weight": [8, 8],
      ], changes: changes)
  }

  /// Their `base_model_prefix` is `transformer`, but their modules are at the root.
  @Test(
    arguments: [
      ("t5", "T5ForConditionalGeneration"), ("mt5", "MT5ForConditionalGeneration"),
      ("umt5", "UMT5ForConditionalGeneration"), ("longt5", "LongT5ForConditionalGeneration"),
    ])
  func modulesOfT5AreAtTheRoot(type: String, className: String) throws {
    let pair = try t5(type, className, isTied: true) { $0 == "\(Self.query).weight" }
    let adapter = try pair.extract(RankRule(.count(8)))
    #expect(try names(adapter) == ["lora_A", "lora_B"].map { "\(Self.query).\($0).weight" })
    try checkMerge(pair, adapter)
  }

  /// PEFT has an embedding for each of encoder and decoder, and looks for factors of all.
  @Test func embeddingsOfT5HaveFactorsEach() throws {
    let pair = try t5("t5", "T5ForConditionalGeneration", isTied: true) { $0 == "shared.weight" }
    let adapter = try pair.extract(RankRule(.count(8)))
    let embeddings = ["decoder.embed_tokens", "encoder.embed_tokens", "shared"]
      .flatMap { module in ["lora_embedding_A", "lora_embedding_B"].map { "\(module).\($0)" } }
    #expect(try names(adapter) == (embeddings + ["lm_head.lora_A.weight", "lm_head.lora_B.weight"]).sorted())
    #expect(try targets(adapter) == ["decoder.embed_tokens", "encoder.embed_tokens", "lm_head", "shared"])
    try checkMerge(pair, adapter)
  }

  /// PEFT adds the modules that are tied to an embedding by itself if that is called `embed_tokens`.
  @Test(
    arguments: [
      ("gpt2", "GPT2LMHeadModel", "transformer.wte", "lm_head", ["lm_head", "wte"]),
      ("bloom", "BloomForCausalLM", "transformer.word_embeddings", "lm_head", ["lm_head", "word_embeddings"]),
      (
        "bert", "BertForMaskedLM", "bert.embeddings.word_embeddings", "cls.predictions.decoder",
        ["cls.predictions.decoder", "word_embeddings"]
      ),
      ("llama", "LlamaForCausalLM", "model.embed_tokens", "lm_head", ["embed_tokens"]),
    ])
  func tiedHeadsAreTargets(type: String, className: String, embedding: String, head: String, expected: [String]) throws
  {
    let pair = try TinyPair.make(
      #"{"model_type": "\#(type)", "architectures": ["\#(className)"], "tie_word_embeddings": true}"#,
      ["\(embedding).weight": [16, 8]]
    ) { _ in true }
    let adapter = try pair.extract(RankRule(.count(8)))
    let factors = ["lora_embedding_A", "lora_embedding_B"].map { "\(embedding).\($0)" }
    #expect(try names(adapter) == (factors + ["lora_A", "lora_B"].map { "\(head).\($0).weight" }).sorted())
    #expect(try targets(adapter) == expected)
    #expect(try Adapter(path: adapter).config.tiesWeights)
    try checkMerge(pair, adapter)
  }

  private func targets(_ adapter: String) throws -> [String] {
    let text = try contents(adapter + "/adapter_config.json")
    let config = try JSONParser.parse(text.span)
    guard case .array(let names)? = config["target_modules"] else { return [] }
    return names.compactMap { if case .string(let name) = $0 { name } else { nil } }
  }
}
