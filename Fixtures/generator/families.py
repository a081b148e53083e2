"""Tiny models of families whose checkpoints have other names or another layout than the model in memory.

`make(name, folder)` makes the base as transformers writes it, which is the layout of the hub's files, and a LoRA adapter that
PEFT makes on the model in memory, with random factors for every linear layer and every stack of experts.
"""

import dataclasses
import re

import torch
import transformers
from transformers import CONFIG_MAPPING
from transformers.conversion_mapping import get_model_conversion_mapping

# Sizes by the names that configurations have for them.
SIZES = dict(
    hidden_size=32, d_model=32, dim=32, n_embd=32, embed_dim=32, intermediate_size=48, ffn_dim=48, n_inner=48,
    decoder_ffn_dim=48, encoder_ffn_dim=48, moe_intermediate_size=24, shared_expert_intermediate_size=24,
    shared_intermediate_size=24, dense_intermediate_size=48, expert_ffn_hidden_size=24, ffn_hidden_size=48,
    moe_shared_expert_intermediate_size=24, num_hidden_layers=2, n_layer=2, num_layers=2, n_layers=2, depth=2,
    encoder_layers=2, decoder_layers=2, num_attention_heads=4, n_head=4, num_heads=4, encoder_attention_heads=4,
    decoder_attention_heads=4, num_key_value_heads=2, head_dim=8, global_head_dim=8, vocab_size=96,
    max_position_embeddings=128, num_local_experts=4, num_experts=4, n_routed_experts=4, moe_num_experts=4,
    num_experts_per_tok=2, moe_topk=2, moe_k=2, num_experts_per_token=2, n_group=1, topk_group=1,
    n_shared_experts=1, first_k_dense_replace=1, kv_lora_rank=16, q_lora_rank=16, qk_nope_head_dim=8,
    qk_rope_head_dim=8, v_head_dim=8, qk_head_dim=16, image_size=16, patch_size=8, out_hidden_size=32,
    projection_dim=32, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8,
    linear_value_head_dim=8, mamba_num_heads=4, mamba_head_dim=16, mamba_n_heads=4, mamba_d_head=16,
    ssm_state_size=8, mamba_d_state=8, n_groups=1, mamba_n_groups=1, mamba_d_conv=4, conv_kernel=4, chunk_size=8,
    vocab_size_per_layer_input=96, hidden_size_per_layer_input=8, laurel_rank=4, output_dim=32,
    sliding_window=16, index_n_heads=2, index_head_dim=8, index_topk=8, pad_token_id=0, bos_token_id=1,
    eos_token_id=2, image_token_id=90, video_token_id=91, audio_token_id=92, image_token_index=90,
    video_token_index=91, audio_token_index=92, vision_start_token_id=93, vision_end_token_id=94,
    projector_hidden_size=32, num_mel_bins=16, max_source_positions=16, num_global_layers=1, vision_output_dim=32,
    moe_latent_size=None, num_nextn_predict_layers=0, conv_dim=32, block_ff_dim=48, block_multiple_of=8,
    time_step_rank=4, zero_expert_num=0, rotary_dim=8, moe_layer_start_index=1, moe_layer_end_index=1,
)


def sized(values, fixes):
    """A configuration's dictionary with tiny sizes, in its sections too."""
    result = {}
    for name, value in values.items():
        if isinstance(value, dict) and "model_type" in value:
            result[name] = sized(value, fixes.get(name, {}))
        elif name in SIZES and not isinstance(value, (list, dict)) and (value is not None or name == "pad_token_id"):
            result[name] = SIZES[name]
        else:
            result[name] = value
    result |= {name: value for name, value in fixes.items() if not isinstance(value, dict) or name not in result}
    for name, value in fixes.items():
        plain = values.get(name) is None or isinstance(values[name], dict) and "model_type" not in values[name]
        if isinstance(value, dict) and plain:
            result[name] = value
    count = result.get("num_hidden_layers") or result.get("n_layer")
    for name in ("layer_types", "layers_block_type", "mlp_layer_types", "block_types"):
        kinds = result.get(name)
        if isinstance(kinds, (list, tuple)) and name not in fixes and count and len(kinds) > count:
            seen = list(dict.fromkeys(kinds))
            result[name] = (seen + list(kinds))[:count]
    return result


# Qwen4Exp's indexed attention.
INDEXER = dict(
    indexer_n_heads=2, indexer_kv_heads=1, indexer_head_dim=8, indexer_budget=16, indexer_compress_ratio=4, hc_lowrank=8,
    ple_embed_dim=16,
)


@dataclasses.dataclass
class Family:
    model_type: str
    cls: str
    fixes: dict = dataclasses.field(default_factory=dict)
    # Modules that PEFT cannot wrap, or that the text model's logits do not reach.
    exclude: str | None = None


def family(model_type, cls, exclude=None, **fixes):
    return Family(model_type, cls, fixes, exclude)


FAMILIES = {f.model_type + ("" if f.cls.endswith(("ForCausalLM", "ForConditionalGeneration")) else ":" + f.cls): f for f in [
    family("mixtral", "MixtralForCausalLM"),
    family("minimax", "MiniMaxForCausalLM"),
    family("minimax_m2", "MiniMaxM2ForCausalLM"),
    family("phimoe", "PhimoeForCausalLM"),
    family("qwen2_moe", "Qwen2MoeForCausalLM"),
    family("qwen3_moe", "Qwen3MoeForCausalLM"),
    family("qwen3_next", "Qwen3NextForCausalLM"),
    family("qwen3_5_moe_text", "Qwen3_5MoeForCausalLM"),
    family("qwen3_5_text", "Qwen3_5ForCausalLM"),
    family("qwen4_exp_text", "Qwen4ExpForCausalLM", **INDEXER),
    family("deepseek_v2", "DeepseekV2ForCausalLM", topk_method="greedy", num_key_value_heads=4, num_experts_per_tok=2, n_group=1, topk_group=1),
    family("deepseek_v3", "DeepseekV3ForCausalLM", num_key_value_heads=4),
    family("deepseek_v32", "DeepseekV32ForCausalLM", num_key_value_heads=4),
    family("dots1", "Dots1ForCausalLM", n_routed_experts=4, n_shared_experts=1, moe_intermediate_size=24, num_experts_per_tok=2, n_group=1, topk_group=1),
    family("glm4_moe", "Glm4MoeForCausalLM"),
    family("glm4_moe_lite", "Glm4MoeLiteForCausalLM", num_key_value_heads=4),
    family("glm_moe_dsa", "GlmMoeDsaForCausalLM", num_key_value_heads=4),
    family("longcat_flash", "LongcatFlashForCausalLM", num_key_value_heads=4),
    family("solar_open", "SolarOpenForCausalLM"),
    family("hunyuan_v1_moe", "HunYuanMoEV1ForCausalLM", moe_topk=2, head_dim=8),
    family("flex_olmo", "FlexOlmoForCausalLM"),
    family("olmoe", "OlmoeForCausalLM"),
    family("exaone_moe", "ExaoneMoeForCausalLM"),
    family("cohere2_moe", "Cohere2MoeForCausalLM"),
    family("afmoe", "AfmoeForCausalLM"),
    family("ernie4_5_moe", "Ernie4_5_MoeForCausalLM"),
    family("hy_v3", "HYV3ForCausalLM"),
    family("mimo_v2_flash", "MiMoV2FlashForCausalLM"),
    family("bailing_hybrid", "BailingHybridForCausalLM", num_key_value_heads=4, num_expert_group=1, topk_group=1, num_experts=4, group_norm_size=1),
    family("laguna", "LagunaForCausalLM", num_attention_heads_per_layer=[4, 4]),
    # Its forward reads dt_proj's weight past the adapter's wrapper.
    family("jamba", "JambaForCausalLM", exclude="dt_proj", use_mamba_kernels=False, attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1),
    family("lfm2_moe", "Lfm2MoeForCausalLM", num_dense_layers=1, layer_types=["conv", "full_attention"]),
    family("nemotron_h", "NemotronHForCausalLM", exclude="out_proj", layers_block_type=["mamba", "attention", "moe"], num_hidden_layers=3),
    family("granitemoe", "GraniteMoeForCausalLM"),
    family("granitemoeshared", "GraniteMoeSharedForCausalLM"),
    family("granitemoehybrid", "GraniteMoeHybridForCausalLM", exclude="out_proj", layer_types=["mamba", "attention"]),
    family("aria_text", "AriaTextForCausalLM"),
    family("gpt_oss", "GptOssForCausalLM"),
    family("llama4_text", "Llama4ForCausalLM"),
    family("gemma4_text", "Gemma4ForCausalLM", per_layer_config={}),
    family("gemma3n_text", "Gemma3nForCausalLM", intermediate_size=48, activation_sparsity_pattern=[0.0, 0.0], num_kv_shared_layers=0, layer_types=["sliding_attention", "full_attention"]),
    family("gpt_neox", "GPTNeoXForCausalLM"),
    family("hrm_text", "HrmTextForCausalLM", num_layers_per_stack=1, H_cycles=1, L_cycles=1, L_bp_cycles=[1]),
    family("olmo_hybrid", "OlmoHybridForCausalLM"),
    family("kimi_linear", "KimiLinearForCausalLM", num_key_value_heads=4),
    family("phi3", "Phi3ForCausalLM"),
    family("mellum", "MellumForCausalLM"),
    family("beam", "BeamForCausalLM"),
    family("kolibri1", "Kolibri1ForCausalLM"),
    family("axk1", "AXK1ForCausalLM", num_key_value_heads=4),
    family("axk2", "AXK2ForCausalLM", num_key_value_heads=4),
    family("flint", "FlintForCausalLM"),
    family("dbrx", "DbrxForCausalLM", n_heads=4, attn_config=dict(kv_n_heads=2, rope_theta=10000.0, clip_qkv=8.0), ffn_config=dict(moe_num_experts=4, moe_top_k=2)),
    family("inkling_mm_model", "InklingForConditionalGeneration", text_config=dict(swa_num_attention_heads=4, swa_num_key_value_heads=2, swa_head_dim=8, sliding_window_size=16, d_rel=4, rel_extent=32, layer_types=["hybrid_sliding", "hybrid"], mlp_layer_types=["dense", "sparse"])),
    family("inkling2_text", "Inkling2ForCausalLM", unpadded_vocab_size=96, swa_num_attention_heads=4, swa_num_key_value_heads=2, swa_head_dim=8, sliding_window_size=16, d_rel=4, rel_extent=32, n_layers_per_attn_res_block=1),
    family("kimi_k25", "Kimi_K25ForConditionalGeneration", text_config=dict(num_key_value_heads=4)),
    family("ernie4_5_vl_moe", "Ernie4_5_VLMoeForConditionalGeneration", text_config=dict(moe_intermediate_size=[24, 20], moe_num_experts=4, moe_k=2, mlp_layer_types=["dense", "sparse"], rope_parameters={"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0})),
    family("roberta", "RobertaForCausalLM", exclude="lm_head", is_decoder=True),
    family("radio", "RadioModel"),
    family("llava", "LlavaForConditionalGeneration"),
    family("llava_next", "LlavaNextForConditionalGeneration"),
    family("llava_next_video", "LlavaNextVideoForConditionalGeneration"),
    family("llava_onevision", "LlavaOnevisionForConditionalGeneration"),
    family("paligemma", "PaliGemmaForConditionalGeneration"),
    family("gemma3", "Gemma3ForConditionalGeneration"),
    family("mistral3", "Mistral3ForConditionalGeneration"),
    family("internvl", "InternVLForConditionalGeneration"),
    family("aya_vision", "AyaVisionForConditionalGeneration"),
    family("got_ocr2", "GotOcr2ForConditionalGeneration"),
    family("vipllava", "VipLlavaForConditionalGeneration"),
    family("aria", "AriaForConditionalGeneration"),
    family("mllama", "MllamaForConditionalGeneration"),
    family("video_llava", "VideoLlavaForConditionalGeneration"),
    family("fuyu", "FuyuForCausalLM"),
    family("emu3", "Emu3ForConditionalGeneration", vocabulary_map={"<image>": 90}, text_config=dict(vocab_size=96)),
    family("qwen2_audio", "Qwen2AudioForConditionalGeneration"),
    family("voxtral", "VoxtralForConditionalGeneration"),
    family("audioflamingo3", "AudioFlamingo3ForConditionalGeneration"),
    family("granite_speech", "GraniteSpeechForConditionalGeneration"),
    family("qwen2_vl", "Qwen2VLForConditionalGeneration", text_config=dict(rope_parameters={"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0})),
    family("qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", text_config=dict(rope_parameters={"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0})),
    family("qwen3_vl", "Qwen3VLForConditionalGeneration"),
    family("qwen3_vl_moe", "Qwen3VLMoeForConditionalGeneration"),
    family("qwen3_5", "Qwen3_5ForConditionalGeneration"),
    family("qwen3_5_moe", "Qwen3_5MoeForConditionalGeneration"),
    family("qwen4_exp", "Qwen4ExpForConditionalGeneration", text_config=INDEXER),
    family("glm4v_moe", "Glm4vMoeForConditionalGeneration", text_config=dict(rope_parameters={"rope_type": "default", "mrope_section": [1, 1, 0], "rope_theta": 10000.0, "partial_rotary_factor": 0.5})),
    family("qwen2_5_omni_thinker", "Qwen2_5OmniThinkerForConditionalGeneration", text_config=dict(rope_parameters={"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0})),
    family("qwen3_omni_moe_thinker", "Qwen3OmniMoeThinkerForConditionalGeneration"),
    family("nomic_bert", "NomicBertModel"),
    family("gte", "GteModel"),
    family("jina_embeddings_v3", "JinaEmbeddingsV3Model"),
    family("bert", "BertModel"),
    family("dinov2", "Dinov2Model", out_features=["stage2"], out_indices=[2]),
    family("vit", "ViTModel"),
    family("beit", "BeitModel", out_features=["stage2"], out_indices=[2]),
    family("swin", "SwinModel", depths=[1, 1], num_heads=[2, 4], window_size=2, patch_size=2, out_features=["stage2"], out_indices=[2]),
]}


def build(name, **fixes):
    """The model of a family in fp32 with random weights."""
    family = FAMILIES[name]
    cls = getattr(transformers, family.cls)
    kind = cls.config_class or CONFIG_MAPPING[family.model_type]
    values = sized(kind().to_dict(), family.fixes | fixes)
    for key in ("dtype", "transformers_version", "_attn_implementation_autoset"):
        values.pop(key, None)
    config = kind.from_dict(values)
    torch.manual_seed(0)
    model = cls(config).float().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(noise * 0.15)
            else:
                parameter.add_(noise * 0.02)
    return model


def transposed(tensors):
    """The experts' matrices as (experts, in, out)."""
    return {
        k: v.transpose(1, 2).contiguous() if re.search(r"experts\.(gate_up|down)_proj$", k) else v for k, v in tensors.items()
    }


def renamed(*pairs):
    def rename(tensors):
        result = {}
        for name, value in tensors.items():
            for old, new in pairs:
                name = re.sub(old, new, name)
            result[name] = value
        return result

    return rename


# Layouts that are on the hub and that this release of transformers reads and does not write: from what it writes.
HUB = {
    "qwen3_vl_moe": transposed,
    "bert:BertModel": renamed((r"LayerNorm\.weight$", "LayerNorm.gamma"), (r"LayerNorm\.bias$", "LayerNorm.beta"), (r"^", "bert.")),
    # Of releases 4.52 to 4.57.
    "llava": renamed(
        (r"^language_model\.model\.", "model.language_model."), (r"^language_model\.lm_head", "lm_head"),
        (r"^(vision_tower|multi_modal_projector)\.", r"model.\1."),
    ),
    "gemma3": renamed(
        (r"^language_model\.model\.", "model.language_model."), (r"^language_model\.lm_head", "lm_head"),
        (r"^(vision_tower|multi_modal_projector)\.", r"model.\1."),
    ),
    # With the model in memory's names, as `save_original_format=False` writes.
    "mixtral": None,
    "qwen2_vl": None,
    "gte:GteModel": None,
}


def rewrite(folder, change):
    import pathlib

    import safetensors.torch

    for file in sorted(pathlib.Path(folder).glob("*.safetensors")):
        tensors = safetensors.torch.load_file(file)
        safetensors.torch.save_file(change(tensors), file, metadata={"format": "pt"})


def save(model, folder, hub=None, **kwargs):
    """As on the hub: with the prefixes that transformers drops when it loads.

    With `hub`, the name of a family, in the other layout that HUB has for it.
    """
    if hub and HUB[hub] is None:
        return model.save_pretrained(folder, save_original_format=False, **kwargs)
    save(model, folder, **kwargs) if hub else save_original(model, folder, **kwargs)
    if hub:
        rewrite(folder, HUB[hub])


def save_original(model, folder, **kwargs):
    conversions = get_model_conversion_mapping(model, add_legacy=False)
    # Where models inside of the thinker bring its prefix again, that is not a layout that exists.
    if conversions and "thinker" not in model.config.model_type:
        model._weight_conversions = conversions
    model.save_pretrained(folder, **kwargs)


def adapter(model, rank=2, exclude=None):
    """A PEFT model with random factors on every linear layer and every stack of experts."""
    from peft import LoraConfig, get_peft_model

    stacks = [
        path
        for path, parameter in model.named_parameters()
        if parameter.dim() == 3 and re.search(r"experts\.[a-z_]*proj$", path)
    ]
    linear = sorted(
        path
        for path, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and not re.search(r"(^|\.)(lm_head|embed_out|router|gate|classifier)$", path)
        and not (exclude and re.search(exclude, path))
    )
    config = LoraConfig(r=rank, lora_alpha=3 * rank, target_modules=linear, target_parameters=stacks or None)
    wrapped = get_peft_model(model, config).eval()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for path, parameter in wrapped.named_parameters():
            if "lora_" in path:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return wrapped
