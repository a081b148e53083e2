/// Chroma: FLUX.1 whose modulations come from one small network.
enum Chroma {
  static let architecture = Architecture(
    "Chroma",
    diffusers: Detection("distilled_guidance_layer.layers.0.linear_1.weight"),
    encoders: [.t5],
    RuleTable(
      .native,
      Detection("distilled_guidance_layer.layers.0.in_layer.weight"),
      hidden: "img_in.weight",
      """
      img_in -> x_embedder
      txt_in -> context_embedder
      final_layer.linear -> proj_out
      [distilled_guidance_layer -> distilled_guidance_layer]
      in_proj -> in_proj
      out_proj -> out_proj
      layers.{i}.in_layer -> layers.{i}.linear_1
      layers.{i}.out_layer -> layers.{i}.linear_2
      =norms.{i}.scale -> =norms.{i}.weight
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
      img_mlp.0 -> ff.net.0.proj
      img_mlp.2 -> ff.net.2
      txt_mlp.0 -> ff_context.net.0.proj
      txt_mlp.2 -> ff_context.net.2
      [single_blocks.{i} -> single_transformer_blocks.{i}]
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
