/// Krea 2. Its table was read from diffusers' converter. The blocks' modulations have another shape there, so they have no line.
enum Krea2 {
  static let architecture = Architecture(
    "Krea 2",
    diffusers: Detection("text_fusion.projector.weight", "transformer_blocks.0.attn.to_gate.weight"),
    encoders: [.other("")],
    RuleTable(
      .native,
      Detection("txtfusion.projector.weight", "blocks.0.attn.wq.weight"),
      """
      first -> img_in
      tmlp.0 -> time_embed.linear_1
      tmlp.2 -> time_embed.linear_2
      tproj.1 -> time_mod_proj
      =txtmlp.0.scale -> =txt_in.norm.weight
      txtmlp.1 -> txt_in.linear_1
      txtmlp.3 -> txt_in.linear_2
      txtfusion.projector -> text_fusion.projector
      last.linear -> final_layer.linear
      =last.norm.scale -> =final_layer.norm.weight
      =last.modulation.lin -> =final_layer.scale_shift_table
      [blocks.{i} -> transformer_blocks.{i}]
      attn.wq -> attn.to_q
      attn.wk -> attn.to_k
      attn.wv -> attn.to_v
      attn.wo -> attn.to_out.0
      attn.gate -> attn.to_gate
      =attn.qknorm.qnorm.scale -> =attn.norm_q.weight
      =attn.qknorm.knorm.scale -> =attn.norm_k.weight
      =prenorm.scale -> =norm1.weight
      =postnorm.scale -> =norm2.weight
      mlp.gate -> ff.gate
      mlp.up -> ff.up
      mlp.down -> ff.down
      [txtfusion.layerwise_blocks.{i} -> text_fusion.layerwise_blocks.{i}]
      attn.wq -> attn.to_q
      attn.wk -> attn.to_k
      attn.wv -> attn.to_v
      attn.wo -> attn.to_out.0
      attn.gate -> attn.to_gate
      =attn.qknorm.qnorm.scale -> =attn.norm_q.weight
      =attn.qknorm.knorm.scale -> =attn.norm_k.weight
      =prenorm.scale -> =norm1.weight
      =postnorm.scale -> =norm2.weight
      mlp.gate -> ff.gate
      mlp.up -> ff.up
      mlp.down -> ff.down
      [txtfusion.refiner_blocks.{i} -> text_fusion.refiner_blocks.{i}]
      attn.wq -> attn.to_q
      attn.wk -> attn.to_k
      attn.wv -> attn.to_v
      attn.wo -> attn.to_out.0
      attn.gate -> attn.to_gate
      =attn.qknorm.qnorm.scale -> =attn.norm_q.weight
      =attn.qknorm.knorm.scale -> =attn.norm_k.weight
      =prenorm.scale -> =norm1.weight
      =postnorm.scale -> =norm2.weight
      mlp.gate -> ff.gate
      mlp.up -> ff.up
      mlp.down -> ff.down
      """))
}
