/// FLUX.2 of Black Forest Labs. Its modulations are shared by all blocks.
enum Flux2 {
  static let architecture = Architecture(
    "FLUX.2",
    diffusers: Detection("double_stream_modulation_img.linear.weight"),
    encoders: [.other("")],
    RuleTable(
      .native,
      Detection("double_stream_modulation_img.lin.weight"),
      """
      img_in -> x_embedder
      txt_in -> context_embedder
      time_in.in_layer -> time_guidance_embed.timestep_embedder.linear_1
      time_in.out_layer -> time_guidance_embed.timestep_embedder.linear_2
      guidance_in.in_layer -> time_guidance_embed.guidance_embedder.linear_1
      guidance_in.out_layer -> time_guidance_embed.guidance_embedder.linear_2
      double_stream_modulation_img.lin -> double_stream_modulation_img.linear
      double_stream_modulation_txt.lin -> double_stream_modulation_txt.linear
      single_stream_modulation.lin -> single_stream_modulation.linear
      final_layer.linear -> proj_out
      final_layer.adaLN_modulation.1 -> norm_out.linear swap
      [double_blocks.{i} -> transformer_blocks.{i}]
      img_attn.qkv -> attn.to_q 0/3
      img_attn.qkv -> attn.to_k 1/3
      img_attn.qkv -> attn.to_v 2/3
      txt_attn.qkv -> attn.add_q_proj 0/3
      txt_attn.qkv -> attn.add_k_proj 1/3
      txt_attn.qkv -> attn.add_v_proj 2/3
      =img_attn.norm.query_norm.scale -> =attn.norm_q.weight
      =img_attn.norm.key_norm.scale -> =attn.norm_k.weight
      =txt_attn.norm.query_norm.scale -> =attn.norm_added_q.weight
      =txt_attn.norm.key_norm.scale -> =attn.norm_added_k.weight
      img_attn.proj -> attn.to_out.0
      txt_attn.proj -> attn.to_add_out
      img_mlp.0 -> ff.linear_in
      img_mlp.2 -> ff.linear_out
      txt_mlp.0 -> ff_context.linear_in
      txt_mlp.2 -> ff_context.linear_out
      [single_blocks.{i} -> single_transformer_blocks.{i}]
      linear1 -> attn.to_qkv_mlp_proj
      linear2 -> attn.to_out
      =norm.query_norm.scale -> =attn.norm_q.weight
      =norm.key_norm.scale -> =attn.norm_k.weight
      """))
}
