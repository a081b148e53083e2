import JSONText

/// The fields of LoRA that have a shape of their own.
extension ConfigReader {
  func blockDiagonal(_ field: String) throws(AdapterError) -> LoRA.BlockDiagonalRule? {
    switch json[field] {
    case nil, .null, .bool(false): return nil
    case .object(let members):
      let known = ["target_modules_bd_a", "target_modules_bd_b", "nblocks", "match_strict"]
      for member in members where !known.contains(member.key) && member.value != .null {
        throw AdapterError(
          path: path, .unknownField("\(field)\"[\"\(member.key)\"]", value: member.value.summary))
      }
      let inner = ConfigReader(json: .object(members), path: path)
      return LoRA.BlockDiagonalRule(
        modulesA: try inner.strings("target_modules_bd_a"), modulesB: try inner.strings("target_modules_bd_b"),
        blocks: try inner.rank("nblocks") ?? 1,
        isStrict: json[field]?["match_strict"] == nil ? true : try inner.bool("match_strict"))
    case .some(let other): throw failure(field, expected: "an object", other)
    }
  }

  /// The variants that have a config of their own and merge as plain LoRA.
  func variants() throws(AdapterError) -> Set<LoRAVariant> {
    var variants: Set<LoRAVariant> = []
    if try isConfigured("velora_config") { variants.insert(.velora) }
    if try isConfigured("monteclora_config") { variants.insert(.monteclora) }
    return variants
  }

  /// Whether a variant has a config of its own, be it an empty one.
  func isConfigured(_ field: String) throws(AdapterError) -> Bool {
    switch json[field] {
    case nil, .null, .bool(false): return false
    case .object: return true
    case .some(let other): throw failure(field, expected: "an object", other)
    }
  }
}

extension ExpertLayout: Choices {
  static var list: String { "\"rank_major\" or \"grouped_by_expert\"" }
}
