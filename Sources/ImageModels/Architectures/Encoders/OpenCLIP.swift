/// The text encoders of OpenCLIP, whose names in files of SD2 and SDXL are its own, and transformers' names for them.
///
/// Queries, keys and values are one parameter that is no module's weight. The projection is stored with rows and columns exchanged.
enum OpenCLIP {
  static let architecture = Architecture(
    "OpenCLIP",
    diffusers: Detection("text_model.encoder.layers.0.self_attn.q_proj.weight"),
    encoders: [],
    RuleTable(
      .native,
      Detection("transformer.resblocks.0.attn.in_proj_weight"),
      """
      =positional_embedding -> =text_model.embeddings.position_embedding.weight
      token_embedding -> text_model.embeddings.token_embedding
      ln_final -> text_model.final_layer_norm
      =text_projection -> =text_projection.weight T
      [transformer.resblocks.{i} -> text_model.encoder.layers.{i}]
      =attn.in_proj_weight -> =self_attn.q_proj.weight 0/3
      =attn.in_proj_weight -> =self_attn.k_proj.weight 1/3
      =attn.in_proj_weight -> =self_attn.v_proj.weight 2/3
      =attn.in_proj_bias -> =self_attn.q_proj.bias 0/3
      =attn.in_proj_bias -> =self_attn.k_proj.bias 1/3
      =attn.in_proj_bias -> =self_attn.v_proj.bias 2/3
      attn.out_proj -> self_attn.out_proj
      ln_1 -> layer_norm1
      ln_2 -> layer_norm2
      mlp.c_fc -> mlp.fc1
      mlp.c_proj -> mlp.fc2
      """))
}
