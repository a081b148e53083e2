"""Methods whose delta or rotation belongs to a whole module, where the base has the module in parts or as a part."""

from generator.image_cases.case import case
from generator.image_cases.dialects import (
    AI_TOOLKIT, COMFY, KOHYA_NATIVE, LYCORIS, LYCORIS_NATIVE, MUSUBI, TRANSFORMER, replace
)  # fmt: skip
from generator.image_cases.methods import boft, diag_oft, glora, hadamard, ia3, kronecker, low_rank, magnitude
from generator.image_cases.method_cases import NEAR, dora

DOUBLE, SINGLE = "double_blocks.1.", "single_blocks.0."
D_DOUBLE, D_SINGLE = "transformer_blocks.1.", "single_transformer_blocks.0."
JOINT = "joint_blocks.2."


def dora_vector(put, label, weight):
    """DoRA of rows with a vector of magnitudes."""
    return magnitude(put, label, weight, lambda p, l, w: low_rank(p, l, w, rank=2), 0, flat=True)


@case(
    "flux-lokr-fused-on-split", "flux-folder",
    "LoKr of qkv, linear1 and the swapped modulation into a folder; blocks of w2 cross the parts", "lokr",
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, dtype="BF16")
    a.add(f"{DOUBLE}img_attn.qkv", kronecker, rank=2, alpha=1, split=(2, 4))
    a.add(f"{DOUBLE}txt_attn.qkv", kronecker, rank=2, alpha=1, split=(16, 2), w1="low")
    a.add(f"{SINGLE}linear1", kronecker, w2="full", split=(8, 2))
    a.add("final_layer.adaLN_modulation.1", kronecker, rank=2, alpha=1, split=(4, 4))


@case("flux-lokr-split-on-fused", "flux-native", "LoKr with diffusers' names (lycoris_) on rows of qkv and linear1", "lokr")
def _(c):
    a = c.adapter(LYCORIS, dtype="F16")
    a.add_all(f"{D_DOUBLE}attn.to_q {D_DOUBLE}attn.add_v_proj {D_SINGLE}proj_mlp", kronecker, rank=2, alpha=1, split=(4, 2))
    a.add("norm_out.linear", kronecker, rank=2, alpha=1, split=(2, 2))


@case("flux-loha-fused-on-split", "flux-folder", "LoHa of qkv, linear1 and linear2 into a folder", "loha")
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="BF16")
    a.add_all(f"{DOUBLE}img_attn.qkv {SINGLE}linear1 {SINGLE}linear2 final_layer.adaLN_modulation.1", hadamard, rank=2, alpha=1)


@case(
    "flux-dora-rows-fused-on-split", "flux-folder",
    "DoRA of rows: qkv, linear1, the swapped modulation into a folder", "dora", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add_all(f"{DOUBLE}img_attn.qkv {SINGLE}linear1 final_layer.adaLN_modulation.1", dora(0, rank=2, alpha=1))


@case(
    "flux-dora-columns-fused-on-split", "flux-folder",
    "DoRA of columns: the lengths run through all parts of qkv and linear1", "dora", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY)
    a.add_all(f"{DOUBLE}txt_attn.qkv {SINGLE}linear1 {DOUBLE}img_mlp.0", dora(1, rank=2, alpha=1))


@case(
    "flux-dora-split-on-fused", "flux-native",
    "DoRA of rows and of columns of q, k and proj_mlp, which are rows of a fused tensor", "dora", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(f"{D_DOUBLE}attn.to_q {D_SINGLE}proj_mlp norm_out.linear", dora(0, rank=2, alpha=1))
    a.add_all(f"{D_DOUBLE}attn.to_k {D_SINGLE}attn.to_v", dora(1, rank=2, alpha=1))


@case(
    "flux-oft-fused-on-split", "flux-folder",
    "diag-OFT and BOFT of qkv and linear1 into a folder; blocks that cross the parts", "diag-oft, boft", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(replace(LYCORIS_NATIVE, name="lycoris, native names"))
    a.add(f"{DOUBLE}img_attn.qkv", diag_oft, block=12, alpha=0.03125, rescale=True)
    a.add(f"{SINGLE}linear1", diag_oft, block=7)
    a.add(f"{DOUBLE}txt_attn.qkv", boft, block=6, stages=4)


@case(
    "flux-oft-split-on-fused", "flux-native", "diag-OFT and BOFT with diffusers' names on rows of fused tensors",
    "diag-oft, boft", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(f"{D_DOUBLE}attn.to_q {D_SINGLE}attn.to_k", diag_oft, alpha=0.0625)
    a.add(f"{D_SINGLE}proj_mlp", boft, block=8, stages=4, rescale=True)
    a.add("norm_out.linear", diag_oft, block=8)


@case(
    "flux-ia3-split-on-fused", "flux-native",
    "(IA)3 of k and v, rows of one tensor that are changed one after the other, the second file with a weight", "ia3",
    ref="numpy in float64, the formula of lycoris-lora 4.1.3 modules/ia3.py", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS, "keys.safetensors")
    a.add(f"{D_DOUBLE}attn.to_k", ia3, on_input=False)
    a.add(f"{D_DOUBLE}attn.to_v", ia3, on_input=True)
    a.add(f"{D_SINGLE}proj_mlp", ia3, on_input=False)
    c.adapter(LYCORIS, "more.safetensors", -0.5).add_all(f"{D_DOUBLE}attn.to_v {D_SINGLE}attn.to_v", ia3, on_input=True)


@case("flux-ia3-glora-fused-on-split", "flux-folder", "(IA)3 and GLoRA of qkv and linear1 into a folder", "ia3, glora")
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add(f"{DOUBLE}img_attn.qkv", ia3, on_input=False)
    a.add(f"{DOUBLE}txt_attn.qkv", ia3, on_input=True)
    a.add(f"{SINGLE}linear1", glora, rank=2, alpha=1)


@case(
    "sd3-dora-last-context-block", "sd3-folder",
    "DoRA and LoHa of the last context block's modulation (exchanged halves) and of qkv", "dora, loha", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add_all(f"{JOINT}context_block.adaLN_modulation.1 {JOINT}x_block.attn.qkv", dora(0, rank=2, alpha=1))
    a.add(f"{JOINT}context_block.attn.qkv", hadamard, rank=2, alpha=1)


@case(
    "z-image-lokr-dora-split-on-fused", "z-image-comfy",
    "LoKr and DoRA with split names under diffusion_model. (ai-toolkit) on fused qkv", "lokr, dora", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(replace(AI_TOOLKIT, endings=COMFY.endings))
    a.add_all("layers.0.attention.to_k layers.1.attention.to_q", kronecker, rank=2, alpha=1, split=(2, 4))
    a.add("layers.0.attention.to_v", dora(0, rank=2, alpha=1))
    a.add("layers.1.attention.to_v", dora(1, rank=2, alpha=1))


@case("lumina2-lokr-fused-on-split", "lumina2-folder", "LoKr of qkv with parts of different heights into a folder", "lokr")
def _(c):
    a = c.adapter(KOHYA_NATIVE, dtype="BF16")
    a.add("layers.0.attention.qkv", kronecker, rank=2, alpha=1, split=(4, 2))
    a.add("context_refiner.0.attention.qkv", kronecker, w2="full", split=(16, 8))


@case(
    "hunyuan-lokr-dora-peft-spelling", "hunyuan-comfy",
    "DoRA of rows with the magnitudes of PEFT, and LoKr, with split names on ComfyUI's spelling", "dora, lokr",
    rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(TRANSFORMER)
    a.add_all("transformer_blocks.0.attn.to_k single_transformer_blocks.0.attn.to_q", dora_vector)
    b = c.adapter(LYCORIS, "lokr.safetensors")
    b.add("single_transformer_blocks.0.proj_mlp", kronecker, rank=2, alpha=1, split=(2, 2))


@case("wan-dora-loha-folder", "wan-folder", "musubi's LoHa and a DoRA on columns into a folder", "loha, dora", rel=NEAR)
def _(c):
    a = c.adapter(MUSUBI)
    a.add_all("blocks.0.cross_attn.q blocks.1.ffn.2", hadamard, rank=3, alpha=1.5)
    a.add("blocks.0.ffn.0", dora(1, rank=2, alpha=1))


@case("pixart-lokr-kv-linear-folder", "pixart-folder", "LoKr of kv_linear, whose halves are k and v in the folder", "lokr")
def _(c):
    a = c.adapter(COMFY, dtype="F16")
    a.add("blocks.0.cross_attn.kv_linear", kronecker, rank=2, alpha=1, split=(4, 4))
    a.add("blocks.0.attn.qkv", kronecker, w2="full", split=(4, 2))


@case(
    "sdxl-dora-loha-openclip", "sdxl-bf16",
    "DoRA and LoHa of q and k of OpenCLIP, and a LoHa of the transposed text_projection", "dora, loha", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    layers = "te2:text_model.encoder.layers."
    a.add(f"{layers}0.self_attn.q_proj", dora(0, rank=2, alpha=1))
    a.add(f"{layers}1.self_attn.k_proj", dora(1, rank=2, alpha=1))
    a.add("te2:text_projection", hadamard, rank=2, alpha=1)
