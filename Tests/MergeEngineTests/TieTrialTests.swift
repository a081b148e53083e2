import Adapters
import Checkpoints
import Foundation
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

/// Models whose embedding and head are one tensor, by names and defaults of many families: what an adapter of one of them
/// makes, in values computed here.
@Suite struct TieTrialTests {
  /// One adapter of one of the parameters that a base keeps as one.
  struct Trial: CustomTestStringConvertible, Sendable {
    let base: String
    let adapter: String
    /// The parameter that the adapter changes, and the base's.
    let changed: String
    let stored: String
    /// What `split` writes beside the base's tensors, with the tensor of the base that it copies.
    let added: [String: String]
    /// Nil: the class ties whatever config.json says, which stays as it is.
    var isUntied = true

    var testDescription: String { adapter }
  }

  private static let trials = [
    Trial(
      base: "mamba-tied/base", adapter: "mamba-tied/adapter", changed: "lm_head.weight",
      stored: "backbone.embeddings.weight", added: ["lm_head.weight": "backbone.embeddings.weight"]),
    Trial(
      base: "mamba-tied/base", adapter: "mamba-tied/adapter-emb", changed: "backbone.embeddings.weight",
      stored: "backbone.embeddings.weight", added: ["lm_head.weight": "backbone.embeddings.weight"]),
    Trial(
      base: "tied-default/gemma", adapter: "tied-default/gemma-embed_tokens", changed: "model.embed_tokens.weight",
      stored: "model.embed_tokens.weight", added: ["lm_head.weight": "model.embed_tokens.weight"]),
    Trial(
      base: "tied-default/gemma", adapter: "tied-default/gemma-lm_head", changed: "lm_head.weight",
      stored: "model.embed_tokens.weight", added: ["lm_head.weight": "model.embed_tokens.weight"]),
    Trial(
      base: "tied-default/gemma", adapter: "tied-default/gemma-mts", changed: "model.embed_tokens.weight",
      stored: "model.embed_tokens.weight", added: ["lm_head.weight": "model.embed_tokens.weight"]),
    Trial(
      base: "tied-default/gpt2", adapter: "tied-default/gpt2-wte", changed: "transformer.wte.weight",
      stored: "transformer.wte.weight", added: ["lm_head.weight": "transformer.wte.weight"]),
    Trial(
      base: "embedding-names/tied-one", adapter: "embedding-names/a-tied", changed: "model.embed_tokens.weight",
      stored: "model.embed_tokens.weight", added: ["lm_head.weight": "model.embed_tokens.weight"]),
    // A second embedding, for the prediction of several tokens, is none of the pair.
    Trial(
      base: "embedding-names/tied-two", adapter: "embedding-names/a-tied", changed: "model.embed_tokens.weight",
      stored: "model.embed_tokens.weight", added: ["lm_head.weight": "model.embed_tokens.weight"]),
    // Untied, nothing of BART follows `model.shared` any more.
    Trial(
      base: "tied-elsewhere/bart-base", adapter: "tied-elsewhere/bart-adapter", changed: "lm_head.weight",
      stored: "model.shared.weight",
      added: [
        "lm_head.weight": "model.shared.weight", "model.encoder.embed_tokens.weight": "model.shared.weight",
        "model.decoder.embed_tokens.weight": "model.shared.weight",
      ]),
    // Neither does the bias that BERT's head reads.
    Trial(
      base: "tied-elsewhere/bertemb-base", adapter: "tied-elsewhere/bertemb-adapter",
      changed: "bert.embeddings.word_embeddings.weight", stored: "bert.embeddings.word_embeddings.weight",
      added: [
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
      ]),
    Trial(
      base: "tied-elsewhere/modernbertemb-base", adapter: "tied-elsewhere/modernbertemb-adapter",
      changed: "model.embeddings.tok_embeddings.weight", stored: "model.embeddings.tok_embeddings.weight",
      added: ["decoder.weight": "model.embeddings.tok_embeddings.weight"]),
    Trial(
      base: "tied-elsewhere/whisperemb-base", adapter: "tied-elsewhere/whisperemb-adapter",
      changed: "model.decoder.embed_tokens.weight", stored: "model.decoder.embed_tokens.weight",
      added: ["proj_out.weight": "model.decoder.embed_tokens.weight"]),
    // T5's configuration is always tied: what is not there follows `shared`, what differs stays.
    Trial(
      base: "tied-elsewhere/t5head-base", adapter: "tied-elsewhere/t5head-adapter", changed: "lm_head.weight",
      stored: "shared.weight", added: ["lm_head.weight": "shared.weight"], isUntied: false),
  ]

  private static func path(_ name: String) -> String { fixturesPath() + "/trials/" + name }

  private func merge(_ base: String, _ adapter: String, to output: String, _ tied: MergeOptions.Tied) throws {
    var options = MergeOptions()
    options.tied = tied
    try TestMerge(base: Self.path(base), adapters: [(Self.path(adapter), 1)], output: output, options: options).run()
  }

  /// The base's tensor with what the adapter does to the module, in double, and how far a rounding may be from it.
  private func wanted(_ trial: Trial) throws -> [(value: Double, bound: Double)] {
    let base = try LoadedFile(Self.path(trial.base) + "/model.safetensors")
    let adapter = try LoadedFile(Self.path(trial.adapter) + "/adapter_model.safetensors")
    let prefix = "base_model.model." + trial.changed.dropLast("weight".count)
    func matrix(_ file: LoadedFile, _ name: String) throws -> (values: [Double], shape: [Int], dtype: DType)? {
      guard let info = file.info(name), let bits = file.elements(name) else { return nil }
      return (Elements.numbers(bits, info.dtype).map(Double.init), info.shape, info.dtype)
    }
    let weight = try #require(try matrix(base, trial.stored))
    if let whole = try matrix(adapter, prefix + "weight") { return whole.values.map { ($0, 0x1p-8 * abs($0)) } }
    let updates = try Adapter(folder: Self.path(trial.adapter)).updates
    let scaling = try #require(updates.first { $0.module + ".weight" == trial.changed }?.scaling)
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    var delta = [Double](repeating: 0, count: rows * columns)
    // The magnitudes that each was summed from: an error of the sum is small beside this.
    var spread = delta
    if let a = try matrix(adapter, prefix + "lora_A.weight"), let b = try matrix(adapter, prefix + "lora_B.weight") {
      for m in 0..<rows {
        for n in 0..<columns {
          for k in 0..<a.shape[0] {
            let term = b.values[m * a.shape[0] + k] * a.values[k * columns + n]
            delta[m * columns + n] += term
            spread[m * columns + n] += abs(term)
          }
        }
      }
    } else {
      let a = try #require(try matrix(adapter, prefix + "lora_embedding_A"))
      let b = try #require(try matrix(adapter, prefix + "lora_embedding_B"))
      for m in 0..<rows {
        for n in 0..<columns {
          for k in 0..<a.shape[0] {
            let term = a.values[k * rows + m] * b.values[n * a.shape[0] + k]
            delta[m * columns + n] += term
            spread[m * columns + n] += abs(term)
          }
        }
      }
    }
    let precision = weight.dtype == .f32 ? 0x1p-21 : 0x1p-8
    return delta.indices.map { index in
      let value = weight.values[index]
      return (value + scaling * delta[index], precision * (abs(value) + abs(scaling) * spread[index]))
    }
  }

  private func compare(_ file: LoadedFile, _ name: String, with wanted: [(value: Double, bound: Double)]) throws {
    let info = try #require(file.info(name), "\(name)")
    let found = Elements.numbers(try #require(file.elements(name)), info.dtype)
    #expect(found.count == wanted.count, "\(name)")
    let wrong = zip(found, wanted).count { abs(Double($0) - $1.value) > $1.bound }
    #expect(wrong == 0, "\(name): \(wrong) of \(found.count)")
  }

  @Test(arguments: trials) func isRefusedUntilItIsDecided(_ trial: Trial) throws {
    let scratch = try Scratch()
    let error = refusal { try merge(trial.base, trial.adapter, to: scratch.file("merged"), .refuse) }
    #expect(error?.errorClass == "tied")
    #expect(error?.message.contains("only \(trial.changed)") == true)
    #expect(try scratch.entries() == [])
  }

  @Test(arguments: trials) func splitIsWhatTheAdapterComputed(_ trial: Trial) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(trial.base, trial.adapter, to: output, .split)
    let merged = try LoadedFile(output + "/model.safetensors")
    let base = try LoadedFile(Self.path(trial.base) + "/model.safetensors")
    #expect(Set(merged.names) == Set(base.names).union(trial.added.keys))
    try compare(merged, trial.changed, with: wanted(trial))
    for (name, source) in trial.added where name != trial.changed {
      #expect(merged.data(name) == base.data(source), "\(name)")
    }
    if trial.stored != trial.changed { #expect(merged.data(trial.stored) == base.data(trial.stored)) }
    let config = try String(decoding: contents(output + "/config.json"), as: UTF8.self)
    #expect(config.contains("\"tie_word_embeddings\": false") == trial.isUntied)
  }

  @Test(arguments: trials) func sharedChangesTheOneTensor(_ trial: Trial) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(trial.base, trial.adapter, to: output, .shared)
    let merged = try LoadedFile(output + "/model.safetensors")
    #expect(Set(merged.names) == Set(try LoadedFile(Self.path(trial.base) + "/model.safetensors").names))
    try compare(merged, trial.stored, with: wanted(trial))
    #expect(try contents(output + "/config.json") == contents(Self.path(trial.base) + "/config.json"))
  }

  // MARK: - Vocabularies of another size

  /// Embeddings and heads of families with other names than Llama's; layers behind the last one, which the training never
  /// had, keep their own.
  @Test(arguments: ["baichuan", "chatglm", "glm4mtp", "internlm2", "nemotronh"])
  func resizedVocabularyIsMerged(name: String) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge("embedding-names/\(name)", "embedding-names/a-\(name)", to: output, .refuse)
    let merged = try LoadedFile(output + "/model.safetensors")
    let expected = try LoadedFile(Self.path("embedding-names/e-\(name)/model.safetensors"))
    #expect(Set(merged.names) == Set(expected.names))
    for name in expected.names where merged.data(name) != expected.data(name) {
      let numbers = try [expected, merged].map { Elements.numbers(try #require($0.elements(name)), .f32) }
      #expect(zip(numbers[0], numbers[1]).allSatisfy { abs($0 - $1) <= 2e-6 }, "\(name)")
    }
    let config = try String(decoding: contents(output + "/config.json"), as: UTF8.self)
    #expect(config.contains("\"vocab_size\": 68"))
    #expect(!config.contains("\"padded_vocab_size\": 64"))
  }

  /// Embedding and head of a tied model, both saved whole and of other values: `split` writes them as they are.
  @Test(
    arguments: [
      ("mamba", ["backbone.embeddings.weight", "lm_head.weight"], []),
      ("t5", ["shared.weight", "lm_head.weight"], []),
      ("whisper", ["model.decoder.embed_tokens.weight", "proj_out.weight"], []),
      (
        "bert", ["bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight", "cls.predictions.bias"],
        ["cls.predictions.decoder.bias"]
      ),
    ] as [(String, [String], [String])])
  func resizedTiedVocabulary(name: String, tensors: [String], more: [String]) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let (base, adapter) = ("resized-elsewhere/\(name)-base", "resized-elsewhere/\(name)-adapter")
    #expect(refusal { try merge(base, adapter, to: output, .refuse) }?.errorClass == "tied")
    try merge(base, adapter, to: output, .split)
    let merged = try LoadedFile(output + "/model.safetensors")
    let saved = try LoadedFile(Self.path(adapter) + "/adapter_model.safetensors")
    for tensor in tensors + more {
      let found: [UInt8]? = merged.data(tensor)
      #expect(found != nil && found == saved.data("base_model.model." + tensor), "\(tensor)")
    }
    let config = try String(decoding: contents(output + "/config.json"), as: UTF8.self)
    #expect(config.contains("\"vocab_size\": 68"))
  }

  // MARK: - New heads

  @Test(arguments: [
    ("distilbert", "DistilBertForSequenceClassification", 3), ("gemma3cls", "Gemma3TextForSequenceClassification", 2),
  ])
  func labelsAreTheClassifiersRows(name: String, architecture: String, labels: Int) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    var options = MergeOptions()
    options.addsTensors = true
    try TestMerge(
      base: Self.path("heads/\(name)-base"), adapters: [(Self.path("heads/\(name)-adapter"), 1)], output: output,
      options: options
    ).run()
    let text = try contents(output + "/config.json")
    let config = try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
    #expect(config["architectures"] as? [String] == [architecture])
    #expect((config["id2label"] as? [String: String])?.count == labels)
    #expect((config["label2id"] as? [String: Int])?.count == labels)
  }
}
