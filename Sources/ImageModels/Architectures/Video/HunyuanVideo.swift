/// HunyuanVideo. ComfyUI spells its names as those of FLUX.1, so there are three spellings.
enum HunyuanVideo {
  static let architecture = Architecture(
    "HunyuanVideo",
    diffusers: Detection("context_embedder.token_refiner.refiner_blocks.0.norm1.weight"),
    encoders: [.other(""), .clipL],
    published, comfyUI)

  private static let published = RuleTable(
    .native,
    Detection("txt_in.individual_token_refiner.blocks.0.norm1.weight", "double_blocks.0.img_attn_qkv.weight"),
    hidden: "img_in.proj.weight",
    """
    img_in.proj -> x_embedder.proj
    time_in.mlp.0 -> time_text_embed.timestep_embedder.linear_1
    time_in.mlp.2 -> time_text_embed.timestep_embedder.linear_2
    guidance_in.mlp.0 -> time_text_embed.guidance_embedder.linear_1
    guidance_in.mlp.2 -> time_text_embed.guidance_embedder.linear_2
    vector_in.in_layer -> time_text_embed.text_embedder.linear_1
    vector_in.out_layer -> time_text_embed.text_embedder.linear_2
    final_layer.linear -> proj_out
    final_layer.adaLN_modulation.1 -> norm_out.linear swap
    txt_in.input_embedder -> context_embedder.proj_in
    txt_in.t_embedder.mlp.0 -> context_embedder.time_text_embed.timestep_embedder.linear_1
    txt_in.t_embedder.mlp.2 -> context_embedder.time_text_embed.timestep_embedder.linear_2
    txt_in.c_embedder.linear_1 -> context_embedder.time_text_embed.text_embedder.linear_1
    txt_in.c_embedder.linear_2 -> context_embedder.time_text_embed.text_embedder.linear_2
    [double_blocks.{i} -> transformer_blocks.{i}]
    img_attn_qkv -> attn.to_q 0/3
    img_attn_qkv -> attn.to_k 1/3
    img_attn_qkv -> attn.to_v 2/3
    txt_attn_qkv -> attn.add_q_proj 0/3
    txt_attn_qkv -> attn.add_k_proj 1/3
    txt_attn_qkv -> attn.add_v_proj 2/3
    img_attn_q_norm -> attn.norm_q
    img_attn_k_norm -> attn.norm_k
    txt_attn_q_norm -> attn.norm_added_q
    txt_attn_k_norm -> attn.norm_added_k
    img_attn_proj -> attn.to_out.0
    txt_attn_proj -> attn.to_add_out
    img_mod.linear -> norm1.linear
    txt_mod.linear -> norm1_context.linear
    img_mlp.fc1 -> ff.net.0.proj
    img_mlp.fc2 -> ff.net.2
    txt_mlp.fc1 -> ff_context.net.0.proj
    txt_mlp.fc2 -> ff_context.net.2
    [single_blocks.{i} -> single_transformer_blocks.{i}]
    linear1 -> attn.to_q h0:1
    linear1 -> attn.to_k h1:2
    linear1 -> attn.to_v h2:3
    linear1 -> proj_mlp h3:
    linear2 -> proj_out
    q_norm -> attn.norm_q
    k_norm -> attn.norm_k
    modulation.linear -> norm.linear
    [txt_in.individual_token_refiner.blocks.{i} -> context_embedder.token_refiner.refiner_blocks.{i}]
    self_attn_qkv -> attn.to_q 0/3
    self_attn_qkv -> attn.to_k 1/3
    self_attn_qkv -> attn.to_v 2/3
    self_attn_proj -> attn.to_out.0
    norm1 -> norm1
    norm2 -> norm2
    mlp.fc1 -> ff.net.0.proj
    mlp.fc2 -> ff.net.2
    adaLN_modulation.1 -> norm_out.linear
    """)
}
