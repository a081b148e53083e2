import JSONText

/// What PEFT takes out of the base's weight when it makes or loads an adapter of this kind: the update belongs to what is
/// left, rounded to the base's dtype.
///
/// Source: PEFT 0.21.2 `LoraLayer.pissa_init`, `LoraLayer.olora_init`, `KasaLinearVariant`.
public enum Decomposition: String, Sendable, CaseIterable {
  /// `init_lora_weights: "pissa"`: the r largest singular values with their vectors. Meng et al., arXiv:2404.02948.
  case pissa = "PiSSA"
  /// `init_lora_weights: "olora"`: the first r columns of Q times the first r rows of R. Büyükakyüz, arXiv:2406.01775.
  case olora = "OLoRA"
  /// `kasa_config`: the r smallest singular values with their vectors. Wang et al., arXiv:2412.06071.
  case kasa = "KaSA"

  /// What a value of `init_lora_weights` takes out; nil: nothing, or nothing that can be computed again.
  init?(initialization value: JSONValue?) {
    guard case .string(let name) = value else { return nil }
    switch name {
    case "pissa": self = .pissa
    case _ where name.lowercased() == "olora": self = .olora
    default: return nil
    }
  }

  /// The field of adapter_config.json that says so.
  var field: String { self == .kasa ? "kasa_config" : "init_lora_weights" }
}
