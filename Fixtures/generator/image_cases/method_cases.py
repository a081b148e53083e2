"""Every method: on linear layers, convolutions, biases and norms of Stable Diffusion 1 and SDXL."""

from generator.image_cases.case import case
from generator.image_cases.dialects import KOHYA_NATIVE, KOHYA_SD, LYCORIS, OFT, UNET_OLD
from generator.image_cases.methods import (
    boft, diag_oft, difference, glora, hadamard, ia3, kohya_oft, kronecker, low_rank, magnitude, replacement
)  # fmt: skip

ATTENTION = "down_blocks.1.attentions.1.transformer_blocks.0."
MID = "mid_block.attentions.0.transformer_blocks.0."
CONV = "down_blocks.1.resnets.0.conv1"
SQUARE_CONV = "down_blocks.2.resnets.1.conv2"
SKIP = "down_blocks.1.resnets.0.conv_shortcut"
TEXT = "te:text_model.encoder.layers."
NEAR = 2e-6


@case("sd1-locon-tucker", "sd1-f16", "LoCon with lora_mid on 3x3 kernels, strides and channels that differ", "locon-tucker")
def _(c):
    a = c.adapter(LYCORIS, dtype="F16")
    a.add_all(f"{CONV} {SQUARE_CONV} down_blocks.0.downsamplers.0.conv", low_rank, rank=2, alpha=0.5, mid=True)
    a.add(f"{ATTENTION}attn1.to_q", low_rank, rank=2, alpha=1)


@case("sd1-flat-factors-for-conv", "inpainting-bf16", "matrices for 1x1 kernels of proj_in, and 1x1 kernels for conv_shortcut")
def _(c):
    a = c.adapter(KOHYA_SD)
    a.add_all("down_blocks.1.attentions.0.proj_in up_blocks.1.attentions.2.proj_out", low_rank, rank=2, alpha=1, flat=True)
    a.add(SKIP, low_rank, rank=2, alpha=1)


@case("sd2-kernel-factors-for-linear", "sd2-f32", "1x1 kernels for linear proj_in and proj_out of SD 2")
def _(c):
    a = c.adapter(KOHYA_SD)
    for name in ("down_blocks.1.attentions.0.proj_in", "mid_block.attentions.0.proj_out"):
        a.add(name, low_rank, rank=2, alpha=1)
        for role in ("down", "up"):
            tensor = a.tensors[a.dialect.key("dm", name) + a.dialect.ending(role)]
            tensor.values = tensor.values[:, :, None, None]


@case("sd1-loha", "sd1-f16", "LoHa of linear layers, 3x3 and 1x1 kernels, Tucker's form, text encoder", "loha")
def _(c):
    a = c.adapter(LYCORIS, dtype="F16")
    a.add_all(f"{ATTENTION}attn1.to_k {ATTENTION}ff.net.2 {CONV} {SKIP}", hadamard, rank=3, alpha=1.5)
    a.add(SQUARE_CONV, hadamard, rank=2, alpha=1, tucker=True)
    a.add(f"{TEXT}1.mlp.fc1", hadamard, rank=2)


@case("sd2-loha-openclip", "sd2-f32", "LoHa on q, k and v of OpenCLIP's fused in_proj_weight", "loha")
def _(c):
    a = c.adapter(KOHYA_SD)
    a.add_all(f"{TEXT}0.self_attn.q_proj {TEXT}0.self_attn.k_proj {TEXT}1.self_attn.v_proj", hadamard, rank=2, alpha=1)


@case(
    "sd1-lokr-all-forms", "sd1-f16",
    "LoKr: w1 and w2 full, low rank, Tucker; alpha without meaning where both are full; factors with kernels", "lokr",
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS, dtype="F16")
    a.add(f"{ATTENTION}attn1.to_q", kronecker, rank=2, alpha=1, split=(2, 4))
    a.add(f"{ATTENTION}attn1.to_k", kronecker, rank=2, alpha=1, w1="low", split=(4, 2))
    a.add(f"{ATTENTION}attn1.to_v", kronecker, rank=2, alpha=1, w1="low", w2="full", split=(4, 4))
    a.add(f"{ATTENTION}attn2.to_q", kronecker, alpha=9984, w2="full", split=(2, 2))
    a.add(f"{ATTENTION}attn2.to_v", kronecker, w2="full", split=(4, 2))
    a.add(CONV, kronecker, rank=2, alpha=1, split=(2, 2))
    a.add(SQUARE_CONV, kronecker, rank=3, alpha=1.5, split=(2, 2), kernel_in_factor=True)
    a.add("mid_block.resnets.0.conv1", kronecker, rank=2, alpha=1, w2="tucker", split=(2, 4))
    a.add("mid_block.resnets.1.conv2", kronecker, w2="full", split=(4, 2))
    a.add(f"{TEXT}0.mlp.fc2", kronecker, rank=1, alpha=0.5, split=(2, 2))


def dora(axis, **options):
    def method(put, label, weight):
        return magnitude(put, label, weight, lambda p, l, w: low_rank(p, l, w, **options), axis)

    return method


@case(
    "sd1-dora-rows", "sd1-f16", "dora_scale (out,1,..): lengths of rows, linear layers, kernels, text encoder",
    "dora", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_SD)
    a.add_all(f"{ATTENTION}attn1.to_q {ATTENTION}ff.net.0.proj {CONV} {SKIP}", dora(0, rank=2, alpha=1))
    a.add(f"{TEXT}0.mlp.fc1", dora(0, rank=2, alpha=1))


@case(
    "sd1-dora-columns-folder", "sd1-folder",
    "dora_scale (1,in,..): lengths of columns, linear layers and kernels, into a folder", "dora", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(
        f"{ATTENTION}attn1.to_k {ATTENTION}attn2.to_k {SQUARE_CONV} down_blocks.1.attentions.0.proj_in",
        dora(1, rank=2, alpha=1),
    )  # fmt: skip
    a.add(f"{TEXT}1.mlp.fc2", dora(1, rank=2))


@case(
    "sd1-dora-peft-magnitude", "sd1-f16", "lora_magnitude_vector of diffusers' DoRA: one length per row, a vector",
    "dora", rel=NEAR, diffusers=True,
)  # fmt: skip
def _(c):
    a = c.adapter(UNET_OLD)
    for name in (f"{ATTENTION}attn1.to_q", f"{MID}attn2.to_k", f"{MID}ff.net.0.proj"):
        a.add(name, lambda put, label, w: magnitude(put, label, w, lambda p, l, x: low_rank(p, l, x, rank=2), 0, flat=True))


@case("sd1-loha-and-lokr-with-dora", "sd1-f16", "dora_scale beside LoHa and LoKr", "dora", rel=NEAR)
def _(c):
    a = c.adapter(LYCORIS)
    loha, lokr = (lambda p, l, w: hadamard(p, l, w, alpha=1)), (lambda p, l, w: kronecker(p, l, w, alpha=1))
    a.add(f"{ATTENTION}attn1.to_v", lambda put, label, w: magnitude(put, label, w, loha, 0))
    a.add(f"{MID}attn1.to_v", lambda put, label, w: magnitude(put, label, w, lokr, 1))
    a.add(CONV, lambda put, label, w: magnitude(put, label, w, lokr, 0))


@case(
    "sd1-full-diff-and-norms", "sd1-folder", "diff and diff_b of whole layers, w_norm and b_norm of norms", "full",
    ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS, dtype="F16")
    for name in (f"{ATTENTION}attn1.to_out.0", CONV, "conv_out", "time_embedding.linear_2", f"{TEXT}0.self_attn.q_proj"):
        a.add(name, difference)
        a.add(name, difference, "bias", role="diff_b")
    a.add(f"{ATTENTION}attn1.to_q", difference)
    for name in ("down_blocks.0.resnets.0.norm1", f"{ATTENTION}norm2", "conv_norm_out", f"{TEXT}1.layer_norm1"):
        a.add(name, difference, role="w_norm")
        a.add(name, difference, "bias", role="b_norm")


@case(
    "sdxl-norms-and-biases-of-fused", "sdxl-bf16",
    "w_norm of sgm names; diff_b of q and v, which are rows of OpenCLIP's in_proj_bias", "full",
    ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_NATIVE)
    a.add("input_blocks.4.0.in_layers.0", difference, role="w_norm")
    a.add("input_blocks.4.0.in_layers.0", difference, "bias", role="b_norm")
    a.add("out.0", difference, "bias", role="b_norm")
    big = "te2:text_model.encoder.layers."
    for name in (f"{big}0.self_attn.q_proj", f"{big}0.self_attn.v_proj", f"{big}1.mlp.fc1"):
        a.add(name, difference)
        a.add(name, difference, "bias", role="diff_b")
    a.add(f"{big}1.layer_norm2", difference, role="w_norm")


@case(
    "sd1-ia3-both-sides", "sd1-f16", "(IA)3 on rows and, with on_input, on columns; linear layers and kernels", "ia3",
    ref="numpy in float64, the formula of lycoris-lora 4.1.3 modules/ia3.py",
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(f"{ATTENTION}attn1.to_k {CONV}", ia3, on_input=False)
    a.add_all(f"{ATTENTION}ff.net.2 {ATTENTION}attn1.to_v {SQUARE_CONV}", ia3, on_input=True)


@case("sd1-glora", "sd1-f16", "GLoRA of linear layers and kernels, with and without the core bm", "glora")
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(f"{ATTENTION}attn1.to_q {ATTENTION}ff.net.0.proj {SKIP} {CONV}", glora, rank=2, alpha=1)
    a.add(SQUARE_CONV, glora, rank=2, alpha=0.5, core=True)


@case(
    "sd1-glora-old-form", "sd1-f16", "the old form of GLoRA, whose factors are stored under exchanged numbers",
    "glora", optional=True, note="the old form is known from its source alone",
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(f"{ATTENTION}attn1.to_q {MID}attn1.to_k {MID}attn2.to_out.0", glora, rank=2, alpha=1, old=True)


@case(
    "sd1-diag-oft", "sd1-f16",
    "diag-OFT without constraint, with constraint, with rescale; linear layers and kernels", "diag-oft", rel=NEAR,
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add_all(f"{ATTENTION}attn1.to_q {CONV}", diag_oft)
    a.add_all(f"{MID}attn1.to_k {SKIP}", diag_oft, alpha=0.0625)
    a.add(f"{MID}ff.net.0.proj", diag_oft, block=8, alpha=0.015625, rescale=True)
    a.add_all(f"{MID}attn2.to_q {SQUARE_CONV}", diag_oft, block=2, rescale=True)


@case("sd1-boft", "sd1-f16", "BOFT with one, two and three stages, constraint and rescale", "boft", rel=NEAR)
def _(c):
    a = c.adapter(LYCORIS)
    a.add(f"{ATTENTION}attn1.to_q", boft, stages=2)
    a.add(f"{MID}ff.net.0.proj", boft, block=16, stages=3, rescale=True)
    a.add(f"{MID}attn1.to_v", boft, block=8, stages=1, alpha=0.0625)
    a.add(CONV, boft, block=4, stages=2, alpha=0.03125, rescale=True)


@case(
    "sd1-kohya-oft", "sd1-f16", "kohya's OFT (oft_unet_), whose constraint is always used; alpha 0.001 and 0.0625",
    "kohya-oft", rel=NEAR, ref="numpy in float64, the formula of sd-scripts networks/oft.py",
)  # fmt: skip
def _(c):
    a = c.adapter(OFT)
    a.add_all(f"{ATTENTION}attn1.to_q {MID}attn2.to_out.0", kohya_oft, alpha=0.001)
    a.add(f"{MID}attn1.to_k", kohya_oft, alpha=0.0625, block=2)


@case(
    "sd1-set-weight", "sd1-f16", "set_weight in the place of a weight, beside a LoRA of another layer", "set-weight",
    ref="numpy in float64", optional=True,
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_SD)
    a.add_all(f"{ATTENTION}attn1.to_q conv_in", replacement)
    a.add(f"{MID}attn1.to_q", low_rank, rank=2, alpha=1)


@case(
    "sd1-lycoris-sgm-flat", "sdxl-bf16",
    "lycoris_ with LoRA, LoKr and full layers in one file, diffusers' names on sgm names", "mixed",
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS)
    a.add("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q", low_rank, rank=2, alpha=1)
    a.add("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k", kronecker, rank=2, alpha=1)
    a.add("up_blocks.0.resnets.1.conv1", hadamard, rank=2, alpha=1)
    a.add("mid_block.resnets.1.conv2", difference)
    a.add("te:text_model.encoder.layers.0.self_attn.v_proj", low_rank, rank=2, alpha=1)


@case(
    "sd1-no-alpha-and-odd-alphas", "sd1-f16",
    "kohya names without alpha, with alpha of shape (1), integer and BF16 alphas", ref="numpy in float64",
)  # fmt: skip
def _(c):
    a = c.adapter(KOHYA_SD)
    a.add(f"{ATTENTION}attn1.to_q", low_rank, rank=2)
    alphas = (("attn1.to_k", "I64", 2), ("attn1.to_v", "BF16", 0.5), ("attn2.to_q", "F64", 1))
    for number, (name, dtype, value) in enumerate(alphas):
        a.add(ATTENTION + name, low_rank, rank=2, alpha=value)
        tensor = a.tensors[a.dialect.key("dm", ATTENTION + name) + ".alpha"]
        tensor.dtype = dtype
        tensor.values = tensor.values.reshape([1] if number == 1 else [])


@case("sd1-factors-f64-fp8", "sd1-f16", "factors in F64 and in F8_E4M3")
def _(c):
    for dtype, name in (("F64", "attn1.to_q"), ("F8_E4M3", "attn1.to_k")):
        a = c.adapter(KOHYA_SD, f"{dtype.lower()}.safetensors", dtype=dtype)
        a.add(ATTENTION + name, low_rank, rank=2, alpha=1)
        a.add(CONV, low_rank, rank=2, alpha=2)


@case("sd1-trailing-underscore", "sd1-f16", "a trailing underscore before the ending", ref="numpy in float64", optional=True)
def _(c):
    a = c.adapter(KOHYA_SD)
    for name in (f"{ATTENTION}attn1.to_q", f"{MID}ff.net.2"):
        a.add(name, low_rank, rank=2, alpha=1, key=a.dialect.key("dm", name) + "_")
