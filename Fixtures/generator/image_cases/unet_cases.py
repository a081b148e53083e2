"""Stable Diffusion 1, 2, XL, its refiner, inpainting and SSD-1B: dialects of adapters on files and folders."""

import json

from generator.image_cases.case import case
from generator.image_cases.dialects import (
    KOHYA_DIFFUSERS, KOHYA_NATIVE, KOHYA_SD, PROCESSORS, TEXT_OLD, UNET, UNET_OLD, kohya, replace
)  # fmt: skip
from generator.image_cases.methods import low_rank

DOWN = "down_blocks.0.attentions.0.transformer_blocks.0."
MID = "mid_block.attentions.0.transformer_blocks.0."
UP = "up_blocks.3.attentions.2.transformer_blocks.0."
TEXT = "te:text_model.encoder.layers."
REFINER = kohya(te2="lora_te_")


@case(
    "sd1-kohya-folder-variant", "sd1-folder",
    "kohya LoRA and LoCon of UNet and text encoder into a folder of the variant fp16; the encoder's tensors lack text_model.",
    diffusers=True, wrong=r"te2?:.*[qkv]_proj.weight",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_SD, dtype="F16")
    a.add_all(f"{DOWN}attn1.to_q {DOWN}attn1.to_out.0 {DOWN}attn2.to_k {UP}ff.net.0.proj", low_rank, rank=3, alpha=1.5)
    a.add("down_blocks.0.attentions.0.proj_in", low_rank, rank=1, alpha=0.5)
    a.add_all(
        "down_blocks.1.resnets.0.conv1 down_blocks.1.downsamplers.0.conv up_blocks.2.upsamplers.0.conv", low_rank,
        rank=2, alpha=1,
    )  # fmt: skip
    a.add_all(f"{TEXT}0.self_attn.q_proj {TEXT}1.mlp.fc2", low_rank, rank=4, alpha=4)


@case(
    "sd1-diffusers-unet-lora-down", "sd1-f16",
    "diffusers' UNet spelling of today (to_q.lora.down) with lora_linear_layer for the text encoder; no alpha",
    diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(UNET_OLD)
    a.add_all(f"{DOWN}attn1.to_v {MID}attn2.to_out.0 {UP}attn1.to_q", low_rank, rank=2)
    text = replace(UNET_OLD, endings=TEXT_OLD)
    a.add_all(f"{TEXT}0.self_attn.out_proj {TEXT}1.self_attn.v_proj", low_rank, rank=2, dialect=text)


@case(
    "sd1-attention-processors", "sd1-f16",
    "attention processors of diffusers 0.17 and before: processor.to_q_lora.down, to_out without .0",
)  # fmt: skip
def _(c):
    a = c.adapter(PROCESSORS, dtype="F16")
    a.add_all(f"{DOWN}attn1.to_q {DOWN}attn1.to_k {MID}attn2.to_v {MID}attn2.to_out.0", low_rank, rank=2)


@case(
    "sd1-peft-rslora-folder", "sd1-folder",
    "PEFT names; r, alpha, patterns and use_rslora are in lora_adapter_metadata alone", diffusers=True,
)  # fmt: skip
def _(c):
    about = {
        "unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": True, "unet.rank_pattern": {"mid_block.*.to_k": 1},
        "unet.alpha_pattern": {"mid_block.*.to_k": 0.5}, "unet.target_modules": ["to_q", "to_k"],
        "text_encoder.r": 2, "text_encoder.lora_alpha": 3, "text_encoder.target_modules": ["fc1", "q_proj"],
    }  # fmt: skip
    a = c.adapter(UNET, metadata={"format": "pt", "lora_adapter_metadata": json.dumps(about)})
    a.add_all(f"{DOWN}attn1.to_q {UP}attn1.to_q {UP}attn2.to_k", low_rank, rank=4, scale=4.0)
    a.add(f"{MID}attn1.to_k", low_rank, rank=1, scale=0.5)
    a.add_all(f"{TEXT}1.mlp.fc1 {TEXT}0.self_attn.q_proj", low_rank, rank=2, scale=1.5)


@case(
    "sd1-text-encoder-without-text-model", "sd1-f16",
    "names of a text encoder as transformers 5 gives them, without text_model.", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(replace(UNET, replaced=(("text_model.", ""),)))
    a.add_all(f"{TEXT}0.self_attn.k_proj {TEXT}1.mlp.fc1", low_rank, rank=3)


@case(
    "inpainting-kohya-conv-in", "inpainting-bf16",
    "nine input channels: LoCon on conv_in and conv_out, LoRA on attention", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_SD, dtype="BF16")
    a.add_all("conv_in conv_out", low_rank, rank=2, alpha=1)
    a.add_all(f"{DOWN}attn1.to_k {MID}ff.net.2 time_embedding.linear_1", low_rank, rank=2, alpha=2)


@case(
    "sd2-kohya-linear-proj", "sd2-f32",
    "SD 2 in F32: linear proj_in and proj_out, q, k, v and out of OpenCLIP's layers", diffusers=True,
    wrong=r"dm:.*to_(v|out)|te:.*[qkv]_proj",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_SD, dtype="F16")
    a.add_all("down_blocks.1.attentions.1.proj_in up_blocks.1.attentions.0.proj_out", low_rank, rank=2, alpha=0.5)
    a.add_all(f"{MID}attn2.to_v {UP}attn1.to_out.0", low_rank, rank=2, alpha=1)
    a.add_all(f"{TEXT}0.self_attn.q_proj {TEXT}0.self_attn.v_proj {TEXT}1.self_attn.k_proj", low_rank, rank=2, alpha=2)
    a.add_all(f"{TEXT}1.self_attn.out_proj {TEXT}0.mlp.fc1 {TEXT}0.mlp.fc2", low_rank, rank=1, alpha=0.25)


XL = "down_blocks.2.attentions.0.transformer_blocks.1."
XL_NATIVE = "input_blocks.7.1.transformer_blocks.1."
BIG = "te2:text_model.encoder.layers."


@case(
    "sdxl-kohya-sgm-folder", "sdxl-folder",
    "kohya's SDXL names (sgm) into a folder with sharded UNet and two text encoders", diffusers=True,
    wrong=r"te2?:.*[qkv]_proj.weight",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="BF16")
    a.add_all(f"{XL_NATIVE}attn1.to_q {XL_NATIVE}attn2.to_out.0 middle_block.1.proj_in", low_rank, rank=2, alpha=1)
    a.add_all("output_blocks.0.1.transformer_blocks.0.ff.net.0.proj output_blocks.3.1.proj_out", low_rank, rank=2, alpha=1)
    a.add_all(
        "input_blocks.4.0.in_layers.2 input_blocks.3.0.op output_blocks.5.2.conv middle_block.2.out_layers.3",
        low_rank, rank=2, alpha=2,
    )  # fmt: skip
    a.add_all("input_blocks.4.0.emb_layers.1 output_blocks.6.0.skip_connection", low_rank, rank=1, alpha=0.5)
    a.add_all(f"{TEXT}0.mlp.fc2 {BIG}1.self_attn.v_proj {BIG}0.mlp.fc1", low_rank, rank=2, alpha=1)


@case(
    "sdxl-diffusers-flat-file", "sdxl-bf16",
    "diffusers' names, flat, on a file with sgm names (sliders, OneTrainer's legacy format); OpenCLIP q, k and out",
    diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_DIFFUSERS, dtype="F16")
    a.add_all(f"{XL}attn1.to_k {XL}attn2.to_v mid_block.attentions.0.proj_out", low_rank, rank=2, alpha=1)
    a.add_all("up_blocks.1.attentions.2.transformer_blocks.0.ff.net.2", low_rank, rank=2, alpha=3)
    a.add_all(f"{BIG}0.self_attn.q_proj {BIG}0.self_attn.k_proj {BIG}1.self_attn.out_proj", low_rank, rank=2, alpha=1)


@case(
    "sdxl-kohya-text-projection", "sdxl-bf16",
    "lora_te2_text_projection, whose tensor is transposed in the file; label_emb and time_embed; ss_* metadata",
)  # fmt: skip
def _(c):
    training = {"ss_network_module": "networks.lora", "ss_tag_frequency": "{}"}
    training["modelspec.architecture"] = "stable-diffusion-xl-v1-base/lora"
    a = c.adapter(KOHYA_NATIVE, metadata=training)
    a.add("te2:text_projection", low_rank, rank=2, alpha=1)
    a.add_all("label_emb.0.0 time_embed.2 input_blocks.0.0 out.2", low_rank, rank=2, alpha=1)


@case(
    "sdxl-both-schemes-in-one-file", "sdxl-bf16",
    "sgm names and diffusers' names of different modules in one adapter; diffusers loses half",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add_all("input_blocks.8.1.transformer_blocks.0.attn1.to_q middle_block.1.proj_out", low_rank, rank=2, alpha=1)
    a.add_all("down_blocks.2.attentions.1.transformer_blocks.0.attn1.to_k", low_rank, rank=2, alpha=1, dialect=KOHYA_DIFFUSERS)


@case(
    "sdxl-peft-two-adapters-negative", "sdxl-folder",
    "two PEFT adapters, weights 0.5 and -2, which share modules, into a folder", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(UNET, "first.safetensors", 0.5, "F16")
    a.add_all(
        f"{XL}attn1.to_q {XL}attn1.to_out.0 {TEXT}0.self_attn.q_proj {BIG}1.mlp.fc2 {BIG}1.self_attn.out_proj",
        low_rank, rank=2,
    )  # fmt: skip
    b = c.adapter(UNET, "second.safetensors", -2.0, "BF16")
    b.add_all(f"{XL}attn1.to_q {XL}ff.net.0.proj {BIG}1.mlp.fc2 {BIG}0.self_attn.q_proj", low_rank, rank=3)


@case(
    "sdxl-onetrainer-bundle", "sdxl-bf16", "an embedding bundled with a LoRA (bundle_emb.), which is reported and not merged",
    ref="numpy in float64", optional=True,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_DIFFUSERS)
    a.add_all(f"{XL}attn1.to_q {TEXT}0.mlp.fc1", low_rank, rank=2, alpha=1)
    a.raw("bundle_emb.token.clip_l", [[0.5] * 8])
    a.raw("bundle_emb.token.clip_g", [[0.25] * 10])


@case("refiner-kohya", "refiner-f16", "SDXL's refiner: four blocks, one text encoder (OpenCLIP) that the adapter calls lora_te_")
def _(c):
    a = c.adapter(REFINER, dtype="F16")
    a.add_all("input_blocks.4.1.transformer_blocks.0.attn1.to_q output_blocks.8.1.proj_in", low_rank, rank=2, alpha=1)
    a.add_all("output_blocks.2.1.conv output_blocks.5.2.conv input_blocks.9.0.op", low_rank, rank=2, alpha=1)
    a.add_all(f"{BIG}1.self_attn.q_proj {BIG}1.mlp.fc1", low_rank, rank=2, alpha=1)


@case(
    "ssd1b-kohya-diffusers-flat", "ssd1b-f16",
    "SSD-1B: fewer layers, other numbers on the way up, no attention in the middle", diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_DIFFUSERS, dtype="F16")
    a.add_all("down_blocks.2.attentions.0.transformer_blocks.1.attn1.to_v", low_rank, rank=2, alpha=1)
    a.add_all(
        "up_blocks.0.attentions.2.transformer_blocks.1.attn2.to_q up_blocks.1.attentions.0.transformer_blocks.1.ff.net.2",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("mid_block.resnets.0.conv2 up_blocks.0.upsamplers.0.conv", low_rank, rank=2, alpha=1)


@case("ssd1b-kohya-sgm", "ssd1b-f16", "SSD-1B with sgm names: middle_block has one residual block")
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add_all(
        "input_blocks.7.1.transformer_blocks.0.attn1.to_out.0 output_blocks.2.1.transformer_blocks.1.ff.net.0.proj",
        low_rank, rank=2, alpha=1,
    )  # fmt: skip
    a.add_all("middle_block.0.in_layers.2 output_blocks.2.2.conv", low_rank, rank=1, alpha=1)
