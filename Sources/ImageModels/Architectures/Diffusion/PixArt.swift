/// PixArt-alpha and PixArt-sigma.
enum PixArt {
  static let architecture = Architecture(
    "PixArt",
    diffusers: Detection(
      "adaln_single.emb.timestep_embedder.linear_1.weight", "pos_embed.proj.weight",
      "transformer_blocks.0.attn2.to_k.weight"),
    encoders: [.t5],
    RuleTable(
      .native,
      Detection("blocks.0.cross_attn.kv_linear.weight", "t_block.1.weight", without: ["attention_y_norm.weight"]),
      """
      x_embedder.proj -> pos_embed.proj
      y_embedder.y_proj.fc1 -> caption_projection.linear_1
      y_embedder.y_proj.fc2 -> caption_projection.linear_2
      t_embedder.mlp.0 -> adaln_single.emb.timestep_embedder.linear_1
      t_embedder.mlp.2 -> adaln_single.emb.timestep_embedder.linear_2
      csize_embedder.mlp.0 -> adaln_single.emb.resolution_embedder.linear_1
      csize_embedder.mlp.2 -> adaln_single.emb.resolution_embedder.linear_2
      ar_embedder.mlp.0 -> adaln_single.emb.aspect_ratio_embedder.linear_1
      ar_embedder.mlp.2 -> adaln_single.emb.aspect_ratio_embedder.linear_2
      t_block.1 -> adaln_single.linear
      final_layer.linear -> proj_out
      =final_layer.scale_shift_table -> =scale_shift_table
      [blocks.{i} -> transformer_blocks.{i}]
      attn.qkv -> attn1.to_q 0/3
      attn.qkv -> attn1.to_k 1/3
      attn.qkv -> attn1.to_v 2/3
      attn.proj -> attn1.to_out.0
      cross_attn.q_linear -> attn2.to_q
      cross_attn.kv_linear -> attn2.to_k 0/2
      cross_attn.kv_linear -> attn2.to_v 1/2
      cross_attn.proj -> attn2.to_out.0
      =scale_shift_table -> =scale_shift_table
      mlp.fc1 -> ff.net.0.proj
      mlp.fc2 -> ff.net.2
      """))
}
