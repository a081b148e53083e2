import Adapters
import Checkpoints
import JSONText
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Which parameters of a model are one tensor, by its class and config.json.
@Suite struct TieTests {
  private func config(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8).span) }

  private func vocabulary(
    _ text: String, _ names: [String], task: String? = nil, bringsHead: Bool = false
  ) throws -> VocabularyTensors {
    try VocabularyTensors(
      config: config(text), names: names.map { TensorName($0) }, task: task, bringsHead: bringsHead)
  }

  /// What transformers 5.24 makes of an absent key, and of each value.
  @Test(arguments: [
    ("gemma2", true, true, false), ("gpt2", true, true, false), ("llama", false, true, false),
    ("whisper", true, true, false), ("mamba", true, true, false), ("t5", true, true, true), ("mt5", true, true, true),
    ("bert", true, true, false), ("qwen2", false, true, false), ("cohere", true, true, false),
  ])
  func defaults(type: String, absent: Bool, asked: Bool, denied: Bool) throws {
    let rules = TieRules.shared
    #expect(rules.ties(try config("{\"model_type\": \"\(type)\"}")) == absent)
    #expect(rules.ties(try config("{\"model_type\": \"\(type)\", \"tie_word_embeddings\": true}")) == asked)
    #expect(rules.ties(try config("{\"model_type\": \"\(type)\", \"tie_word_embeddings\": false}")) == denied)
  }

  /// Multimodal models forward what their text model's section says, or what it is by default.
  @Test func sectionsDecideWhereTheTopDoesNot() throws {
    let rules = TieRules.shared
    func llava(_ text: String) throws -> Bool {
      rules.ties(try config("{\"model_type\": \"llava\", \"text_config\": \(text)}"))
    }
    #expect(try llava("{\"model_type\": \"gemma\"}"))
    #expect(try !llava("{\"model_type\": \"llama\"}"))
    #expect(try llava("{\"model_type\": \"llama\", \"tie_word_embeddings\": true}"))
    #expect(try !llava("{\"model_type\": \"gemma\", \"tie_word_embeddings\": false}"))
  }

  @Test(arguments: [
    ("ModernBertForMaskedLM", "modernbert", "model.embeddings.tok_embeddings.weight", "decoder.weight"),
    ("WhisperForConditionalGeneration", "whisper", "model.decoder.embed_tokens.weight", "proj_out.weight"),
    ("T5GemmaForConditionalGeneration", "t5gemma", "model.decoder.embed_tokens.weight", "lm_head.out_proj.weight"),
    ("GPTNeoXJapaneseForCausalLM", "gpt_neox_japanese", "gpt_neox_japanese.embed_in.weight", "embed_out.weight"),
    ("DistilBertForMaskedLM", "distilbert", "distilbert.embeddings.word_embeddings.weight", "vocab_projector.weight"),
    ("XLNetLMHeadModel", "xlnet", "transformer.word_embedding.weight", "lm_loss.weight"),
    ("InternLM2ForCausalLM", "internlm2", "model.tok_embeddings.weight", "output.weight"),
  ])
  func headsAreNamedByTheClass(name: String, type: String, embedding: String, head: String) throws {
    let text = "{\"architectures\": [\"\(name)\"], \"model_type\": \"\(type)\", \"tie_word_embeddings\": true}"
    #expect(try vocabulary(text, [embedding]).absent(TensorName(head)) == TensorName(head))
    // The file may have kept the head's name alone.
    let other = try vocabulary(text, [head])
    #expect(other.absent(TensorName(embedding)) == TensorName(embedding))
    #expect(other.group(of: TensorName(embedding))?.stored == TensorName(head))
    // Neither is one with anything where both are there.
    #expect(try vocabulary(text, [embedding, head]).absent(TensorName(head)) == nil)
  }

  /// A name on disk that is not the model in memory's, and a head that is written beside it in the same layout.
  @Test func namesFollowTheLayoutOnDisk() throws {
    let llava = "{\"architectures\": [\"LlavaForConditionalGeneration\"], \"model_type\": \"llava\", \"text_config\": "
    let tied = llava + "{\"model_type\": \"llama\", \"tie_word_embeddings\": true}}"
    let old = try vocabulary(tied, ["language_model.model.embed_tokens.weight"])
    #expect(old.absent("lm_head.weight") == "language_model.lm_head.weight")
    #expect(old.absent("language_model.lm_head.weight") == "language_model.lm_head.weight")
    let live = try vocabulary(tied, ["model.language_model.embed_tokens.weight"])
    #expect(live.absent("lm_head.weight") == "lm_head.weight")
    // Files of GPT-2 without its prefix.
    let gpt2 = "{\"architectures\": [\"GPT2LMHeadModel\"], \"model_type\": \"gpt2\"}"
    #expect(try vocabulary(gpt2, ["wte.weight"]).group(of: "wte.weight")?.absent == ["lm_head.weight"])
  }

  /// Embeddings of parts beside the language model are none of it.
  @Test func otherEmbeddingsDoNotHideIt() throws {
    let text = "{\"architectures\": [\"MysteryForCausalLM\"], \"tie_word_embeddings\": true}"
    let names = [
      "model.embed_tokens.weight", "mtp.embed_tokens.weight", "model.layers.4.embed_tokens.weight",
      "talker.model.embed_tokens.weight",
    ]
    let found = try vocabulary(text, names)
    #expect(found.groups.count == 1)
    #expect(found.groups[0].stored == "model.embed_tokens.weight")
    #expect(found.absent("lm_head.weight") == "lm_head.weight")
  }

  /// A class that no table has, without the key: a head that is not there must be the embedding.
  @Test func unknownClassesAreTiedWithoutAHead() throws {
    let unknown = "{\"architectures\": [\"MysteryForCausalLM\"]}"
    #expect(try vocabulary(unknown, ["model.embed_tokens.weight"]).groups.map(\.isTied) == [true])
    #expect(try vocabulary(unknown, ["model.embed_tokens.weight", "lm_head.weight"]).groups.map(\.isTied) == [false])
    let odd = try vocabulary(unknown, ["net.token_embeddings.weight"])
    #expect(odd.groups.map(\.isTied) == [true])
    #expect(odd.groups[0].separation == .unknownClass)
    let encoder = "{\"architectures\": [\"MysteryModel\"]}"
    #expect(try vocabulary(encoder, ["model.embed_tokens.weight"]).groups.isEmpty)
    #expect(try vocabulary(encoder, ["model.embed_tokens.weight"], task: "CAUSAL_LM").groups.map(\.isTied) == [true])
  }

  /// The adapter's task says which class was trained: a classifier has no head over the vocabulary.
  @Test func tasksDecideTheClass() throws {
    let llama = "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"tie_word_embeddings\": true}"
    let names = ["model.embed_tokens.weight"]
    #expect(try vocabulary(llama, names, task: "CAUSAL_LM").groups.map(\.isTied) == [true])
    #expect(try vocabulary(llama, names, task: "SEQ_CLS", bringsHead: true).groups.isEmpty)
    let body = "{\"architectures\": [\"LlamaModel\"], \"model_type\": \"llama\", \"tie_word_embeddings\": true}"
    #expect(try vocabulary(body, ["embed_tokens.weight"]).groups.isEmpty)
    #expect(try vocabulary(body, ["embed_tokens.weight"], task: "CAUSAL_LM").groups.map(\.isTied) == [true])
  }

  /// A head whose name is not known cannot be written apart.
  @Test func inseparableTiesAreRefused() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    try writeFile(base + "/model.safetensors", [TestTensor("net.token_embeddings.weight", .f32, [6, 4])])
    try write(Array("{\"architectures\": [\"MysteryForCausalLM\"]}".utf8), to: base + "/config.json")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("net.token_embeddings.lora_embedding_A", .f32, [1, 6]),
        TestTensor("net.token_embeddings.lora_embedding_B", .f32, [4, 1]),
      ])
    func problem(_ tied: MergeOptions.Tied) throws -> PlanError.Problem? {
      var options = MergeOptions()
      options.tied = tied
      return (TestSupport.refusal { _ = try plan(base, adapter, options) } as? PlanError)?.problem
    }
    let names = ["lm_head.weight", "net.token_embeddings.weight"]
    let refusal = PlanError.Problem.inseparable(
      names: names, changed: ["net.token_embeddings.weight"], class: nil, isUnknown: true)
    #expect(try problem(.refuse) == refusal)
    #expect(try problem(.split) == refusal)
    #expect(try problem(.shared) == nil)
  }

  private func plan(_ base: String, _ adapter: String, _ options: MergeOptions) throws -> MergePlan {
    try MergePlan(base: Checkpoint(path: base), adapters: [AdapterUse(Adapter(folder: adapter))], options: options)
  }

  /// A switch of the configuration makes another model of a class, which ties something else.
  @Test func switchesDecideWhatIsTied() throws {
    let marian =
      "{\"architectures\": [\"MarianMTModel\"], \"model_type\": \"marian\", \"share_encoder_decoder_embeddings\": "
    let apart = try vocabulary(
      marian + "false}", ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"])
    #expect(apart.groups.map(\.names) == [["model.decoder.embed_tokens.weight", "lm_head.weight"]])
    let shared = try vocabulary(marian + "true}", ["model.shared.weight"])
    #expect(shared.groups.map(\.names.count) == [4])
    let deberta = "{\"architectures\": [\"DebertaV2ForMaskedLM\"], \"model_type\": \"deberta-v2\""
    let embedding = "deberta.embeddings.word_embeddings.weight"
    #expect(try vocabulary(deberta + "}", [embedding]).absent("cls.predictions.decoder.weight") != nil)
    let newer = try vocabulary(deberta + ", \"legacy\": false}", [embedding])
    #expect(newer.groups.map(\.names) == [[TensorName(embedding)]] && newer.groups.map(\.isTied) == [true])
    #expect(newer.absent("cls.predictions.decoder.weight") == nil)
    let idefics = "{\"architectures\": [\"IdeficsForVisionText2Text\"], \"model_type\": \"idefics\", "
    let names = ["model.embed_tokens.weight", "model.embed_tokens.additional_embedding.weight"]
    let more = try vocabulary(idefics + "\"tie_word_embeddings\": true, \"additional_vocab_size\": 2}", names)
    #expect(more.absent("lm_head.additional_fc.weight") != nil && more.absent("lm_head.weight") != nil)
  }

  /// Marian's head has the rows of the decoder's vocabulary, which need not be the encoder's.
  @Test func theHeadIsAsLargeAsWhatItIsOneWith() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    try writeFile(
      base + "/model.safetensors",
      [
        TestTensor("model.encoder.embed_tokens.weight", .f32, [6, 4]),
        TestTensor("model.decoder.embed_tokens.weight", .f32, [5, 4]),
      ])
    let config =
      "{\"architectures\": [\"MarianMTModel\"], \"model_type\": \"marian\", \"share_encoder_decoder_embeddings\": false, "
      + "\"vocab_size\": 6, \"decoder_vocab_size\": 5}"
    try write(Array(config.utf8), to: base + "/config.json")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [TestTensor("lm_head.lora_A.weight", .f32, [1, 4]), TestTensor("lm_head.lora_B.weight", .f32, [5, 1])])
    var options = MergeOptions()
    options.tied = .split
    let made = try plan(base, adapter, options)
    #expect(made.updatedTensors.map(\.name) == ["lm_head.weight"])
    #expect(made.shards.flatMap(\.tensors).first { $0.name == "lm_head.weight" }?.shape == [5, 4])
  }

  /// SwitchTransformers scales its hidden states where config.json ties: without the key the logits would be others.
  @Test func theKeyStaysWhereMoreFollowsFromIt() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    try writeFile(base + "/model.safetensors", [TestTensor("shared.weight", .f32, [6, 4])])
    let config =
      "{\"architectures\": [\"SwitchTransformersForConditionalGeneration\"], \"model_type\": \"switch_transformers\"}"
    try write(Array(config.utf8), to: base + "/config.json")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [TestTensor("lm_head.lora_A.weight", .f32, [1, 4]), TestTensor("lm_head.lora_B.weight", .f32, [6, 1])])
    var options = MergeOptions()
    do {
      _ = try plan(base, adapter, options)
      Issue.record("merged")
    } catch let error as PlanError {
      #expect(error.errorClass == "tied")
      #expect(error.hint?.contains("config.json") == false)
    }
    options.tied = .split
    let made = try plan(base, adapter, options)
    #expect(Set(made.shards.flatMap(\.tensors).map(\.name)) == ["lm_head.weight", "shared.weight"])
    #expect(made.textFiles.allSatisfy { $0.name != "config.json" })
  }

  /// Between the row that is looked up and the update stands a norm.
  @Test(arguments: [
    "\"model_type\": \"inkling_text\"", "\"model_type\": \"x\", \"text_config\": {\"model_type\": \"muse_spark_text\"}",
  ])
  func anUpdateBehindANormIsRefused(fields: String) throws {
    let module = "model.embed_tokens"
    let factors = [
      TestTensor("\(module).lora_embedding_A", .f32, [2, 6]), TestTensor("\(module).lora_embedding_B", .f32, [4, 2]),
    ]
    let error = #expect(throws: PlanError.self) {
      try makePlan(
        base: [TestTensor("\(module).weight", .f32, [6, 4])], factors,
        config: "{\(fields), \"tie_word_embeddings\": false}")
    }
    guard case .normalizedEmbedding(module, _)? = error?.problem else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.errorClass == "unsupported")
  }

  /// MobileBERT's head multiplies by its weight itself, so that an adapter around the head changes nothing; so does that of
  /// Gemma 4's assistant if its embeddings are ordered.
  @Test(arguments: [
    ("MobileBertForMaskedLM", "cls.predictions.decoder", "false", true),
    ("BertForMaskedLM", "cls.predictions.decoder", "false", false),
    ("Gemma4AssistantForCausalLM", "lm_head", "true", true), ("Gemma4AssistantForCausalLM", "lm_head", "false", false),
  ])
  func anUpdateThatTheModelReadsPastIsRefused(name: String, head: String, ordered: String, isRefused: Bool) throws {
    let config =
      "{\"architectures\": [\"\(name)\"], \"model_type\": \"other\", \"tie_word_embeddings\": false, "
      + "\"use_ordered_embeddings\": \(ordered)}"
    let base = ["model.embed_tokens.weight", head + ".weight"].map { TestTensor($0, .f32, [6, 4]) }
    let factors = loraLayer(head, rows: 6, columns: 4)
    let error = TestSupport.refusal { _ = try makePlan(base: base, factors, config: config) }
    #expect(((error as? PlanError)?.problem == .bypassed(module: head, class: name)) == isRefused)
    #expect((error != nil) == isRefused)
  }

  /// Classes that compute their logits with the embedding's own weight: no tensor could hold a head of its own.
  @Test(arguments: [
    ("DebertaV2ForMaskedLM", "deberta-v2", "\"legacy\": false", "deberta.embeddings.word_embeddings"),
    ("PerceiverForMaskedLM", "perceiver", "\"d_model\": 4", "perceiver.input_preprocessor.embeddings"),
    ("MPTForCausalLM", "mpt", "\"d_model\": 4", "transformer.wte"),
  ])
  func theEmbeddingItselfMayBeTheHead(name: String, type: String, more: String, module: String) throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    try writeFile(base + "/model.safetensors", [TestTensor("\(module).weight", .f32, [6, 4])])
    let config = "{\"architectures\": [\"\(name)\"], \"model_type\": \"\(type)\", \(more)}"
    try write(Array(config.utf8), to: base + "/config.json")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("\(module).lora_embedding_A", .f32, [1, 6]), TestTensor("\(module).lora_embedding_B", .f32, [4, 1]),
      ])
    let weight = "\(module).weight"
    for tied in [MergeOptions.Tied.refuse, .split] {
      var options = MergeOptions()
      options.tied = tied
      let error = #expect(throws: PlanError.self) { try plan(base, adapter, options) }
      #expect(error?.problem == .inseparable(names: [weight], changed: [weight], class: name, isUnknown: false))
      #expect(error?.errorClass == "tied")
    }
    var options = MergeOptions()
    options.tied = .shared
    let made = try plan(base, adapter, options)
    #expect(made.updatedTensors.map(\.name) == [TensorName(weight)])
    #expect(made.warnings.contains { $0.contains("is also the head") })
  }

  /// The pair as `save_model` keeps it, by the head's name: both names are its.
  @Test func theHeadsNameAloneIsEnough() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let kept = TestTensor("lm_head.weight", .f32, [6, 4], bytes: (0..<96).map { UInt8($0 % 61) })
    try writeFile(base + "/model.safetensors", [kept])
    let text = "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"tie_word_embeddings\": true}"
    try write(Array(text.utf8), to: base + "/config.json")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("model.embed_tokens.lora_embedding_A", .f32, [1, 6]),
        TestTensor("model.embed_tokens.lora_embedding_B", .f32, [4, 1]),
      ])
    var options = MergeOptions()
    #expect(throws: PlanError.self) { try plan(base, adapter, options) }
    options.tied = .split
    let tensors = try plan(base, adapter, options).shards.flatMap(\.tensors)
    #expect(tensors.map(\.name) == ["lm_head.weight", "model.embed_tokens.weight"])
    #expect(tensors.map { $0.update != nil } == [false, true])
    #expect(tensors[0].source == tensors[1].source)
  }

  /// Both on disk, and config.json ties them: what differs afterwards is said to be apart.
  @Test func tensorsThatAreStoredTwiceAreUntied() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    try writeFile(
      base + "/model.safetensors",
      [TestTensor("lm_head.weight", .f32, [6, 4]), TestTensor("model.embed_tokens.weight", .f32, [6, 4])])
    let text = "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"tie_word_embeddings\": true}"
    try write(Array(text.utf8), to: base + "/config.json")
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [TestTensor("lm_head.lora_A.weight", .f32, [1, 4]), TestTensor("lm_head.lora_B.weight", .f32, [6, 1])])
    let made = try plan(base, adapter, MergeOptions())
    #expect(made.updatedTensors.map(\.name) == ["lm_head.weight"])
    let config = try #require(made.textFiles.first { $0.name == "config.json" })
    #expect(String(decoding: config.text, as: UTF8.self) == text.replacing("true", with: "false"))
    #expect(made.warnings.contains { $0.contains("no longer") })
  }

  // MARK: - Labels

  @Test(
    arguments: [
      (["classifier.weight", "pre_classifier.weight"], 3),
      (["classifier.dense.weight", "classifier.out_proj.weight"], 3),
      (["bert.pooler.dense.weight", "classifier.weight"], 3), (["score.weight"], 3), (["head.weight"], 3),
      (["head.dense.weight", "head.weight"], nil), (["a.classifier.weight", "b.classifier.weight"], nil),
    ] as [([String], Int?)])
  func labelsOf(names: [String], labels: Int?) {
    let body = ["pre_classifier.weight", "classifier.dense.weight", "bert.pooler.dense.weight", "head.dense.weight"]
    let tensors = names.map { (TensorName($0), body.contains($0) ? [8, 8] : [3, 8]) }
    #expect(AddedHead.labels(tensors) == labels)
  }
}
