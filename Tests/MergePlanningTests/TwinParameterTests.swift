import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Parameters beside embeddings and heads that a model keeps as one tensor.
@Suite struct TwinParameterTests {
  private func config(tied: Bool) -> String {
    "{\"architectures\": [\"DiffusionGemmaForBlockDiffusion\"], \"model_type\": \"diffusion_gemma\", "
      + "\"tie_word_embeddings\": \(tied)}"
  }

  private let kept = "model.decoder.layers.1.self_attn.q_proj"
  private let other = "model.encoder.language_model.layers.1.self_attn.q_proj"

  private func plan(
    _ names: [String], _ factors: [TestTensor], tied: Bool = true, _ option: MergeOptions.Tied = .refuse
  ) throws -> MergePlan {
    var options = MergeOptions()
    options.tied = option
    return try makePlan(
      base: names.map { TestTensor($0 + ".weight", .f32, [6, 4]) }, factors, config: config(tied: tied),
      options: options)
  }

  /// The modules whose weights a plan changes.
  private func updated(_ plan: MergePlan) -> [String] {
    plan.updatedTensors.map { String($0.name.string.dropLast(".weight".count)) }
  }

  private func embeddingFactors(_ module: String) -> [TestTensor] {
    [
      TestTensor("\(module).lora_embedding_A", .f32, [2, 6]), TestTensor("\(module).lora_embedding_B", .f32, [4, 2]),
    ]
  }

  /// The encoder of DiffusionGemma has the decoder's layers: a merge of the decoder's factors would change both.
  @Test func aLayerOfTwoModulesIsRefused() throws {
    let factors = loraLayer(kept, rows: 6, columns: 4)
    for option in [MergeOptions.Tied.refuse, .split] {
      let error = #expect(throws: PlanError.self) { try plan([kept], factors, option) }
      #expect(
        error?.problem
          == .twins(kept: kept + ".weight", other: other + ".weight", class: "DiffusionGemmaForBlockDiffusion"))
      #expect(error?.errorClass == "tied")
    }
    let shared = try plan([kept], factors, .shared)
    #expect(updated(shared) == [kept])
    #expect(shared.warnings.contains { $0.contains("both change") })
  }

  /// Each module has a tensor of its own on disk, or config.json ties nothing.
  @Test func aLayerOfItsOwnIsMerged() throws {
    let factors = loraLayer(kept, rows: 6, columns: 4)
    #expect(try updated(plan([kept, other], factors)) == [kept])
    #expect(try updated(plan([kept], factors, tied: false)) == [kept])
    let own = "model.decoder.self_conditioning.up_proj"
    #expect(try updated(plan([own], loraLayer(own, rows: 6, columns: 4))) == [own])
  }

  /// config.json still ties: without the key the encoder's layers would be missing.
  @Test func aHeadApartLeavesTheLayersTied() throws {
    let made = try plan(
      ["model.decoder.embed_tokens", kept], loraLayer("lm_head", rows: 6, columns: 4), .split)
    #expect(made.textFiles.allSatisfy { $0.name != "config.json" })
    #expect(updated(made) == ["lm_head"])
  }

  /// The decoder reads the weight of its embedding for soft embeddings as well, past an adapter.
  @Test(arguments: [true, false])
  func anEmbeddingThatIsReadInTwoWaysIsRefused(tied: Bool) throws {
    let module = "model.decoder.embed_tokens"
    let error = #expect(throws: PlanError.self) { try plan([module], embeddingFactors(module), tied: tied, .shared) }
    #expect(error?.problem == .partlyBypassed(module: module, class: "DiffusionGemmaForBlockDiffusion"))
  }

  /// Layers of a number that the other name does not have.
  @Test func patternsMatchNumbers() throws {
    let pair = try #require(TwinParameters.Pair("box.#.layers.*.weight=box.0.layers.*.weight"))
    #expect(TwinParameters.Pair("a.weight,b.weight") == nil)
    let first = TwinParameters(pairs: [pair], names: ["box.0.layers.1.weight"])
    #expect(first.absentTwin(of: "box.0.layers.1.weight") == "box.#.layers.1.weight")
    #expect(first.absentTwin(of: "box.layers.1.weight") == nil)
    #expect(first.absentTwin(of: "box.x.layers.1.weight") == nil)
    let both = TwinParameters(pairs: [pair], names: ["box.0.layers.1.weight", "box.3.layers.1.weight"])
    #expect(both.absentTwin(of: "box.0.layers.1.weight") == nil)
    #expect(both.absentTwin(of: "box.3.layers.1.weight") == nil)
    let inner = TwinParameters(pairs: [pair.under("model.")], names: [])
    #expect(inner.absentTwin(of: "model.box.3.layers.2.weight") == "model.box.0.layers.2.weight")
  }

  /// Zamba's hybrid layers have one block: factors of one of them alone would change the others too.
  @Test func aBlockOfSeveralLayersNeedsFactorsForEach() throws {
    let config =
      "{\"architectures\": [\"ZambaForCausalLM\"], \"model_type\": \"zamba\", \"tie_word_embeddings\": false, "
      + "\"layers_block_type\": [\"mamba\", \"hybrid\", \"mamba\", \"hybrid\"]}"
    let modules = [1, 3].map { "model.layers.\($0).shared_transf.self_attn.q_proj" }
    let base = [TestTensor(modules[0] + ".weight", .f32, [6, 4])]
    func plan(_ count: Int, _ option: MergeOptions.Tied = .refuse) throws -> MergePlan {
      var options = MergeOptions()
      options.tied = option
      let factors = modules.prefix(count).flatMap { loraLayer($0, rows: 6, columns: 4) }
      return try makePlan(base: base, factors, config: config, options: options)
    }
    let error = #expect(throws: PlanError.self) { try plan(1) }
    #expect(
      error?.problem
        == .twins(kept: modules[0] + ".weight", other: modules[1] + ".weight", class: "ZambaForCausalLM"))
    #expect(try updated(plan(1, .shared)) == [modules[0]])
    #expect(try updated(plan(2)) == [modules[0]])
  }

  /// XLM with an adaptive softmax has no head that could be the embedding, and Reformer's head is of another width.
  @Test(arguments: [
    ("XLMWithLMHeadModel", "xlm", "\"asm\": true", "transformer.embeddings", 0),
    ("XLMWithLMHeadModel", "xlm", "\"asm\": false", "transformer.embeddings", 1),
    ("ReformerModelWithLMHead", "reformer", "\"is_decoder\": true", "reformer.embeddings.word_embeddings", 0),
  ])
  func someHeadsAreNeverTied(name: String, type: String, field: String, embedding: String, groups: Int) throws {
    let text =
      "{\"architectures\": [\"\(name)\"], \"model_type\": \"\(type)\", \"tie_word_embeddings\": true, \(field)}"
    let base = [TestTensor(embedding + ".weight", .f32, [6, 4]), TestTensor("lm_head.decoder.weight", .f32, [6, 8])]
    let error = TestSupport.refusal { _ = try makePlan(base: base, embeddingFactors(embedding), config: text) }
    #expect((error as? PlanError)?.errorClass == (groups == 0 ? nil : "tied"))
  }
}
