import JSONText

/// Facts from config.json that decide whether a merge is right.
package enum ModelConfig {
  /// Whether the family stores a stack of expert weights as (experts, in, out).
  package static func stacksExpertsTransposed(_ config: JSONValue?) -> Bool {
    family(config).map { ["gpt_oss", "aria", "openai_privacy_filter"].contains($0) } ?? false
  }

  /// The objects that may have `quantization_config`, as paths, in order of precedence: transformers 5.24 looks at the
  /// top, then at the text model's section (`get_hf_quantizer`, `get_text_config(decoder=True)`).
  package static let quantizationSections = [[], ["text_config"], ["decoder"], ["generator"]]

  /// Where the base says how it is quantized; nil if it is not.
  package static func quantizationPath(_ config: JSONValue?) -> [String]? {
    guard let config else { return nil }
    return quantizationSections.lazy.map { $0 + ["quantization_config"] }
      .first { config[$0].map { $0 != .null } ?? false }
  }

  /// `quant_method` of the base; nil if it is not quantized.
  package static func quantization(_ config: JSONValue?) -> String? {
    guard let config else { return nil }
    guard let path = quantizationPath(config) else {
      // The key of early compressed-tensors, which transformers does not read.
      return config["compression_config"].flatMap { $0 == .null ? nil : "compression_config" }
    }
    if case .string(let name)? = config[path]?["quant_method"] { return name }
    return "unknown"
  }

  /// `model_type`; nil if config.json has none.
  package static func family(_ config: JSONValue?) -> String? {
    guard case .string(let family)? = config?["model_type"] else { return nil }
    return family
  }

  /// Keys for the size of the vocabulary; ChatGLM's config has two of them.
  package static let vocabularyKeys = ["vocab_size", "padded_vocab_size", "n_words", "n_vocab"]

  /// Whether any of these keys has this value.
  package static func hasVocabulary(_ count: Int, _ config: JSONValue) -> Bool {
    guard case .object(let members) = config else { return false }
    return members.contains { member in
      (vocabularyKeys.contains(member.key) && member.value == .integer(Int64(count)))
        || hasVocabulary(count, member.value)
    }
  }
}

extension ModelConfig {
  /// Rows of queries, keys and values in a tensor of `rows` that concatenates them: by the head counts, at
  /// the top level or in the text model's section. Nil if the counts do not add up to that many rows.
  package static func heads(_ config: JSONValue?, rows: Int) -> [Int]? {
    for section in [config, config?["text_config"]] {
      guard let queries = count("num_attention_heads", section) else { continue }
      let pairs = count("num_key_value_heads", section) ?? queries
      let all = queries + 2 * pairs
      guard rows % all == 0 else { continue }
      return [queries, pairs, pairs].map { $0 * (rows / all) }
    }
    return nil
  }

  /// Rows of a gated delta network's four projections that are one tensor of `rows`: queries, keys and values; the
  /// output's gate; beta; the decay.
  package static func linearAttention(_ config: JSONValue?, rows: Int) -> [Int]? {
    for section in [config, config?["text_config"]] {
      guard let (keys, values, valueHeads) = linearAttentionWidths(section) else { continue }
      let sizes = [2 * keys + values, values, valueHeads, valueHeads]
      if sizes.reduce(0, +) == rows { return sizes }
    }
    return nil
  }

  /// Rows of the keys and of the values of a gated delta network, and its value heads; nil if the section does not say.
  private static func linearAttentionWidths(_ section: JSONValue?) -> (keys: Int, values: Int, valueHeads: Int)? {
    guard let keyHeads = count("linear_num_key_heads", section),
      let valueHeads = count("linear_num_value_heads", section),
      let keySize = count("linear_key_head_dim", section), let valueSize = count("linear_value_head_dim", section)
    else { return nil }
    return (keyHeads * keySize, valueHeads * valueSize, valueHeads)
  }

  /// Rows of a gated delta network's queries, keys and values, where they are one tensor of `rows`.
  package static func linearAttentionHeads(_ config: JSONValue?, rows: Int) -> [Int]? {
    for section in [config, config?["text_config"]] {
      guard let (keys, values, _) = linearAttentionWidths(section) else { continue }
      if 2 * keys + values == rows { return [keys, keys, values] }
    }
    return nil
  }

  /// The width of a Mamba block's inner state; nil if the config does not say.
  package static func mambaWidth(_ config: JSONValue?) -> Int? {
    for section in [config, config?["text_config"]] {
      if let heads = count("mamba_num_heads", section), let size = count("mamba_head_dim", section) {
        return heads * size
      }
    }
    return nil
  }

  /// Heads of an attention that has as many keys as queries; nil if the config does not say.
  package static func attentionHeads(_ config: JSONValue?) -> Int? { count("num_attention_heads", config) }

  /// A count in a config; nil if it is missing or is not a valid count.
  private static func count(_ key: String, _ section: JSONValue?) -> Int? {
    guard case .integer(let value)? = section?[key], (1...1 << 20).contains(value) else { return nil }
    return Int(value)
  }
}
