"""Wan 2.1, 2.2 and VACE, HunyuanVideo in its three spellings, LTX-Video."""

import json

from generator.image_cases.case import case
from generator.image_cases.dialects import (
    BARE_NATIVE, COMFY, COMFY_PEFT, DIFFUSION_PIPE, KOHYA_DIFFUSERS, MUSUBI, TRANSFORMER, WAN_FUN, replace
)  # fmt: skip
from generator.image_cases.methods import difference, hadamard, kronecker, low_rank

NUMPY = "numpy in float64"


@case(
    "wan-comfy-diff-folder", "wan-folder",
    "diffusion_model. with lora_down, diff of norms and diff_b into a sharded folder", ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add_all(
        "blocks.0.self_attn.q blocks.0.cross_attn.k blocks.1.cross_attn.v_img blocks.1.ffn.0 head.head", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("time_projection.1 img_emb.proj.1 text_embedding.2", low_rank, rank=2, alpha=2)
    a.add_all("blocks.0.norm3 blocks.1.self_attn.norm_q blocks.0.cross_attn.norm_k_img", difference)
    for name in ("blocks.0.self_attn.q", "blocks.0.norm3", "patch_embedding"):
        a.add(name, difference, "bias", role="diff_b")


@case(
    "wan-lightx2v-diff-m", "wan-native",
    "diff_m of modulations, diff of norms and of the patch embedding (a 3-D kernel)", ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add_all("blocks.0.self_attn.k blocks.1.ffn.2", low_rank, rank=2)
    for name in ("blocks.0", "blocks.1", "head"):
        a.add(name, difference, "modulation", role="diff_m")
    a.add("patch_embedding", difference)
    a.add("blocks.1.norm3", difference)


@case("wan-diff-m-folder", "wan-folder", "diff_m of modulations into scale_shift_table", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY)
    for name in ("blocks.1", "head"):
        a.add(name, difference, "modulation", role="diff_m")


@case("wan-fun-double-underscore", "wan-native", "lora_unet__ with two underscores", ref=NUMPY)
def _(c):
    a = c.adapter(WAN_FUN, dtype="BF16")
    a.add_all("blocks.0.self_attn.o blocks.1.cross_attn.q blocks.1.ffn.0", low_rank, rank=4, alpha=2)


@case("wan-musubi-folder", "wan-folder", "musubi's flat native names into a folder", diffusers=True)
def _(c):
    a = c.adapter(MUSUBI, dtype="BF16")
    layers = [f"self_attn.{x}" for x in "qkvo"] + [f"cross_attn.{x}" for x in ("q", "k", "v", "o")] + ["ffn.0", "ffn.2"]
    a.add_all(" ".join(f"blocks.{block}.{layer}" for block in (0, 1) for layer in layers), low_rank, rank=1, alpha=0.5)


@case(
    "wan-peft-metadata-file", "wan-native",
    "PEFT names with image projections; alpha and rank patterns in the metadata", diffusers=True,
)  # fmt: skip
def _(c):
    about = {
        "transformer.r": 4, "transformer.lora_alpha": 2, "transformer.target_modules": ["to_q", "add_k_proj"],
        "transformer.rank_pattern": {"attn2.add_k_proj": 2}, "transformer.alpha_pattern": {"attn2.add_k_proj": 4},
    }  # fmt: skip
    a = c.adapter(TRANSFORMER, dtype="BF16", metadata={"lora_adapter_metadata": json.dumps(about)})
    a.add_all("blocks.0.attn1.to_q blocks.1.attn2.to_q", low_rank, rank=4, scale=0.5)
    a.add_all("blocks.0.attn2.add_k_proj blocks.1.attn2.add_k_proj", low_rank, rank=2, scale=2.0)


@case(
    "wan22-lightning-comfy", "wan22-comfy",
    "Wan 2.2 sizes with model.diffusion_model.: lora_A and lora_B with native names", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY_PEFT, dtype="BF16")
    a.add_all(
        "blocks.0.self_attn.q blocks.2.cross_attn.k blocks.2.cross_attn.v blocks.1.ffn.0 blocks.1.self_attn.o",
        low_rank, rank=3,
    )  # fmt: skip


@case("wan22-bare-kernel", "wan22-comfy", "native names without prefix; LoRA on the patch embedding, a 3-D kernel", ref=NUMPY)
def _(c):
    a = c.adapter(BARE_NATIVE)
    a.add_all("patch_embedding blocks.2.self_attn.v time_embedding.0", low_rank, rank=2, alpha=1)


@case("wan22-musubi-loha-lokr", "wan22-comfy", "musubi's LoHa and LoKr", "loha, lokr")
def _(c):
    a = c.adapter(MUSUBI)
    a.add_all("blocks.0.self_attn.q blocks.1.ffn.2", hadamard, rank=2, alpha=1)
    a.add_all("blocks.0.self_attn.k blocks.2.ffn.0", kronecker, rank=2, alpha=1, split=(4, 2))


@case("wan22-kernel-of-three-axes", "wan22-comfy", "Tucker's LoCon and LoHa of the patch embedding", "locon-tucker, loha")
def _(c):
    a = c.adapter(MUSUBI, "locon.safetensors", dtype="F16")
    a.add("patch_embedding", low_rank, rank=2, alpha=1, mid=True)
    b = c.adapter(MUSUBI, "loha.safetensors", dtype="F16")
    b.add("patch_embedding", hadamard, rank=2, alpha=1)


@case("wan-vace-comfy", "wan-vace-native", "VACE: vace_blocks, before_proj and after_proj", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add_all(
        "vace_blocks.0.self_attn.q vace_blocks.0.before_proj vace_blocks.0.after_proj vace_blocks.0.ffn.0", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("blocks.1.cross_attn.v vace_patch_embedding", low_rank, rank=2, alpha=1)
    a.add("vace_blocks.0", difference, "modulation", role="diff_m")


@case("wan-vace-peft", "wan-vace-native", "VACE with PEFT names", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER)
    a.add_all("vace_blocks.0.attn1.to_k vace_blocks.0.proj_out blocks.0.attn2.to_out.0", low_rank, rank=2)


SPELLED_COMFY = replace(COMFY, scheme="comfy")
DOUBLE, SINGLE = "double_blocks.0.", "single_blocks.0."


@case(
    "hunyuan-diffusion-pipe", "hunyuan-native",
    "HunyuanVideo: transformer. with original names (diffusion-pipe) on the original file", ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(DIFFUSION_PIPE, dtype="BF16")
    a.add_all(
        f"{DOUBLE}img_attn_qkv {DOUBLE}txt_mlp.fc1 {SINGLE}linear1 {SINGLE}linear2 {SINGLE}modulation.linear",
        low_rank, rank=2,
    )  # fmt: skip


@case(
    "hunyuan-comfy-names-on-original", "hunyuan-native",
    "ComfyUI's names on the original file, with the token refiner", ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(SPELLED_COMFY, dtype="BF16")
    a.add_all(
        f"{DOUBLE}img_attn.qkv {DOUBLE}txt_attn.proj {DOUBLE}img_mlp.0 {SINGLE}modulation.lin time_in.in_layer",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("txt_in.t_embedder.out_layer txt_in.c_embedder.in_layer txt_in.input_embedder", low_rank, rank=2, alpha=1)


@case("hunyuan-original-names-on-comfy", "hunyuan-comfy", "musubi's flat original names on ComfyUI's spelling", ref=NUMPY)
def _(c):
    a = c.adapter(MUSUBI, dtype="F16")
    a.add_all(f"{DOUBLE}img_attn_qkv {DOUBLE}img_mlp.fc2 {DOUBLE}txt_mod.linear {SINGLE}linear1", low_rank, rank=2, alpha=1)
    a.add("txt_in.individual_token_refiner.blocks.0.self_attn_qkv", low_rank, rank=2, alpha=1)


@case(
    "hunyuan-peft-on-comfy", "hunyuan-comfy",
    "PEFT names (split) on ComfyUI's spelling; norm_out with exchanged halves", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(TRANSFORMER, dtype="BF16")
    block, single = "transformer_blocks.0.", "single_transformer_blocks.0."
    a.add_all(
        f"{block}attn.to_q {block}attn.add_v_proj {block}ff_context.net.0.proj {single}attn.to_k {single}proj_mlp",
        low_rank, rank=2,
    )  # fmt: skip
    refiner = "context_embedder.token_refiner.refiner_blocks.0."
    a.add_all(f"{refiner}attn.to_v {refiner}norm_out.linear norm_out.linear context_embedder.proj_in", low_rank, rank=2)


@case("hunyuan-musubi-folder", "hunyuan-folder", "musubi's flat original names into a folder", ref=NUMPY)
def _(c):
    a = c.adapter(MUSUBI, dtype="BF16")
    a.add_all(
        f"{DOUBLE}txt_attn_qkv {DOUBLE}img_attn_proj {SINGLE}linear1 final_layer.adaLN_modulation.1", low_rank,
        rank=3, alpha=1.5,
    )  # fmt: skip


@case("ltx-comfy-folder", "ltx-folder", "LTX-Video: native names into a folder", ref=NUMPY)
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add_all(
        "patchify_proj adaln_single.linear transformer_blocks.0.attn1.to_q transformer_blocks.1.ff.net.0.proj",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add("transformer_blocks.0.attn2.q_norm", difference)


@case("ltx-peft-file", "ltx-comfy", "PEFT names on a file with model.diffusion_model.", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="BF16")
    a.add_all("proj_in time_embed.linear transformer_blocks.1.attn2.to_k transformer_blocks.0.attn1.to_out.0", low_rank, rank=2)


@case("ltx-kohya-diffusers-flat", "ltx-comfy", "flat names of the diffusers scheme", ref=NUMPY)
def _(c):
    a = c.adapter(KOHYA_DIFFUSERS)
    a.add_all(
        "transformer_blocks.0.attn1.to_v transformer_blocks.1.attn1.to_q caption_projection.linear_1", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
