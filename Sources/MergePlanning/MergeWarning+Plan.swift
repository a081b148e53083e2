import Adapters

extension MergeWarning {
  /// What the files of the adapters tell before anything is planned.
  public static func unreadWeights(_ adapters: [AdapterUse]) -> [MergeWarning] {
    adapters.map(\.adapter).filter { !$0.unreadWeights.isEmpty }.map { adapter in
      MergeWarning(
        .unreadWeights,
        "\(adapter.path): \(adapter.unreadWeights.joined(separator: ", ")) not read; weights in it that were trained with "
          + "the adapter are missing from the result")
    }
  }

  /// Adapters whose modules have a scaling of 0, which merges nothing of them.
  public static func zeroScalings(_ adapters: [AdapterUse]) -> [MergeWarning] {
    adapters.compactMap { use in
      let updates = use.adapter.updates
      // As the engine multiplies: a scaling may be too small for fp32.
      let zero = updates.filter { update in update.scaling.map { Float(use.weight * $0) == 0 } ?? false }
      guard let first = zero.first else { return nil }
      let reason: String
      if use.weight == 0 {
        reason = "the given weight is 0"
      } else if let pattern = first.alphaPattern, first.alpha == 0 {
        reason = "\"alpha_pattern\" has 0 for \"\(pattern)\""
      } else if first.alpha == 0 {
        reason =
          "\"\(use.adapter.config.lora == nil ? "alpha" : "lora_alpha")\" is 0, which some programs always write; put "
          + "the value used in training in adapter_config.json"
      } else {
        reason = "\(use.weight * (first.scaling ?? 1)) is 0 in fp32"
      }
      return MergeWarning(
        .zeroScaling,
        "\(use.adapter.path): \(zero.count) of \(updates.count) modules add nothing (first: \(first.module)), because "
          + reason)
    }
  }
}
