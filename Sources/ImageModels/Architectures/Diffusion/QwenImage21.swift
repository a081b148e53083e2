/// Qwen-Image 2.1. ComfyUI keeps the two inner projections as one tensor. Its table was read from diffusers' converter.
enum QwenImage21 {
  static let architecture = Architecture(
    "Qwen-Image 2.1",
    diffusers: Detection("transformer_blocks.0.img_mlp.gate_layer.weight", "txt_in.text_norm.weight"),
    keepsUnlistedNames: true, encoders: [.other("")],
    RuleTable(
      .native,
      Detection("transformer_blocks.0.img_mlp.gate_up.weight", "txt_in.text_norm.weight"),
      """
      [transformer_blocks.{i} -> transformer_blocks.{i}]
      img_mlp.gate_up -> img_mlp.gate_layer 0/2
      img_mlp.gate_up -> img_mlp.proj 1/2
      """))
}
