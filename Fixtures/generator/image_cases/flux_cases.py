"""FLUX.1, FLUX.2 and Chroma: dialects, parts of fused tensors, text encoders, fp8."""

import json

from generator.image_cases.base import View
from generator.image_cases.case import case
from generator.image_cases.dialects import (
    BARE, BASE_MODEL, COMFY, COMFY_PEFT, KOHYA_NATIVE, ONETRAINER, PEFT, TRANSFORMER, Dialect
)  # fmt: skip
from generator.image_cases.methods import difference, low_rank, replacement, widened

SIZES = {3072: 16, 12288: 64, 9216: 48, 15360: 80, 21504: 112}
DOUBLE, SINGLE = "double_blocks.0.", "single_blocks.1."
D_DOUBLE, D_SINGLE = "transformer_blocks.0.", "single_transformer_blocks.1."


@case(
    "flux-kohya-folder", "flux-folder",
    "kohya FLUX names (fused) into a sharded folder: qkv, linear1, both text encoders, T5 as lora_te3", sizes=SIZES,
    diffusers=True, wrong="^t5:",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="BF16")
    a.add_all(
        f"{DOUBLE}img_attn.qkv {DOUBLE}txt_attn.qkv {DOUBLE}txt_mod.lin {SINGLE}linear1 {SINGLE}linear2", low_rank,
        rank=3, alpha=1.5,
    )  # fmt: skip
    a.add_all(f"{DOUBLE}img_attn.proj {DOUBLE}img_mlp.2 {SINGLE}modulation.lin", low_rank, rank=2, alpha=1)
    a.add_all(
        "te:text_model.encoder.layers.0.self_attn.out_proj te:text_model.encoder.layers.1.mlp.fc1", low_rank, rank=2,
        alpha=1,
    )  # fmt: skip
    a.add("t5:encoder.block.0.layer.0.SelfAttention.q", low_rank, rank=2, alpha=1)


@case(
    "flux-kohya-outer-layers-file", "flux-comfy",
    "kohya names of img_in, txt_in, time_in, guidance_in and final_layer, which diffusers drops, and of T5",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="F16")
    a.add_all("img_in txt_in time_in.in_layer vector_in.out_layer guidance_in.in_layer", low_rank, rank=2, alpha=1)
    a.add_all("final_layer.linear final_layer.adaLN_modulation.1", low_rank, rank=2, alpha=1)
    a.add_all(
        "t5:encoder.block.1.layer.1.DenseReluDense.wi_0 t5:encoder.block.0.layer.0.SelfAttention.o", low_rank, rank=2,
        alpha=1,
    )  # fmt: skip


@case(
    "flux-peft-file", "flux-native",
    "PEFT names (split q, k, v, proj_mlp; norm_out with exchanged halves) on a bare file with fused tensors",
    diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(TRANSFORMER, dtype="F16")
    a.add_all(f"{D_DOUBLE}attn.to_q {D_DOUBLE}attn.to_v {D_DOUBLE}attn.add_k_proj {D_DOUBLE}attn.to_add_out", low_rank, rank=2)
    a.add_all(
        f"{D_SINGLE}attn.to_k {D_SINGLE}proj_mlp {D_SINGLE}proj_out {D_DOUBLE}ff.net.0.proj {D_DOUBLE}norm1.linear",
        low_rank, rank=2,
    )  # fmt: skip
    a.add_all("norm_out.linear proj_out x_embedder time_text_embed.guidance_embedder.linear_2", low_rank, rank=2)


@case(
    "flux-peft-metadata-te", "flux-comfy", "PEFT with transformer.* and text_encoder.* in lora_adapter_metadata",
    diffusers=True,
)  # fmt: skip
def _(c):
    about = {
        "transformer.r": 2, "transformer.lora_alpha": 1, "transformer.target_modules": ["attn.to_q", "attn.to_k"],
        "transformer.alpha_pattern": {f"{D_SINGLE}attn.to_k".replace(".", r"\."): 8},
        "text_encoder.r": 4, "text_encoder.lora_alpha": 2, "text_encoder.target_modules": ["q_proj", "v_proj"],
    }  # fmt: skip
    a = c.adapter(TRANSFORMER, metadata={"lora_adapter_metadata": json.dumps(about)})
    a.add_all(f"{D_DOUBLE}attn.to_q {D_DOUBLE}attn.to_k {D_SINGLE}attn.to_q", low_rank, rank=2, scale=0.5)
    a.add(f"{D_SINGLE}attn.to_k", low_rank, rank=2, scale=4.0)
    a.add_all(
        "te:text_model.encoder.layers.0.self_attn.q_proj te:text_model.encoder.layers.1.self_attn.v_proj", low_rank,
        rank=4, scale=0.5,
    )  # fmt: skip


@case("flux-onetrainer-flat", "flux-comfy", "OneTrainer's lora_transformer_ names (diffusers, flat), T5 as lora_te2")
def _(c):
    a = c.adapter(ONETRAINER, dtype="BF16")
    a.add_all(
        f"{D_DOUBLE}attn.to_q {D_DOUBLE}ff_context.net.2 {D_DOUBLE}norm1_context.linear {D_SINGLE}proj_mlp", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add("norm_out.linear", low_rank, rank=2, alpha=1)
    a.add("te:text_model.encoder.layers.0.mlp.fc2", low_rank, rank=2, alpha=1)
    a.add("t5:encoder.block.0.layer.1.DenseReluDense.wo", low_rank, rank=2, alpha=1)


XLABS = Dialect("xlabs", {"dm": ""}, endings={"down": ".down.weight", "up": ".up.weight"})


def xlabs(c, folder):
    """The rows 0:3h of linear1 are q, k and v of the single block."""
    a = c.adapter(XLABS, dtype="BF16")
    for number, stream in (("1", "img"), ("2", "txt")):
        for part in ("qkv", "proj"):
            key = f"double_blocks.0.processor.{part}_lora{number}"
            a.add(f"{DOUBLE}{stream}_attn.{part}", low_rank, rank=2, key=key)
    split = [c.base.view("dm", "diffusers", f"{D_SINGLE}attn.to_{x}.weight") for x in "qkv"]
    qkv = View([part for view in split for part in view.parts])
    a.add(f"{SINGLE}linear1", low_rank, rank=2, key=f"{SINGLE}processor.qkv_lora", view=qkv)
    if folder:
        a.add(f"{SINGLE}linear2", low_rank, rank=2, key=f"{SINGLE}processor.proj_lora")


@case(
    "flux-xlabs-file", "flux-native",
    "XLabs processors: qkv_lora1, proj_lora2, and of single blocks the first three parts of linear1", diffusers=True,
)  # fmt: skip
def _(c):
    xlabs(c, False)


@case(
    "flux-xlabs-folder", "flux-folder",
    "XLabs processors into split tensors, with proj_lora of a single block (linear2)", ref="numpy in float64",
)  # fmt: skip
def _(c):
    xlabs(c, True)


@case(
    "flux-peft-raw-native", "flux-folder",
    "base_model.model. with native names (fal's Kontext trainer) into split tensors", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(BASE_MODEL, dtype="BF16")
    a.add_all(f"{DOUBLE}img_attn.qkv {DOUBLE}txt_mlp.0 {SINGLE}linear1 {SINGLE}linear2 final_layer.linear", low_rank, rank=2)


@case(
    "flux-comfy-dotted-text-encoders", "flux-comfy",
    "diffusion_model. and text_encoders.<name>.transformer. with lora_down, diff and diff_b", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add_all(f"{DOUBLE}img_attn.qkv te:text_model.encoder.layers.1.self_attn.k_proj", low_rank, rank=2, alpha=1)
    a.add("t5:encoder.block.1.layer.0.SelfAttention.v", low_rank, rank=2, alpha=1)
    a.add(f"{DOUBLE}img_attn.qkv", difference, "bias", role="diff_b")
    a.add("final_layer.adaLN_modulation.1", difference, "bias", role="diff_b")
    a.add(f"{DOUBLE}txt_attn.proj", difference)


@case(
    "flux-swapped-bias-folder", "flux-folder",
    "diff and diff_b of final_layer.adaLN_modulation.1, whose halves are exchanged in the folder, and a norm's scale",
    ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add("final_layer.adaLN_modulation.1", difference)
    a.add("final_layer.adaLN_modulation.1", difference, "bias", role="diff_b")
    a.add(f"{DOUBLE}img_attn.norm.query_norm", difference, "scale")
    a.add(f"{SINGLE}norm.key_norm", difference, "scale", role="w_norm")


@case(
    "flux-ai-toolkit-bare-file", "flux-comfy",
    "diffusers' names without prefix and with lora_down; norm_out's halves are exchanged in the file",
)  # fmt: skip
def _(c):
    a = c.adapter(BARE)
    a.add_all(f"{D_DOUBLE}attn.to_out.0 {D_SINGLE}attn.to_v norm_out.linear", low_rank, rank=2, alpha=1)
    a.add("norm_out.linear", difference, "bias", role="diff_b")


@case(
    "flux-two-dialects-weights", "flux-folder",
    "a kohya adapter with weight 0.75 and a PEFT adapter with weight -1.5 on the same tensors",
    ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE, "kohya.safetensors", 0.75, "BF16")
    a.add_all(f"{DOUBLE}img_attn.qkv {SINGLE}linear1", low_rank, rank=2, alpha=1)
    b = c.adapter(TRANSFORMER, "peft.safetensors", -1.5, "F16")
    b.add_all(f"{D_DOUBLE}attn.to_k {D_SINGLE}attn.to_q {D_SINGLE}proj_mlp", low_rank, rank=2)


@case(
    "chroma-comfy-dotted-file", "chroma-native",
    "Chroma: diffusion_model. with lora_A, and the approximator's layers", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY_PEFT, dtype="BF16")
    a.add_all(
        f"{DOUBLE}img_attn.qkv {SINGLE}linear1 distilled_guidance_layer.in_proj distilled_guidance_layer.layers.1.in_layer",
        low_rank, rank=2,
    )  # fmt: skip


@case("chroma-kohya-folder", "chroma-folder", "kohya names (fused) of Chroma into a folder", ref="numpy in float64")
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="F16")
    a.add_all(f"{DOUBLE}txt_attn.qkv {DOUBLE}img_mlp.0 {SINGLE}linear1 {SINGLE}linear2", low_rank, rank=3, alpha=1.5)
    a.add("distilled_guidance_layer.layers.0.out_layer", low_rank, rank=2, alpha=1)


@case("chroma-peft-file", "chroma-native", "PEFT names of Chroma on fused tensors", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER)
    a.add_all(f"{D_DOUBLE}attn.to_q {D_DOUBLE}attn.add_v_proj {D_SINGLE}proj_mlp {D_SINGLE}attn.to_v", low_rank, rank=2)


@case(
    "flux2-ai-toolkit-folder", "flux2-folder",
    "FLUX.2: diffusion_model. with native names into a folder, the last modulation with exchanged halves",
    ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY_PEFT, dtype="BF16")
    a.add_all(
        f"{DOUBLE}img_attn.qkv {DOUBLE}txt_mlp.0 {SINGLE}linear1 {SINGLE}linear2 double_stream_modulation_img.lin",
        low_rank, rank=2,
    )  # fmt: skip
    a.add_all("final_layer.adaLN_modulation.1 img_in time_in.in_layer", low_rank, rank=2)


@case("flux2-peft-file", "flux2-native", "FLUX.2: PEFT names on the native file", diffusers=True)
def _(c):
    a = c.adapter(TRANSFORMER, dtype="F16")
    a.add_all(f"{D_DOUBLE}attn.to_q {D_DOUBLE}attn.add_k_proj {D_DOUBLE}ff_context.linear_out", low_rank, rank=2)
    a.add_all(f"{D_SINGLE}attn.to_qkv_mlp_proj {D_SINGLE}attn.to_out norm_out.linear", low_rank, rank=2)


@case("flux2-kohya-flat-file", "flux2-native", "FLUX.2: musubi's flat native names", ref="numpy in float64")
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add_all(
        f"{DOUBLE}txt_attn.qkv {SINGLE}linear1 final_layer.adaLN_modulation.1 single_stream_modulation.lin", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip


@case(
    "flux-peft-lora-bias", "flux-native", "lora_B.bias of PEFT's lora_bias, which is scaled as the product is",
    diffusers=True,
)  # fmt: skip
def _(c):
    about = {"transformer.r": 2, "transformer.lora_alpha": 1, "transformer.lora_bias": True}
    about["transformer.target_modules"] = ["attn.to_q", "proj_mlp", "norm_out.linear"]
    a = c.adapter(TRANSFORMER, metadata={"lora_adapter_metadata": json.dumps(about)})
    for name in (f"{D_DOUBLE}attn.to_q", f"{D_SINGLE}proj_mlp", "norm_out.linear"):
        a.add(name, low_rank, rank=2, scale=0.5)
        a.add(name, difference, "bias", role="bias", scale=0.5)


@case(
    "flux-control-lora", "flux-native",
    "BFL's control LoRA: img_in gets the condition's columns, lora_B.bias is added to biases, norms are replaced",
    "control", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(Dialect("bfl", {"dm": ""}, endings=PEFT))
    a.add("img_in", widened, width=16)
    a.add("img_in", difference, "bias", role="bias")
    for name in (f"{DOUBLE}img_attn.qkv", f"{SINGLE}linear1"):
        a.add(name, low_rank, rank=2)
        a.add(name, difference, "bias", role="bias")
    for name in (f"{DOUBLE}img_attn.norm.query_norm", "single_blocks.0.norm.key_norm", f"{SINGLE}norm.query_norm"):
        a.add(name, replacement, "scale", role="scale")


@case(
    "flux-reshape-weight", "flux-comfy", "reshape_weight: img_in gets columns of zeros before the delta is added",
    "reshape", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add("img_in", widened, width=12, alpha=1, announced=True)
    a.add(f"{DOUBLE}txt_mlp.2", low_rank, rank=2, alpha=1)
