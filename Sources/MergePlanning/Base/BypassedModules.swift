import JSONText

/// Modules whose weight the model multiplies by itself, past the module and so past an adapter around it: what is trained
/// there gets no gradient and computes nothing.
///
/// Source: transformers 5.24.0 `MobileBertLMPredictionHead.forward`, which joins `decoder.weight` and `dense.weight`.
enum BypassedModules {
  private static let rules: [(classes: Set<String>, module: String)] = [
    (["MobileBertForMaskedLM", "MobileBertForPreTraining"], "cls.predictions.decoder")
  ]

  /// The class of the model that reads past this module; nil: none does that is known.
  static func bypassing(_ module: String, config: JSONValue?) -> String? {
    guard case .array(let names)? = config?["architectures"], case .string(let name)? = names.first else { return nil }
    return rules.contains { $0.classes.contains(name) && $0.module.utf8.elementsEqual(module.utf8) } ? name : nil
  }
}
