/// Embeddings and heads of widely used classes whose code comes with the checkpoint, in the lines of ``TieTable``.
///
/// What their config.json does not say of `tie_word_embeddings` is open: a head that is not on disk is then taken for tied.
enum RemoteTies {
  static let text = """
    class AquilaForCausalLM,BaichuanForCausalLM,BaiChuanForCausalLM,DeciLMForCausalLM,InternLMForCausalLM,InternLM3ForCausalLM,MiniCPMForCausalLM,MiniCPM3ForCausalLM,MiMoForCausalLM,OrionForCausalLM,PlamoForCausalLM,SkyworkForCausalLM,XverseForCausalLM,YiForCausalLM,HunYuanForCausalLM,PanguEmbeddedForCausalLM model model.embed_tokens lm_head model.embed_tokens.weight,lm_head.weight
    class InternLM2ForCausalLM model model.tok_embeddings output model.tok_embeddings.weight,output.weight
    class ChatGLMModel,ChatGLMForConditionalGeneration transformer transformer.embedding.word_embeddings transformer.output_layer transformer.embedding.word_embeddings.weight,transformer.output_layer.weight
    class QWenLMHeadModel,ExaoneForCausalLM,CodeShellForCausalLM,BTLMLMHeadModel,JAISLMHeadModel transformer transformer.wte lm_head transformer.wte.weight,lm_head.weight
    class RWForCausalLM,TelechatForCausalLM,TeleChat2ForCausalLM transformer transformer.word_embeddings lm_head transformer.word_embeddings.weight,lm_head.weight
    class BailingMoeForCausalLM,BailingMoeV2ForCausalLM,BailingMoeLinearForCausalLM model model.word_embeddings lm_head model.word_embeddings.weight,lm_head.weight
    class MPTForCausalLM transformer transformer.wte . = transformer.wte.weight

    """
}
