/// Qwen-Image 2.1. ComfyUI keeps the two inner projections as one tensor. Its table was read from diffusers' converter.
enum QwenImage21 {
  static let architecture = Architecture(
    "Qwen-Image 2.1",
    diffusers: Detection("transformer_blocks.0.img_mlp.gate_layer.weight", "txt_in.text_norm.weight"),
    keepsUnlistedNames: true, encoders: [.other("")],
    alike: [
      "": """
      img_in txt_in.text_norm txt_in.in_layer txt_in.out_layer modulation.1 norm_out.linear proj_out
      time_text_embed.timestep_embedder.linear_1 time_text_embed.timestep_embedder.linear_2
      """,
      "transformer_blocks.{i}": "attn.to_q attn.to_k attn.to_v attn.to_out.0 attn.norm_q attn.norm_k img_mlp.out",
    ],
    RuleTable(
      .native,
      Detection("transformer_blocks.0.img_mlp.gate_up.weight", "txt_in.text_norm.weight"),
      """
      [transformer_blocks.{i} -> transformer_blocks.{i}]
      img_mlp.gate_up -> img_mlp.gate_layer 0/2
      img_mlp.gate_up -> img_mlp.proj 1/2
      """))
}
