/// Names of LoRA in attention processors: diffusers up to 0.17 kept the factors of `to_q` in `processor.to_q_lora`.
///
/// Source: diffusers 0.42.1 `_convert_old_lora_keys`, `_load_lora_into_text_encoder` of its older releases.
enum AttentionProcessors {
  /// The name of the module before `.down.weight`; nil: the name is not of this kind.
  static func module(_ segments: [String]) -> String? {
    guard segments.count > 2, let last = segments.last, last.utf8.suffix(5).elementsEqual("_lora".utf8) else {
      return nil
    }
    let name = String(last.dropLast(5))
    let holder = segments[segments.count - 2]
    if holder == "processor" {
      guard name.utf8.starts(with: "to_".utf8) || name.utf8.starts(with: "add_".utf8) else { return nil }
      return (segments.dropLast(2) + [name == "to_out" ? "to_out.0" : name]).joined(separator: ".")
    }
    // Text encoders had the factors beside the projections, by the names of a UNet.
    guard holder == "self_attn", let own = textEncoder[name] else { return nil }
    return (segments.dropLast() + [own]).joined(separator: ".")
  }

  private static let textEncoder = ["to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"]
}
