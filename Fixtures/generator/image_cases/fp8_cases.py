"""Checkpoints in fp8: the layers that change are decoded, merged and written so that their values are right."""

from generator.image_cases.case import case
from generator.image_cases.dialects import COMFY_PEFT, KOHYA_NATIVE, TRANSFORMER
from generator.image_cases.flux_cases import D_DOUBLE, D_SINGLE, DOUBLE, SINGLE
from generator.image_cases.methods import kronecker, low_rank


@case(
    "flux-fp8-scaled-peft", "flux-fp8-scaled",
    "PEFT names on a scaled fp8 file: one of three parts of qkv changes, and tensors in 16 bits", decoded=True,
    ref="numpy in float64 on the dequantized base",
)  # fmt: skip
def _(c):
    a = c.adapter(TRANSFORMER, dtype="F16")
    a.add_all(f"{D_DOUBLE}attn.to_k {D_DOUBLE}ff.net.2 {D_SINGLE}proj_out {D_SINGLE}attn.to_v", low_rank, rank=2)
    a.add("x_embedder", low_rank, rank=2)


@case(
    "flux-fp8-comfy-quant-kohya", "flux-fp8-comfy-quant", "a fp8 file with weight_scale and comfy_quant per layer",
    decoded=True, ref="numpy in float64 on the dequantized base",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add_all(f"{DOUBLE}txt_attn.qkv {SINGLE}linear2 {SINGLE}modulation.lin", low_rank, rank=2, alpha=1)


@case(
    "chroma-fp8-plain", "chroma-fp8", "weights in F8_E4M3 without scales, rounded to it again", decoded=True,
    words="--requantize", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY_PEFT)
    a.add_all(f"{DOUBLE}img_attn.proj {SINGLE}linear2", low_rank, rank=2)


@case(
    "chroma-fp8-metadata-comfy", "chroma-fp8-metadata",
    "a fp8 file whose layers are described in _quantization_metadata, and a LoKr of fused tensors", "lora, lokr",
    decoded=True, ref="numpy in float64 on the dequantized base",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY_PEFT)
    a.add_all(f"{DOUBLE}img_attn.qkv {SINGLE}linear1 distilled_guidance_layer.out_proj", low_rank, rank=2)
    a.add(f"{DOUBLE}txt_attn.qkv", kronecker, rank=2, alpha=1, split=(4, 2))
