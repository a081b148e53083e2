/// LTX-Video. What has no line has the same name in both spellings.
enum LTXVideo {
  static let architecture = Architecture(
    "LTX-Video",
    diffusers: Detection(
      "proj_in.weight", "time_embed.emb.timestep_embedder.linear_1.weight", "transformer_blocks.0.attn1.norm_q.weight",
      without: ["audio_proj_in.weight"]),
    keepsUnlistedNames: true, encoders: [.t5],
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
