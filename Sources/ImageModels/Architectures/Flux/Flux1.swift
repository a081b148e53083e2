/// FLUX.1 of Black Forest Labs, also Kontext, Fill and the other models with its names.
enum Flux1 {
  static let architecture = Architecture(
    "FLUX.1",
    diffusers: Detection(
      "single_transformer_blocks.0.proj_mlp.weight", "transformer_blocks.0.norm1_context.linear.weight",
      "time_text_embed.timestep_embedder.linear_1.weight", without: ["context_embedder.proj_in.weight"]),
    encoders: [.clipL, .t5],
    RuleTable(
      .native,
      Detection(
        "double_blocks.0.img_attn.norm.key_norm.scale", "single_blocks.0.modulation.lin.weight",
        without: ["txt_in.individual_token_refiner.blocks.0.norm1.weight"]),
      hidden: "img_in.weight",
      """
      img_in -> x_embedder
      txt_in -> context_embedder
      time_in.in_layer -> time_text_embed.timestep_embedder.linear_1
      time_in.out_layer -> time_text_embed.timestep_embedder.linear_2
      vector_in.in_layer -> time_text_embed.text_embedder.linear_1
      vector_in.out_layer -> time_text_embed.text_embedder.linear_2
      guidance_in.in_layer -> time_text_embed.guidance_embedder.linear_1
      guidance_in.out_layer -> time_text_embed.guidance_embedder.linear_2
      final_layer.linear -> proj_out
      final_layer.adaLN_modulation.1 -> norm_out.linear swap
      [double_blocks.{i} -> transformer_blocks.{i}]
      img_mod.lin -> norm1.linear
      txt_mod.lin -> norm1_context.linear
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
      img_mlp.0 -> ff.net.0.proj
      img_mlp.2 -> ff.net.2
      txt_mlp.0 -> ff_context.net.0.proj
      txt_mlp.2 -> ff_context.net.2
      [single_blocks.{i} -> single_transformer_blocks.{i}]
      modulation.lin -> norm.linear
      linear1 -> attn.to_q h0:1
      linear1 -> attn.to_k h1:2
      linear1 -> attn.to_v h2:3
      linear1 -> proj_mlp h3:
      linear1_qkv = linear1 h0:3
      linear2 -> proj_out
      =norm.query_norm.scale -> =attn.norm_q.weight
      =norm.key_norm.scale -> =attn.norm_k.weight
      """))
}
