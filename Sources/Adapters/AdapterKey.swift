import Safetensors

/// The name of one tensor of an adapter, taken apart: `base_model.model.` + module path + what the tensor is.
///
/// Source: PEFT 0.21.2 `get_peft_model_state_dict`.
struct AdapterKey: Equatable, Sendable {
  /// What a supported tensor is to its module.
  enum Role: CaseIterable, Sendable {
    /// `lora_A.weight`, (r, in).
    case factorA
    /// `lora_B.weight`, (out, r).
    case factorB
    /// `lora_B.bias`, (out).
    case bias
    /// `lora_bias`: another spelling of the same.
    case plainBias

    /// How the key ends, behind the module path's dot.
    var suffix: String {
      switch self {
      case .factorA: "lora_A.weight"
      case .factorB: "lora_B.weight"
      case .bias: "lora_B.bias"
      case .plainBias: "lora_bias"
      }
    }
  }

  static let prefix = "base_model.model."

  /// Where the module stands in the model, such as `model.layers.0.self_attn.q_proj`.
  let module: TensorName
  let role: Role

  init(module: TensorName, role: Role) {
    self.module = module
    self.role = role
  }

  /// The key of this role for a module.
  var name: String { Self.prefix + module.string + "." + role.suffix }

  /// - Throws: What is wrong with the key, or which feature it belongs to.
  init(_ name: TensorName) throws(AdapterError.Problem) {
    let key = Substring(name.string)
    guard let rest = key.droppingPrefix(Self.prefix) else { throw .keyPrefix(expected: Self.prefix) }
    if rest.droppingPrefix(Self.prefix) != nil { throw .keyDoubledPrefix(Self.prefix) }
    let segments = rest.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
      .map { String(Substring($0)) }
    if let feature = Self.feature(segments) { throw .unsupportedKey(feature) }
    for role in Role.allCases where segments.ends(with: role.suffix) {
      let module = segments.dropLast(role.suffix.utf8.count { $0 == UInt8(ascii: ".") } + 1).joined(separator: ".")
      if module.isEmpty { throw .keyWithoutModule }
      self.init(module: TensorName(module), role: role)
      return
    }
    if let adapterName = Self.adapterName(segments) { throw .keyWithAdapterName(adapterName) }
    if let last = segments.last, segments.count > 1, !segments.dropLast().contains(where: Self.isLoraName) {
      if last == "weight" { throw .unsupportedKey("a fully trained weight (modules_to_save, resized embedding)") }
      if last == "bias" { throw .unsupportedKey("a trained bias (bias=\"all\")") }
    }
    throw .unknownKey
  }

  /// The feature that a key with these segments belongs to; nil if none of them says so.
  private static func feature(_ segments: [String]) -> String? {
    for (index, segment) in segments.enumerated() {
      switch segment {
      case "lora_embedding_A", "lora_embedding_B": return "LoRA on an embedding"
      case "lora_magnitude_vector": return "DoRA"
      case "lora_diag": return "KaSA"
      case "lora_velora_embed": return "VeLoRA"
      case "lora_monteclora_sampler": return "MonteCLoRA"
      case "token_adapter": return "trained token rows (trainable_token_indices)"
      case "modules_to_save", "original_module": return "a fully trained module (modules_to_save)"
      case "base_layer":
        switch segments[(index + 1)...] {
        case ["weight"]: return "a full copy of an adapted layer (save_embedding_layers)"
        case ["bias"]: return "a trained bias (bias=\"all\" or \"lora_only\")"
        default: return "LoRA inside an adapted layer (target_parameters, attention blocks)"
        }
      default: break
      }
    }
    return nil
  }

  private static func isLoraName(_ segment: String) -> Bool { segment == "lora_A" || segment == "lora_B" }

  /// The NAME of `lora_A.NAME.weight`, which saving takes out.
  private static func adapterName(_ segments: [String]) -> String? {
    guard segments.count >= 3, isLoraName(segments[segments.count - 3]), ["weight", "bias"].contains(segments.last)
    else { return nil }
    return segments[segments.count - 2]
  }
}

extension Substring {
  /// What follows `prefix`, compared by bytes; nil if the text does not begin with it.
  fileprivate func droppingPrefix(_ prefix: String) -> Substring? {
    utf8.starts(with: prefix.utf8) ? Substring(utf8.dropFirst(prefix.utf8.count)) : nil
  }
}

extension [String] {
  /// Whether the last segments are those of a dotted `suffix`.
  fileprivate func ends(with suffix: String) -> Bool {
    let wanted = suffix.split(separator: ".")
    return count >= wanted.count && zip(self.suffix(wanted.count), wanted).allSatisfy { $0 == $1 }
  }
}
