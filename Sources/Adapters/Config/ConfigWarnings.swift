/// Warnings about a config.
enum ConfigWarnings {
  static func find(
    _ config: AdapterConfig, updates: [ModuleUpdate], unused: [UnusedPattern], path: String
  ) -> [String] {
    var warnings = self.unused(unused, path: path)
    warnings += unusedParameters(config, updates).map {
      "\(path): target_parameters names \"\($0)\", but no tensor of it is in the adapter"
    }
    if config.peftVersion == nil, let lora = config.lora, differ(lora.ranks) {
      warnings.append(
        "\(path): rank_pattern and alpha_pattern have different keys and the adapter is older than PEFT 0.18; before "
          + "0.15 PEFT read them by other rules, those of 0.15 are used")
    }
    if config.lora != nil, let layer = updates.first(where: { $0.bias != nil && $0.scaling != 1 }) {
      warnings.append(
        "\(path): \"lora_bias\" with a scaling of \(layer.scaling ?? 1) in \(layer.module): results merged with PEFT 0.14.0 "
          + "to 0.15.1 have wrong biases")
    }
    return warnings
  }

  /// A line for each pattern that decided no module.
  static func unused(_ patterns: [UnusedPattern], path: String) -> [String] {
    patterns.map { "\(path): \($0.field) \"\($0.key)\" matches no module of the adapter" }
  }

  private static func unusedParameters(_ config: AdapterConfig, _ updates: [ModuleUpdate]) -> [String] {
    let names = updates.compactMap { layer -> String? in
      guard case .parameter(let leaf) = layer.target else { return nil }
      return "\(layer.module).\(leaf)"
    }
    return config.targetParameters.filter { entry in !names.contains { $0.isPath(endingWith: entry) } }
  }

  private static func differ(_ ranks: RankSettings) -> Bool {
    let (ofRank, ofAlpha) = (ranks.rankPattern.keys, ranks.alphaPattern.keys)
    return !ofRank.isEmpty && !ofAlpha.isEmpty && Set(ofRank) != Set(ofAlpha)
  }
}
