import Safetensors

/// BD-LoRA.
extension LoRAAssembly {
  /// Which factor of a module is block-diagonal.
  ///
  /// Source: PEFT 0.21.2 `BdLoraLinearVariant.init`.
  func blockDiagonal(of update: Update, isEmbedding: Bool) throws(AdapterError) -> BlockDiagonal? {
    guard let rule = lora.blockDiagonal else { return nil }
    if isEmbedding || update.target != .weight || update.isAttentionInput {
      throw failure(.impossible("use_bdlora", of: "anything but a linear layer"), at: update.parts.first)
    }
    let a = rule.modulesA.contains(where: update.module.string.containsBytes)
    let b = rule.modulesB.contains(where: update.module.string.containsBytes)
    if a, b { throw failure(.blocksInBoth, at: update.parts.first) }
    if !a, !b, rule.isStrict { throw failure(.blocksInNeither, at: update.parts.first) }
    return a || b ? BlockDiagonal(a: a, b: b, blocks: rule.blocks) : nil
  }
}
