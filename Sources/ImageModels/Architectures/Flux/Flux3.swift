/// FLUX.3 of Black Forest Labs. Its table was read from diffusers' converter.
enum Flux3 {
  static let architecture = Architecture(
    "FLUX.3",
    diffusers: Detection("mode_blocks.image.0.attn.to_q.weight", "x_embedders.image.weight"),
    encoders: [.other("")],
    RuleTable(
      .native,
      Detection("content_mode_blocks.image.0.q_proj.weight", "emb_in.image.weight"),
      """
      emb_in.** -> x_embedders.**
      txt_in -> context_embedder
      time_in.in_layer -> timestep_embedder.linear_1
      time_in.out_layer -> timestep_embedder.linear_2
      ref_time_in.in_layer -> target_timestep_embedder.linear_1
      ref_time_in.out_layer -> target_timestep_embedder.linear_2
      final_layer.image.linear -> proj_out
      final_layer.image.adaLN_modulation.1 -> norm_out.linear swap
      early_stream_modulations.image.lin -> early_stream_modulations.image.linear
      early_stream_modulations.image_cond.lin -> early_stream_modulations.image_cond.linear
      early_stream_modulations.txt.lin -> early_stream_modulations.txt.linear
      single_stream_modulations.image.lin -> single_stream_modulations.image.linear
      single_stream_modulations.image_cond.lin -> single_stream_modulations.image_cond.linear
      single_stream_modulations.txt.lin -> single_stream_modulations.txt.linear
      [content_mode_blocks.image.{i} -> mode_blocks.image.{i}]
      q_proj -> attn.to_q
      k_proj -> attn.to_k
      v_proj -> attn.to_v
      attn_out -> attn.to_out.0
      =norm.query_norm.scale -> =attn.norm_q.weight
      =norm.key_norm.scale -> =attn.norm_k.weight
      mlp_in -> ff.linear_in
      mlp_out -> ff.linear_out
      [content_mode_blocks.image_cond.{i} -> mode_blocks.image_cond.{i}]
      q_proj -> attn.to_q
      k_proj -> attn.to_k
      v_proj -> attn.to_v
      attn_out -> attn.to_out.0
      =norm.query_norm.scale -> =attn.norm_q.weight
      =norm.key_norm.scale -> =attn.norm_k.weight
      mlp_in -> ff.linear_in
      mlp_out -> ff.linear_out
      [txt_mode_blocks.{i} -> txt_mode_blocks.{i}]
      q_proj -> attn.to_q
      k_proj -> attn.to_k
      v_proj -> attn.to_v
      attn_out -> attn.to_out.0
      =norm.query_norm.scale -> =attn.norm_q.weight
      =norm.key_norm.scale -> =attn.norm_k.weight
      mlp_in -> ff.linear_in
      mlp_out -> ff.linear_out
      [single_blocks.{i} -> single_transformer_blocks.{i}]
      q_proj -> attn.to_q
      k_proj -> attn.to_k
      v_proj -> attn.to_v
      attn_out -> attn.to_out.0
      =norm.query_norm.scale -> =attn.norm_q.weight
      =norm.key_norm.scale -> =attn.norm_k.weight
      mlp_in -> ff.linear_in
      mlp_out -> ff.linear_out
      """))
}
