/// The LoRAs of Black Forest Labs for FLUX with control images, which replace the scales of norms under their own names.
///
/// Source: diffusers 0.42.1 `_convert_bfl_flux_control_lora_to_diffusers`.
enum BFLControl {
  /// Whether a key names a tensor that replaces one of the model.
  static func replaces(_ segments: [String]) -> Bool {
    let end = Array(segments.suffix(3))
    return end.count == 3 && end[0] == "norm" && ["query_norm", "key_norm"].contains(end[1]) && end[2] == "scale"
  }
}
