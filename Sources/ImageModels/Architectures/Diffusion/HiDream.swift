/// HiDream-I1, whose native names are those of diffusers.
enum HiDream {
  static let architecture = Architecture(
    "HiDream",
    diffusers: Detection("caption_projection.0.linear.weight"),
    keepsUnlistedNames: true, encoders: [.clipL, .clipG, .t5, .other("")],
    alike: [
      "": """
      t_embedder.timestep_embedder.linear_1 t_embedder.timestep_embedder.linear_2 p_embedder.pooled_embedder.linear_1
      p_embedder.pooled_embedder.linear_2 x_embedder.proj final_layer.linear final_layer.adaLN_modulation.1
      caption_projection.{i}.linear
      """,
      "double_stream_blocks.{i}.block": """
      adaLN_modulation.1 attn1.to_q attn1.to_k attn1.to_v attn1.to_out attn1.q_rms_norm attn1.k_rms_norm attn1.to_q_t attn1.to_k_t
      attn1.to_v_t attn1.to_out_t attn1.q_rms_norm_t attn1.k_rms_norm_t ff_i.shared_experts.w1 ff_i.shared_experts.w2
      ff_i.shared_experts.w3 ff_i.experts.{i}.w1 ff_i.experts.{i}.w2 ff_i.experts.{i}.w3 ff_i.gate ff_t.w1 ff_t.w2 ff_t.w3
      """,
      "single_stream_blocks.{i}.block": """
      adaLN_modulation.1 attn1.to_q attn1.to_k attn1.to_v attn1.to_out attn1.q_rms_norm attn1.k_rms_norm ff_i.shared_experts.w1
      ff_i.shared_experts.w2 ff_i.shared_experts.w3 ff_i.experts.{i}.w1 ff_i.experts.{i}.w2 ff_i.experts.{i}.w3 ff_i.gate
      """,
    ])
}
