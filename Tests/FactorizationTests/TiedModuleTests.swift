import Adapters
import Factorization
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
}
