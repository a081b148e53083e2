import JSONText

/// Extra rows that the embeddings of some families have in addition to their vocabulary.
///
/// Source: transformers 5.24.0 `MoshiModel`, `MllamaTextModel`, `CpmAntModel`.
enum FamilyRows {
  /// The number of extra rows for a language model's section of config.json.
  static func added(to section: JSONValue) -> Int {
    guard case .string(let type)? = section["model_type"] else { return 0 }
    func count(_ key: String) -> Int { if case .integer(let value)? = section[key] { Int(value) } else { 0 } }
    return switch type {
    case "moshi": 1
    case "mllama_text_model": 8
    case "cpmant": count("prompt_types") * count("prompt_length")
    default: 0
    }
  }
}
