/// Stable Cascade. Its two stages are two models, of which the first is called prior. Their table was read from diffusers' converter.
enum StableCascade {
  static let prior = Architecture(
    "Stable Cascade",
    diffusers: Detection("clip_txt_mapper.weight", "down_blocks.0.2.attention.to_q.weight"),
    keepsUnlistedNames: true, encoders: [.clipG], alike: alike,
    RuleTable(
      .native,
      Detection("clip_txt_mapper.weight", "down_blocks.0.2.attention.attn.in_proj_weight"),
      attention))

  static let decoder = Architecture(
    "Stable Cascade decoder",
    diffusers: Detection(
      "clip_txt_pooled_mapper.weight", "down_blocks.1.0.channelwise.0.weight", without: ["clip_txt_mapper.weight"]),
    keepsUnlistedNames: true, encoders: [.clipG], alike: alike,
    RuleTable(
      .native,
      Detection("clip_mapper.weight", "down_blocks.1.0.channelwise.0.weight"),
      "clip_mapper -> clip_txt_pooled_mapper\n" + attention))

  private static let alike: [String: String] = [
    "": """
    clip_txt_mapper clip_txt_pooled_mapper clip_img_mapper embedding.1 clf.1 down_downscalers.{i}.{i}.blocks.{i}
    up_upscalers.{i}.{i}.blocks.{i}
    """,
    "down_blocks.{i}.{i}": block, "up_blocks.{i}.{i}": block,
  ]

  private static let block = """
    depthwise channelwise.{i} channelwise.2.gamma channelwise.2.beta mapper mapper_sca mapper_crp kv_mapper.1
    """

  private static let attention = """
    [down_blocks.{i}.{i}.attention -> down_blocks.{i}.{i}.attention]
    =attn.in_proj_weight -> =to_q.weight 0/3
    =attn.in_proj_weight -> =to_k.weight 1/3
    =attn.in_proj_weight -> =to_v.weight 2/3
    =attn.in_proj_bias -> =to_q.bias 0/3
    =attn.in_proj_bias -> =to_k.bias 1/3
    =attn.in_proj_bias -> =to_v.bias 2/3
    attn.out_proj -> to_out.0
    [up_blocks.{i}.{i}.attention -> up_blocks.{i}.{i}.attention]
    =attn.in_proj_weight -> =to_q.weight 0/3
    =attn.in_proj_weight -> =to_k.weight 1/3
    =attn.in_proj_weight -> =to_v.weight 2/3
    =attn.in_proj_bias -> =to_q.bias 0/3
    =attn.in_proj_bias -> =to_k.bias 1/3
    =attn.in_proj_bias -> =to_v.bias 2/3
    attn.out_proj -> to_out.0
    """
}
