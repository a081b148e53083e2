/// Mochi 1. Its table was read from diffusers' converter.
enum Mochi {
  static let architecture = Architecture(
    "Mochi",
    diffusers: Detection("time_embed.pooler.to_kv.weight", "transformer_blocks.0.attn1.add_q_proj.weight"),
    encoders: [.t5],
    RuleTable(
      .native,
      Detection("blocks.0.attn.qkv_x.weight"),
      """
      x_embedder.proj -> patch_embed.proj
      t_embedder.mlp.0 -> time_embed.timestep_embedder.linear_1
      t_embedder.mlp.2 -> time_embed.timestep_embedder.linear_2
      t5_y_embedder.** -> time_embed.pooler.**
      t5_yproj -> time_embed.caption_proj
      final_layer.mod -> norm_out.linear swap
      final_layer.linear -> proj_out
      =pos_frequencies -> =pos_frequencies
      [blocks.{i} -> transformer_blocks.{i}]
      mod_x -> norm1.linear
      mod_y -> norm1_context.linear not-last
      mod_y -> norm1_context.linear_1 last
      attn.qkv_x -> attn1.to_q 0/3
      attn.qkv_x -> attn1.to_k 1/3
      attn.qkv_x -> attn1.to_v 2/3
      attn.qkv_y -> attn1.add_q_proj 0/3
      attn.qkv_y -> attn1.add_k_proj 1/3
      attn.qkv_y -> attn1.add_v_proj 2/3
      attn.q_norm_x -> attn1.norm_q
      attn.k_norm_x -> attn1.norm_k
      attn.q_norm_y -> attn1.norm_added_q
      attn.k_norm_y -> attn1.norm_added_k
      attn.proj_x -> attn1.to_out.0
      attn.proj_y -> attn1.to_add_out
      mlp_x.w1 -> ff.net.0.proj swap
      mlp_x.w2 -> ff.net.2
      mlp_y.w1 -> ff_context.net.0.proj swap
      mlp_y.w2 -> ff_context.net.2
      """))
}
