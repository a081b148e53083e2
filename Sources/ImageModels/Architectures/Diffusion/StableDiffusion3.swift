/// SD3 and SD3.5. The last block gives the text only two modulations, stored as the final layer's are.
enum StableDiffusion3 {
  static let architecture = Architecture(
    "SD3",
    diffusers: Detection(
      "pos_embed.pos_embed", "transformer_blocks.0.attn.add_q_proj.weight", "transformer_blocks.0.norm1.linear.weight"),
    encoders: [.clipL, .clipG, .t5],
    RuleTable(
      .native,
      Detection("joint_blocks.0.context_block.adaLN_modulation.1.weight", "x_embedder.proj.weight"),
      """
      =pos_embed -> =pos_embed.pos_embed
      x_embedder.proj -> pos_embed.proj
      t_embedder.mlp.0 -> time_text_embed.timestep_embedder.linear_1
      t_embedder.mlp.2 -> time_text_embed.timestep_embedder.linear_2
      y_embedder.mlp.0 -> time_text_embed.text_embedder.linear_1
      y_embedder.mlp.2 -> time_text_embed.text_embedder.linear_2
      context_embedder -> context_embedder
      final_layer.linear -> proj_out
      final_layer.adaLN_modulation.1 -> norm_out.linear swap
      [joint_blocks.{i} -> transformer_blocks.{i}]
      x_block.attn.qkv -> attn.to_q 0/3
      x_block.attn.qkv -> attn.to_k 1/3
      x_block.attn.qkv -> attn.to_v 2/3
      context_block.attn.qkv -> attn.add_q_proj 0/3
      context_block.attn.qkv -> attn.add_k_proj 1/3
      context_block.attn.qkv -> attn.add_v_proj 2/3
      x_block.attn2.qkv -> attn2.to_q 0/3
      x_block.attn2.qkv -> attn2.to_k 1/3
      x_block.attn2.qkv -> attn2.to_v 2/3
      x_block.attn.ln_q -> attn.norm_q
      x_block.attn.ln_k -> attn.norm_k
      context_block.attn.ln_q -> attn.norm_added_q
      context_block.attn.ln_k -> attn.norm_added_k
      x_block.attn2.ln_q -> attn2.norm_q
      x_block.attn2.ln_k -> attn2.norm_k
      x_block.attn.proj -> attn.to_out.0
      x_block.attn2.proj -> attn2.to_out.0
      context_block.attn.proj -> attn.to_add_out
      x_block.adaLN_modulation.1 -> norm1.linear
      context_block.adaLN_modulation.1 -> norm1_context.linear swap-last
      x_block.mlp.fc1 -> ff.net.0.proj
      x_block.mlp.fc2 -> ff.net.2
      context_block.mlp.fc1 -> ff_context.net.0.proj
      context_block.mlp.fc2 -> ff_context.net.2
      """))
}
