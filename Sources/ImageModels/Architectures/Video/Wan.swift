/// Wan 2.1 and 2.2, with VACE's blocks. The table of Animate's face blocks was read from diffusers' converter.
enum Wan {
  static let architecture = Architecture(
    "Wan",
    diffusers: Detection("condition_embedder.time_proj.weight", "blocks.0.attn1.to_q.weight"),
    encoders: [.t5],
    RuleTable(
      .native,
      Detection("head.modulation", "blocks.0.self_attn.q.weight"),
      """
      time_embedding.0 -> condition_embedder.time_embedder.linear_1
      time_embedding.2 -> condition_embedder.time_embedder.linear_2
      text_embedding.0 -> condition_embedder.text_embedder.linear_1
      text_embedding.2 -> condition_embedder.text_embedder.linear_2
      time_projection.1 -> condition_embedder.time_proj
      img_emb.proj.0 -> condition_embedder.image_embedder.norm1
      img_emb.proj.1 -> condition_embedder.image_embedder.ff.net.0.proj
      img_emb.proj.3 -> condition_embedder.image_embedder.ff.net.2
      img_emb.proj.4 -> condition_embedder.image_embedder.norm2
      patch_embedding -> patch_embedding
      vace_patch_embedding -> vace_patch_embedding
      head.head -> proj_out
      =head.modulation -> =scale_shift_table
      [face_adapter.fuser_blocks.{i} -> face_adapter.{i}]
      linear1_kv -> to_k 0/2
      linear1_kv -> to_v 1/2
      linear1_q -> to_q
      linear2 -> to_out
      q_norm -> norm_q
      k_norm -> norm_k
      [blocks.{i} -> blocks.{i}]
      self_attn.q -> attn1.to_q
      self_attn.k -> attn1.to_k
      self_attn.v -> attn1.to_v
      self_attn.o -> attn1.to_out.0
      self_attn.norm_q -> attn1.norm_q
      self_attn.norm_k -> attn1.norm_k
      cross_attn.q -> attn2.to_q
      cross_attn.k -> attn2.to_k
      cross_attn.v -> attn2.to_v
      cross_attn.o -> attn2.to_out.0
      cross_attn.norm_q -> attn2.norm_q
      cross_attn.norm_k -> attn2.norm_k
      cross_attn.k_img -> attn2.add_k_proj
      cross_attn.v_img -> attn2.add_v_proj
      cross_attn.norm_k_img -> attn2.norm_added_k
      ffn.0 -> ffn.net.0.proj
      ffn.2 -> ffn.net.2
      norm3 -> norm2
      =modulation -> =scale_shift_table
      [vace_blocks.{i} -> vace_blocks.{i}]
      before_proj -> proj_in
      after_proj -> proj_out
      self_attn.q -> attn1.to_q
      self_attn.k -> attn1.to_k
      self_attn.v -> attn1.to_v
      self_attn.o -> attn1.to_out.0
      self_attn.norm_q -> attn1.norm_q
      self_attn.norm_k -> attn1.norm_k
      cross_attn.q -> attn2.to_q
      cross_attn.k -> attn2.to_k
      cross_attn.v -> attn2.to_v
      cross_attn.o -> attn2.to_out.0
      cross_attn.norm_q -> attn2.norm_q
      cross_attn.norm_k -> attn2.norm_k
      cross_attn.k_img -> attn2.add_k_proj
      cross_attn.v_img -> attn2.add_v_proj
      cross_attn.norm_k_img -> attn2.norm_added_k
      ffn.0 -> ffn.net.0.proj
      ffn.2 -> ffn.net.2
      norm3 -> norm2
      =modulation -> =scale_shift_table
      """))
}
