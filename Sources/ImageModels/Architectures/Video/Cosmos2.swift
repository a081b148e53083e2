/// Cosmos-Predict2 and Anima. Its table was read from diffusers' converter.
enum Cosmos2 {
  static let architecture = Architecture(
    "Cosmos-Predict2",
    diffusers: Detection(
      "time_embed.t_embedder.linear_1.weight", "transformer_blocks.0.norm1.linear_1.weight", "patch_embed.proj.weight"),
    keepsUnlistedNames: true, encoders: [.t5],
    RuleTable(
      .native,
      Detection("blocks.0.self_attn.q_proj.weight", "blocks.0.adaln_modulation_self_attn.1.weight"),
      """
      x_embedder.proj.1 -> patch_embed.proj
      t_embedder.1.** -> time_embed.t_embedder.**
      t_embedding_norm -> time_embed.norm
      final_layer.adaln_modulation.1 -> norm_out.linear_1
      final_layer.adaln_modulation.2 -> norm_out.linear_2
      final_layer.linear -> proj_out
      [blocks.{i} -> transformer_blocks.{i}]
      mlp.layer1 -> ff.net.0.proj
      mlp.layer2 -> ff.net.2
      adaln_modulation_self_attn.1 -> norm1.linear_1
      adaln_modulation_self_attn.2 -> norm1.linear_2
      adaln_modulation_cross_attn.1 -> norm2.linear_1
      adaln_modulation_cross_attn.2 -> norm2.linear_2
      adaln_modulation_mlp.1 -> norm3.linear_1
      adaln_modulation_mlp.2 -> norm3.linear_2
      self_attn.q_proj -> attn1.to_q
      self_attn.k_proj -> attn1.to_k
      self_attn.v_proj -> attn1.to_v
      self_attn.output_proj -> attn1.to_out.0
      self_attn.q_norm -> attn1.norm_q
      self_attn.k_norm -> attn1.norm_k
      cross_attn.q_proj -> attn2.to_q
      cross_attn.k_proj -> attn2.to_k
      cross_attn.v_proj -> attn2.to_v
      cross_attn.output_proj -> attn2.to_out.0
      cross_attn.q_norm -> attn2.norm_q
      cross_attn.k_norm -> attn2.norm_k
      """))
}
