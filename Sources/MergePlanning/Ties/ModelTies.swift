import Checkpoints
import JSONText

/// The embeddings and heads of the model that a config.json describes, by their runtime names, and which of its
/// parameters are tied.
struct ModelTies: Sendable {
  struct Group: Sendable {
    /// The parameter that is kept, first.
    let names: [String]
    /// Whether config.json, or the default where it does not say it, makes them one.
    let isTied: Bool
    /// Whether config.json says so itself.
    let isStated: Bool
    /// The object of config.json that decides it.
    let section: [String]
    let separation: Separation
  }

  /// How the parameters of a group can be made more than one.
  enum Separation: Sendable {
    /// `tie_word_embeddings` is set to false.
    case config
    /// config.json must keep tying, or does so whatever it says; parameters that are all on disk, with different values, stay
    /// apart.
    case values
    /// Not at all: they are one module.
    case never
  }

  /// What of the model's kind decides it.
  struct Kind: Sendable {
    /// `task_type` of the adapters; nil if none states it.
    var task: String?
    /// Whether the adapters bring a head that the base doesn't have.
    var bringsHead = false
  }

  /// The class, if a table has it.
  let className: String?
  /// base_model_prefix with its dot.
  private(set) var prefix = ""
  /// The prefix if a module has it; empty of a class without such a module, as T5ForConditionalGeneration, whose embedding is `shared`.
  var modulePrefix: String { embedding.map { $0.hasPrefix(prefix) } ?? true ? prefix : "" }
  /// Weights, not modules.
  private(set) var embedding: String?
  private(set) var head: String?
  private(set) var groups: [Group] = []
  /// Other parameters that the configuration makes one.
  private(set) var twins: [TwinParameters.Pair] = []
  /// Whether the class is one that no table has, and has a head by its name, by what the adapters were trained for, or, without
  /// a name, because config.json ties.
  let isUnknownLanguageModel: Bool
  let isStated: Bool

  init(config: JSONValue?, kind: Kind = Kind(), rules: TieRules = .shared) {
    let type = ModelConfig.family(config)
    var name: String?
    if case .array(let names)? = config?["architectures"], case .string(let first)? = names.first { name = first }
    let isStatedClass = name != nil
    if let task = kind.task {
      name = Self.trainedClass(name, type, task, bringsHead: kind.bringsHead, rules)
    } else if name == nil {
      name = rules.auto("causal", type) ?? rules.auto("seq2seq", type)
    }
    let isStated = Self.isStated(config)
    self.isStated = isStated
    guard let name, let model = rules.model(name, config) else {
      className = nil
      let isTrainedOne = ["CAUSAL_LM", "SEQ_2_SEQ_LM"].contains(kind.task ?? "") && name != nil
      isUnknownLanguageModel = isTrainedOne || (name.map(Self.isLanguageModel) ?? Self.saysTied(config))
      return
    }
    className = name
    isUnknownLanguageModel = false
    prefix = model.prefix.isEmpty ? "" : model.prefix + "."
    embedding = model.embedding.map { $0 + ".weight" }
    head = model.head.map { $0 + ".weight" }
    // Without a class in config.json the one for text is taken, whose configuration may be a section.
    let text = config?["text_config"]
    if !isStatedClass, config?["tie_word_embeddings"] == nil, text?["tie_word_embeddings"] != nil {
      add(model, text, path: "", section: ["text_config"], type: ModelConfig.family(text), rules)
    } else {
      add(model, config, path: "", section: [], type: type, rules)
    }
  }

  private mutating func add(
    _ model: TieRules.ModelClass, _ config: JSONValue?, path: String, section: [String], type: String?,
    _ rules: TieRules
  ) {
    let isStated = Self.isStated(config)
    let isTied: Bool
    let separation: Separation
    if model.isInseparable {
      isTied = model.isNative || config?["tie_word_embeddings"] != .bool(false)
      separation = .never
    } else if model.isNative {
      isTied = rules.ties(config, type: type)
      separation = model.tiesOthers || rules.ties(config, type: type, asks: false) ? .values : .config
    } else {
      isTied = Self.saysTied(config)
      separation = .config
    }
    groups += model.groups.map { names in
      Group(
        names: names.map { path + $0 }, isTied: isTied, isStated: isStated, section: section, separation: separation)
    }
    if isTied { twins += model.twins.map { $0.under(path) } }
    for part in model.parts {
      var inner = config
      for key in part.key.split(separator: ".") { inner = inner?[String(key)] }
      var name = part.class
      // A part that has another family's configuration is what the Auto classes make of it.
      if let found = ModelConfig.family(inner), let known = rules.classes[part.class],
        rules.auto("causal", found) != part.class,
        let other = rules.auto("causal", found) ?? rules.auto("seq2seq", found),
        rules.classes[other] != nil, known.head != nil
      {
        name = other
      }
      guard let model = rules.model(name, inner) else { continue }
      add(
        model, inner, path: path + part.path + ".", section: section + part.key.split(separator: ".").map(String.init),
        type: nil, rules)
    }
  }

  /// The class of the model that the adapter was trained on, which may have another head than the base.
  private static func trainedClass(
    _ name: String?, _ type: String?, _ task: String, bringsHead: Bool, _ rules: TieRules
  ) -> String? {
    switch task {
    case "CAUSAL_LM", "SEQ_2_SEQ_LM":
      if let name, rules.classes[name]?.head != nil || isLanguageModel(name) { return name }
      return rules.auto(task == "CAUSAL_LM" ? "causal" : "seq2seq", type) ?? name
    case "SEQ_CLS" where bringsHead: return rules.auto("sequence", type) ?? name
    case "TOKEN_CLS" where bringsHead: return rules.auto("token", type) ?? name
    case "QUESTION_ANS" where bringsHead: return rules.auto("question", type) ?? name
    default: return name
    }
  }

  private static func isLanguageModel(_ name: String) -> Bool {
    ["ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM", "WithLMHead", "LMHead", "ChatModel"]
      .contains { name.hasSuffix($0) }
  }

  static func isStated(_ config: JSONValue?) -> Bool {
    [config, config?["text_config"]].contains { $0?["tie_word_embeddings"] != nil }
  }

  /// As a class without a table entry reads it.
  static func saysTied(_ config: JSONValue?) -> Bool {
    [config, config?["text_config"]].contains { $0?["tie_word_embeddings"] == .bool(true) }
  }
}
