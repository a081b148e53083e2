/// LTX-Video. What has no line has the same name in both spellings.
enum LTXVideo {
  static let architecture = Architecture(
    "LTX-Video",
    diffusers: Detection(
      "proj_in.weight", "time_embed.emb.timestep_embedder.linear_1.weight", "transformer_blocks.0.attn1.norm_q.weight",
      without: ["audio_proj_in.weight"]),
    keepsUnlistedNames: true, encoders: [.t5],
    alike: [
      "": "scale_shift_table caption_projection.linear_1 caption_projection.linear_2 proj_out",
      "transformer_blocks.{i}": """
      scale_shift_table attn1.to_q attn1.to_k attn1.to_v attn1.to_out.0 attn2.to_q attn2.to_k attn2.to_v attn2.to_out.0
      ff.net.0.proj ff.net.2
      """,
    ],
    RuleTable(
      .native,
      Detection(
        "patchify_proj.weight", "adaln_single.emb.timestep_embedder.linear_1.weight",
        without: ["audio_patchify_proj.weight"]),
      """
      patchify_proj -> proj_in
      adaln_single.** -> time_embed.**
      [transformer_blocks.{i} -> transformer_blocks.{i}]
      attn1.q_norm -> attn1.norm_q
      attn1.k_norm -> attn1.norm_k
      attn2.q_norm -> attn2.norm_q
      attn2.k_norm -> attn2.norm_k
      """))
}
