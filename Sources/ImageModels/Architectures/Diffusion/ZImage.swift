/// Z-Image. What has no line has the same name in both spellings.
enum ZImage {
  static let architecture = Architecture(
    "Z-Image",
    diffusers: Detection("all_x_embedder.2-1.weight", "layers.0.attention.to_q.weight"),
    keepsUnlistedNames: true, encoders: [.other("")],
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
}
