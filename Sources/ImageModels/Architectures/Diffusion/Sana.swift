/// Sana. Its table was read from diffusers' converter.
enum Sana {
  static let architecture = Architecture(
    "Sana",
    diffusers: Detection("caption_norm.weight", "transformer_blocks.0.ff.conv_inverted.weight"),
    encoders: [.other("")],
    RuleTable(
      .native,
      Detection("blocks.0.cross_attn.q_linear.weight", "blocks.0.mlp.inverted_conv.conv.weight"),
      """
      x_embedder.proj -> patch_embed.proj
      y_embedder.y_proj.fc1 -> caption_projection.linear_1
      y_embedder.y_proj.fc2 -> caption_projection.linear_2
      attention_y_norm -> caption_norm
      t_embedder.mlp.0 -> time_embed.emb.timestep_embedder.linear_1
      t_embedder.mlp.2 -> time_embed.emb.timestep_embedder.linear_2
      t_block.1 -> time_embed.linear
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
      mlp.inverted_conv.conv -> ff.conv_inverted
      mlp.depth_conv.conv -> ff.conv_depth
      mlp.point_conv.conv -> ff.conv_point
      """))
}
