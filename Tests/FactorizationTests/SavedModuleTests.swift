import Adapters
import Factorization
import LowRank
import Platform
import Safetensors
import TestSupport
import Testing

/// Modules that an adapter has whole are those for which PEFT looks in the file.
@Suite struct SavedModuleTests {
  private struct Contents {
    let names: [String]
    let config: AdapterConfig

    init(_ adapter: String) throws {
      names = try SafetensorsFile(path: adapter + "/adapter_model.safetensors").header.tensors
        .map { String($0.name.string.dropFirst("base_model.model.".count)) }.sorted()
      config = try Adapter(path: adapter).config
    }
  }

  private func checkMerge(_ pair: Pair, _ adapter: String) throws {
    let again = pair.scratch.file("again")
    try Pair.merge(pair.base, adapter, to: again)
    #expect(try pair.deltaError(of: again) < 1e-6)
  }

  private static let query = "roberta.encoder.layer.0.attention.self.query"

  private func sequenceClassifier(changes: (String) -> Bool) throws -> Pair {
    try TinyPair.make(
      #"{"model_type": "roberta", "architectures": ["RobertaForSequenceClassification"]}"#,
      [
        "\(Self.query).weight": [8, 8], "\(Self.query).bias": [8], "classifier.dense.weight": [8, 8],
        "classifier.dense.bias": [8], "classifier.out_proj.weight": [3, 8], "classifier.out_proj.bias": [3],
      ], changes: changes)
  }

  private static let classifier = ["dense.bias", "dense.weight", "out_proj.bias", "out_proj.weight"]
    .map { "classifier.\($0)" }

  /// PEFT adds `classifier` to `modules_to_save` by itself, and fails without one of its tensors, changed or not.
  @Test(arguments: [[], ["classifier.dense.weight"], ["classifier.dense.weight", "classifier.out_proj.bias"]])
  func headsOfClassifiersAreWhole(changed: [String]) throws {
    let pair = try sequenceClassifier { ["\(Self.query).weight"].contains($0) || changed.contains($0) }
    let adapter = try pair.extract(RankRule(.count(8)))
    let contents = try Contents(adapter)
    #expect(
      contents.names == Self.classifier + ["lora_A", "lora_B"].map { "\(Self.query).\($0).weight" })
    #expect(contents.config.savedModules == ["classifier"] && contents.config.bias == .none)
    try checkMerge(pair, adapter)
  }

  @Test func headThatDidNotChangeIsNoChange() throws {
    let pair = try sequenceClassifier { _ in false }
    #expect(refusal { try pair.extract(RankRule(.count(8))) }?.errorClass == "no-change")
  }

  @Test func headAloneIsAChange() throws {
    let pair = try sequenceClassifier { $0 == "classifier.dense.weight" }
    let adapter = try pair.extract(RankRule(.count(8)))
    #expect(try Contents(adapter).names == Self.classifier)
    try checkMerge(pair, adapter)
  }

  /// A path that ends with `classifier`, though not on a dot.
  @Test func headsOfDistilBERTAreWhole() throws {
    let query = "distilbert.transformer.layer.0.attention.q_lin"
    let pair = try TinyPair.make(
      #"{"model_type": "distilbert", "architectures": ["DistilBertForSequenceClassification"]}"#,
      [
        "\(query).weight": [8, 8], "pre_classifier.weight": [8, 8], "pre_classifier.bias": [8],
        "classifier.weight": [3, 8], "classifier.bias": [3],
      ]
    ) { $0 == "\(query).weight" || $0 == "pre_classifier.weight" }
    let adapter = try pair.extract(RankRule(.count(8)))
    let contents = try Contents(adapter)
    #expect(contents.config.savedModules == ["classifier"])
    #expect(
      contents.names == [
        "classifier.bias", "classifier.weight", "\(query).lora_A.weight", "\(query).lora_B.weight",
        "pre_classifier.bias", "pre_classifier.weight",
      ])
    try checkMerge(pair, adapter)
  }

  @Test func headsOfQuestionAnsweringAreWhole() throws {
    let query = "bert.encoder.layer.0.attention.self.query"
    let pair = try TinyPair.make(
      #"{"model_type": "bert", "architectures": ["BertForQuestionAnswering"]}"#,
      ["\(query).weight": [8, 8], "qa_outputs.weight": [2, 8], "qa_outputs.bias": [2]]
    ) { $0.hasSuffix(".weight") }
    let adapter = try pair.extract(RankRule(.count(8)))
    let contents = try Contents(adapter)
    #expect(contents.config.savedModules == ["qa_outputs"])
    #expect(
      contents.names == ["\(query).lora_A.weight", "\(query).lora_B.weight", "qa_outputs.bias", "qa_outputs.weight"])
    try checkMerge(pair, adapter)
  }

  /// The norm of a model without a head has a name with which the paths of others end.
  @Test(arguments: [["norm.weight"], ["norm.weight", "layers.0.input_layernorm.weight"]])
  func allThatANameMeansIsInTheFile(changed: [String]) throws {
    let query = "layers.0.self_attn.q_proj"
    let pair = try TinyPair.make(
      #"{"model_type": "llama", "architectures": ["LlamaModel"]}"#,
      [
        "embed_tokens.weight": [16, 8], "\(query).weight": [8, 8], "layers.0.input_layernorm.weight": [8],
        "layers.0.post_attention_layernorm.weight": [8], "norm.weight": [8],
      ]
    ) { $0 == "\(query).weight" || changed.contains($0) }
    let adapter = try pair.extract(RankRule(.count(8)))
    let contents = try Contents(adapter)
    #expect(contents.config.savedModules == ["norm"])
    #expect(
      contents.names == [
        "layers.0.input_layernorm.weight", "layers.0.post_attention_layernorm.weight", "\(query).lora_A.weight",
        "\(query).lora_B.weight", "norm.weight",
      ])
    try checkMerge(pair, adapter)
  }
}
