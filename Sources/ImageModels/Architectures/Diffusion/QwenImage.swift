/// Qwen-Image and Qwen-Image-Edit, whose native names are those of diffusers.
enum QwenImage {
  static let architecture = Architecture(
    "Qwen-Image",
    diffusers: Detection(
      "txt_norm.weight", "transformer_blocks.0.attn.add_q_proj.weight", "transformer_blocks.0.img_mod.1.weight"),
    keepsUnlistedNames: true, encoders: [.other("")])
}
