/// Qwen-Image and Qwen-Image-Edit, whose native names are those of diffusers.
enum QwenImage {
  static let architecture = Architecture(
    "Qwen-Image",
    diffusers: Detection(
      "txt_norm.weight", "transformer_blocks.0.attn.add_q_proj.weight", "transformer_blocks.0.img_mod.1.weight"),
    keepsUnlistedNames: true, encoders: [.other("")],
    alike: [
      "": """
      img_in txt_in txt_norm norm_out.linear proj_out time_text_embed.timestep_embedder.linear_1
      time_text_embed.timestep_embedder.linear_2
      """,
      "transformer_blocks.{i}": """
      img_mod.1 txt_mod.1 attn.to_q attn.to_k attn.to_v attn.to_out.0 attn.norm_q attn.norm_k attn.add_q_proj attn.add_k_proj
      attn.add_v_proj attn.to_add_out attn.norm_added_q attn.norm_added_k img_mlp.net.0.proj img_mlp.net.2 txt_mlp.net.0.proj
      txt_mlp.net.2
      """,
    ])
}
