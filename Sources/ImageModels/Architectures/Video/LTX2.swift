/// LTX-2, with sound. Its table was read from diffusers' converter.
enum LTX2 {
  static let architecture = Architecture(
    "LTX-2",
    diffusers: Detection("proj_in.weight", "audio_proj_in.weight"),
    keepsUnlistedNames: true, encoders: [.other("")],
    alike: [
      "": """
      scale_shift_table audio_scale_shift_table caption_projection.linear_1 caption_projection.linear_2
      audio_caption_projection.linear_1 audio_caption_projection.linear_2 proj_out audio_proj_out
      """,
      "transformer_blocks.{i}": """
      scale_shift_table audio_scale_shift_table attn1.to_q attn1.to_k attn1.to_v attn1.to_out.0 attn2.to_q attn2.to_k
      attn2.to_v attn2.to_out.0 audio_attn1.to_q audio_attn1.to_k audio_attn1.to_v audio_attn1.to_out.0 audio_attn2.to_q
      audio_attn2.to_k audio_attn2.to_v audio_attn2.to_out.0 audio_to_video_attn.to_q audio_to_video_attn.to_k
      audio_to_video_attn.to_v audio_to_video_attn.to_out.0 video_to_audio_attn.to_q video_to_audio_attn.to_k
      video_to_audio_attn.to_v video_to_audio_attn.to_out.0 ff.net.0.proj ff.net.2 audio_ff.net.0.proj audio_ff.net.2
      """,
    ],
    RuleTable(
      .native,
      Detection("patchify_proj.weight", "audio_patchify_proj.weight"),
      """
      patchify_proj -> proj_in
      audio_patchify_proj -> audio_proj_in
      adaln_single.** -> time_embed.**
      audio_adaln_single.** -> audio_time_embed.**
      av_ca_video_scale_shift_adaln_single.** -> av_cross_attn_video_scale_shift.**
      av_ca_a2v_gate_adaln_single.** -> av_cross_attn_video_a2v_gate.**
      av_ca_audio_scale_shift_adaln_single.** -> av_cross_attn_audio_scale_shift.**
      av_ca_v2a_gate_adaln_single.** -> av_cross_attn_audio_v2a_gate.**
      [transformer_blocks.{i} -> transformer_blocks.{i}]
      =scale_shift_table_a2v_ca_video -> =video_a2v_cross_attn_scale_shift_table
      =scale_shift_table_a2v_ca_audio -> =audio_a2v_cross_attn_scale_shift_table
      attn1.q_norm -> attn1.norm_q
      attn1.k_norm -> attn1.norm_k
      attn2.q_norm -> attn2.norm_q
      attn2.k_norm -> attn2.norm_k
      audio_attn1.q_norm -> audio_attn1.norm_q
      audio_attn1.k_norm -> audio_attn1.norm_k
      audio_attn2.q_norm -> audio_attn2.norm_q
      audio_attn2.k_norm -> audio_attn2.norm_k
      audio_to_video_attn.q_norm -> audio_to_video_attn.norm_q
      audio_to_video_attn.k_norm -> audio_to_video_attn.norm_k
      video_to_audio_attn.q_norm -> video_to_audio_attn.norm_q
      video_to_audio_attn.k_norm -> video_to_audio_attn.norm_k
      """))
}
