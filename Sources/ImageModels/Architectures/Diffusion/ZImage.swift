/// Z-Image. What has no line has the same name in both spellings.
enum ZImage {
  static let architecture = Architecture(
    "Z-Image",
    diffusers: Detection("all_x_embedder.2-1.weight", "layers.0.attention.to_q.weight"),
    keepsUnlistedNames: true, encoders: [.other("")],
    alike: [
      "": "x_pad_token cap_pad_token t_embedder.mlp.0 t_embedder.mlp.2 cap_embedder.0 cap_embedder.1",
      "layers.{i}": block, "noise_refiner.{i}": block, "context_refiner.{i}": block,
    ],
    RuleTable(
      .native,
      Detection("cap_pad_token", "layers.0.attention.qkv.weight"),
      """
      x_embedder -> all_x_embedder.2-1
      final_layer.** -> all_final_layer.2-1.**
      [layers.{i} -> layers.{i}]
      attention.qkv -> attention.to_q 0/3
      attention.qkv -> attention.to_k 1/3
      attention.qkv -> attention.to_v 2/3
      attention.out -> attention.to_out.0
      attention.q_norm -> attention.norm_q
      attention.k_norm -> attention.norm_k
      [noise_refiner.{i} -> noise_refiner.{i}]
      attention.qkv -> attention.to_q 0/3
      attention.qkv -> attention.to_k 1/3
      attention.qkv -> attention.to_v 2/3
      attention.out -> attention.to_out.0
      attention.q_norm -> attention.norm_q
      attention.k_norm -> attention.norm_k
      [context_refiner.{i} -> context_refiner.{i}]
      attention.qkv -> attention.to_q 0/3
      attention.qkv -> attention.to_k 1/3
      attention.qkv -> attention.to_v 2/3
      attention.out -> attention.to_out.0
      attention.q_norm -> attention.norm_q
      attention.k_norm -> attention.norm_k
      """))

  private static let block = """
    feed_forward.w1 feed_forward.w2 feed_forward.w3 attention_norm1 attention_norm2 ffn_norm1 ffn_norm2 adaLN_modulation.0
    """
}
