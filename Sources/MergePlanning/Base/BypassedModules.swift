import JSONText

/// Modules whose weight the model multiplies by itself, past the module and so past an adapter around it.
///
/// Where nothing else uses the module, what is trained there gets no gradient and computes nothing. Where the model calls the
/// module too, the adapter changes one of two uses, and a merge would change both.
///
/// Source: transformers 5.24.0 `MobileBertLMPredictionHead.forward`, which joins `decoder.weight` and `dense.weight`;
/// `Gemma4AssistantForCausalLM.forward` with `use_ordered_embeddings`; `DiffusionGemmaDecoderModel.forward`, which makes soft
/// embeddings of the logits of the step before.
enum BypassedModules {
  private struct Rule {
    let classes: Set<String>
    let module: String
    /// A key of config.json that must be true.
    var key: String?
    /// Whether the model calls the module as well.
    var isCalled = false
  }

  private static let rules = [
    Rule(classes: ["MobileBertForMaskedLM", "MobileBertForPreTraining"], module: "cls.predictions.decoder"),
    Rule(
      classes: ["Gemma4AssistantForCausalLM", "Gemma4UnifiedAssistantForCausalLM"], module: "lm_head",
      key: "use_ordered_embeddings"),
    Rule(
      classes: ["DiffusionGemmaForBlockDiffusion"], module: "model.decoder.embed_tokens", isCalled: true),
    Rule(classes: ["DiffusionGemmaModel"], module: "decoder.embed_tokens", isCalled: true),
  ]

  /// Why an update of a module is not one of its weight; nil: it is.
  static func problem(of module: String, config: JSONValue?) -> PlanError.Problem? {
    guard case .array(let names)? = config?["architectures"], case .string(let name)? = names.first else { return nil }
    for rule in rules where rule.classes.contains(name) && rule.module.utf8.elementsEqual(module.utf8) {
      if let key = rule.key, config?[key] != .bool(true) { continue }
      return rule.isCalled ? .partlyBypassed(module: module, class: name) : .bypassed(module: module, class: name)
    }
    return nil
  }
}
