/// Lumina-Image 2. Its keys and values have fewer heads than its queries.
enum Lumina2 {
  static let architecture = Architecture(
    "Lumina 2",
    diffusers: Detection("time_caption_embed.timestep_embedder.linear_1.weight", "layers.0.attn.to_q.weight"),
    encoders: [.other("")],
    RuleTable(
      .native,
      Detection("cap_embedder.0.weight", "layers.0.attention.qkv.weight", without: ["cap_pad_token"]),
      """
      x_embedder -> x_embedder
      t_embedder.mlp.0 -> time_caption_embed.timestep_embedder.linear_1
      t_embedder.mlp.2 -> time_caption_embed.timestep_embedder.linear_2
      cap_embedder.0 -> time_caption_embed.caption_embedder.0
      cap_embedder.1 -> time_caption_embed.caption_embedder.1
      final_layer.adaLN_modulation.1 -> norm_out.linear_1
      final_layer.linear -> norm_out.linear_2
      [layers.{i} -> layers.{i}]
      attention.qkv -> attn.to_q q@layers.{i}.attention.out
      attention.qkv -> attn.to_k k@layers.{i}.attention.out
      attention.qkv -> attn.to_v v@layers.{i}.attention.out
      attention.out -> attn.to_out.0
      attention.q_norm -> attn.norm_q
      attention.k_norm -> attn.norm_k
      feed_forward.w1 -> feed_forward.linear_1
      feed_forward.w2 -> feed_forward.linear_2
      feed_forward.w3 -> feed_forward.linear_3
      attention_norm2 -> norm2
      ffn_norm1 -> ffn_norm1
      ffn_norm2 -> ffn_norm2
      attention_norm1 -> norm1.norm
      adaLN_modulation.1 -> norm1.linear
      [noise_refiner.{i} -> noise_refiner.{i}]
      attention.qkv -> attn.to_q q@noise_refiner.{i}.attention.out
      attention.qkv -> attn.to_k k@noise_refiner.{i}.attention.out
      attention.qkv -> attn.to_v v@noise_refiner.{i}.attention.out
      attention.out -> attn.to_out.0
      attention.q_norm -> attn.norm_q
      attention.k_norm -> attn.norm_k
      feed_forward.w1 -> feed_forward.linear_1
      feed_forward.w2 -> feed_forward.linear_2
      feed_forward.w3 -> feed_forward.linear_3
      attention_norm2 -> norm2
      ffn_norm1 -> ffn_norm1
      ffn_norm2 -> ffn_norm2
      attention_norm1 -> norm1.norm
      adaLN_modulation.1 -> norm1.linear
      [context_refiner.{i} -> context_refiner.{i}]
      attention.qkv -> attn.to_q q@context_refiner.{i}.attention.out
      attention.qkv -> attn.to_k k@context_refiner.{i}.attention.out
      attention.qkv -> attn.to_v v@context_refiner.{i}.attention.out
      attention.out -> attn.to_out.0
      attention.q_norm -> attn.norm_q
      attention.k_norm -> attn.norm_k
      feed_forward.w1 -> feed_forward.linear_1
      feed_forward.w2 -> feed_forward.linear_2
      feed_forward.w3 -> feed_forward.linear_3
      attention_norm2 -> norm2
      ffn_norm1 -> ffn_norm1
      ffn_norm2 -> ffn_norm2
      attention_norm1 -> norm1
      """))
}
