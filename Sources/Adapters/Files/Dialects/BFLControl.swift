import Safetensors

/// The LoRAs of Black Forest Labs for FLUX with control images, which replace the scales of norms under their own names, and
/// widen the first layer.
///
/// Source: diffusers 0.42.1 `_convert_bfl_flux_control_lora_to_diffusers`.
enum BFLControl {
  /// What a description of the file calls the dialect.
  static let name = "BFL control"

  /// Whether the weight of a module gets columns of zeros for the control image, as many as the factors ask for.
  static func pads(_ module: TensorName) -> Bool { module.string == "img_in" }

  /// Whether a key names a tensor that replaces one of the model.
  static func replaces(_ segments: [String]) -> Bool {
    let end = Array(segments.suffix(3))
    return end.count == 3 && end[0] == "norm" && ["query_norm", "key_norm"].contains(end[1]) && end[2] == "scale"
  }
}
