import JSONText

/// Fields without which PEFT would not open an adapter, or would take a default, and that other programs leave out.
struct ConfigOmissions: Sendable {
  /// The kind of adapter that `peft_type` names; LoRA if the field is missing.
  let tuner: any Tuner.Type
  /// Whether there is a `peft_type`; without one the keys must be LoRA's.
  let hasType: Bool
  /// Whether there is an `r`; without one the factors say it.
  let hasRank: Bool
  /// Whether there is a `lora_alpha`; without one it is 8, as in PEFT.
  let hasAlpha: Bool
  /// `peft_type`, where it is in other letters than PEFT's; nil: it is not.
  let unusualType: String?
  /// `init_lora_weights`, where it is a boolean in quotes; nil: it is not.
  let quotedInitialization: String?

  /// Of an adapter without a config, where nothing is missing.
  static let none = ConfigOmissions()

  private init() {
    (tuner, hasType, hasRank, hasAlpha) = (LoRA.self, true, true, true)
    (unusualType, quotedInitialization) = (nil, nil)
  }

  /// - Throws: If the adapter is of another method, or of none.
  init(_ json: JSONValue, path: String) throws(AdapterError) {
    guard case .object(let members) = json else {
      throw AdapterError(path: path, .configNotAnObject(found: json.kindName))
    }
    var unusual: String?
    switch json["peft_type"] {
    case .string(let type):
      guard let found = Tuners.named(type) else {
        throw AdapterError(path: path, .peftType(found: JSONValue.string(type).summary))
      }
      tuner = found
      hasType = true
      if type != found.peftType { unusual = type }
    case nil, .null:
      // A config of another program has fields of its own, which distinguish it from one of PEFT that lost its type.
      let isForeign = members.contains { ConfigField.named($0.key, of: LoRA.self) == nil && $0.value != .null }
      if isForeign || members.isEmpty { throw AdapterError(path: path, .peftType(found: nil)) }
      tuner = LoRA.self
      hasType = false
    case .some(let other): throw AdapterError(path: path, .peftType(found: other.summary))
    }
    unusualType = unusual
    hasRank = json["r"] != nil
    hasAlpha = json["lora_alpha"] != nil
    if case .string(let name)? = json["init_lora_weights"], Initializations.spelledBoolean(name) != nil {
      quotedInitialization = name
    } else {
      quotedInitialization = nil
    }
  }

  /// A line for each, for somebody who may know better.
  func warnings(_ config: AdapterConfig, updates: [ModuleUpdate], path: String) -> [String] {
    var warnings: [String] = []
    if !hasType { warnings.append("\(path): \"peft_type\" is missing; the keys are LoRA's") }
    if let unusualType {
      warnings.append("\(path): \"peft_type\" is \"\(unusualType)\"; PEFT writes \"\(tuner.peftType)\"")
    }
    if !hasRank, let lora = config.lora, lora.statedScaling == nil,
      let rank = updates.first(where: { $0.rankPattern == nil })?.rank, rank != 8
    {
      warnings.append("\(path): \"r\" is missing; the factors have rank \(rank)")
    }
    if let quotedInitialization {
      warnings.append("\(path): \"init_lora_weights\" is \"\(quotedInitialization)\" in quotes; a boolean is meant")
    }
    return warnings
  }

  /// Checks what the factors say in the place of a missing `r`.
  ///
  /// - Throws: If they have several ranks, or if alpha is missing too: then the scaling is not known.
  func check(_ config: AdapterConfig, updates: [ModuleUpdate], path: String) throws(AdapterError) {
    guard let lora = config.lora, lora.statedScaling == nil, !hasRank || (!hasAlpha && !hasType) else { return }
    let ranks = Set(updates.filter { $0.rankPattern == nil }.compactMap(\.rank)).sorted()
    guard let rank = ranks.first else { return }
    // Defaults are PEFT's: of a config that it could not have written, or opened, they say nothing.
    let isOpenedByPEFT = hasType && rank == 8
    if ranks.count > 1 && !hasRank || (!hasAlpha && !isOpenedByPEFT) {
      throw AdapterError(path: path, .scalingUnknown(ranks: ranks, hasRank: hasRank, hasAlpha: hasAlpha))
    }
  }
}
