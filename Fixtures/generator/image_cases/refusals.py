"""Adapters that a merge must reject for their keys, shapes and names."""

import numpy as np

from generator.image_cases import values
from generator.image_cases.case import case
from generator.image_cases.dialects import (
    COMFY, KOHYA_DIFFUSERS, KOHYA_NATIVE, KOHYA_SD, LYCORIS, TRANSFORMER, Dialect, replace
)  # fmt: skip
from generator.image_cases.methods import glora, hadamard, kronecker, low_rank

Q = "down_blocks.1.attentions.1.transformer_blocks.0.attn1.to_q"
FLAT_Q = "lora_unet_" + Q.replace(".", "_")
PLAIN = Dialect("bare", {"dm": ""})


def refused(name, base, what, dialect=PLAIN, beside="", file="adapter.safetensors", metadata=None, optional=False):
    """Registers a case; its function gets the adapter, which has a good LoRA of `beside` if that is given."""

    def register(fill):
        def make(c):
            a = c.adapter(dialect, file, metadata=metadata)
            if beside:
                a.add(beside, low_rank, rank=2, alpha=1)
            fill(a)

        return case("refuse-" + name, base, what, "refusal", refuse=True, optional=optional)(make)

    return register


def lora(a, module, down, up, alpha=None):
    """A LoRA of any shapes under the module's name as it is in the file."""
    if down:
        a.raw(module + a.dialect.ending("down"), values.factor(module + "down", down))
    if up:
        a.raw(module + a.dialect.ending("up"), values.factor(module + "up", up))
    if alpha is not None:
        a.raw(module + ".alpha", alpha)


def drop(a, *endings):
    for key in [key for key in a.tensors if key.endswith(endings)]:
        del a.tensors[key]


# Keys that nothing explains, and halves


@refused("unknown-ending", "flux-native", "an ending that no method has, beside a LoRA", COMFY, "double_blocks.0.img_attn.qkv")
def _(a):
    a.raw("diffusion_model.double_blocks.0.txt_attn.qkv.lora_middle.weight", np.ones((2, 2)))


@refused(
    "unknown-module", "sdxl-bf16", "a module that the base lacks: block 9 of SDXL's input", KOHYA_NATIVE,
    "middle_block.1.proj_in",
)  # fmt: skip
def _(a):
    lora(a, "lora_unet_input_blocks_9_1_proj_in", (2, 8), (8, 2))


@refused("down-without-up", "sd1-f16", "lora_down without lora_up", KOHYA_SD, "conv_in")
def _(a):
    lora(a, FLAT_Q, (2, 8), None)


@refused("up-without-down", "flux-folder", "lora_B without lora_A", TRANSFORMER, "transformer_blocks.0.attn.to_q")
def _(a):
    lora(a, "transformer.transformer_blocks.1.attn.to_k", None, (16, 2))


@refused("alpha-alone", "sd1-f16", "alpha of a module that has no factors", KOHYA_SD, "conv_in")
def _(a):
    a.raw(FLAT_Q + ".alpha", 1)


@refused("half-a-loha", "sd1-f16", "LoHa without hada_w2_b", LYCORIS)
def _(a):
    a.add(Q, hadamard, rank=2, alpha=1)
    drop(a, "hada_w2_b")


@refused("half-a-lokr", "sd1-f16", "LoKr with w1 alone", LYCORIS)
def _(a):
    a.add(Q, kronecker, rank=2, alpha=1)
    drop(a, "lokr_w2_a", "lokr_w2_b")


@refused("half-a-glora", "sd1-f16", "GLoRA without b1", LYCORIS)
def _(a):
    a.add(Q, glora, rank=2, alpha=1)
    drop(a, "b1.weight")


@refused("magnitude-alone", "sd1-f16", "dora_scale without factors", KOHYA_SD, "conv_in")
def _(a):
    a.raw(FLAT_Q + ".dora_scale", np.ones((8, 1)))


@refused("weight-without-on-input", "sd1-f16", "a plain .weight, which is (IA)3 only with on_input", LYCORIS)
def _(a):
    a.raw("lycoris_" + Q.replace(".", "_") + ".weight", np.full(8, 0.5))


# Shapes


@refused("other-widths", "sdxl-bf16", "an adapter for SD 1.5 on SDXL: the module is there with another width", KOHYA_DIFFUSERS)
def _(a):
    lora(a, "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k", (2, 8), (8, 2), 1)


@refused("wan-other-size", "wan22-comfy", "a Wan adapter of another hidden size", COMFY)
def _(a):
    lora(a, "diffusion_model.blocks.0.self_attn.q", (2, 24), (24, 2), 1)


@refused(
    "wan-image-keys", "wan22-comfy", "an adapter of Wan 2.1 image to video on Wan 2.2, which has no k_img", COMFY,
    "blocks.0.cross_attn.k",
)  # fmt: skip
def _(a):
    lora(a, "diffusion_model.blocks.0.cross_attn.k_img", (2, 16), (16, 2), 1)


@refused("ranks-differ", "sd1-f16", "rank 2 below and rank 3 above", KOHYA_SD)
def _(a):
    lora(a, FLAT_Q, (2, 8), (8, 3), 1)


@refused("fused-rows", "flux-native", "a LoRA of qkv with two thirds of its rows", COMFY)
def _(a):
    lora(a, "diffusion_model.double_blocks.0.img_attn.qkv", (2, 16), (32, 2))


@refused("kernel-size", "sd1-f16", "a 5x5 kernel for a 3x3 layer", KOHYA_SD)
def _(a):
    lora(a, "lora_unet_conv_in", (2, 4, 5, 5), (4, 2, 1, 1), 1)


@refused("magnitude-length", "sd1-f16", "dora_scale with twice the rows", KOHYA_SD, Q)
def _(a):
    a.raw(FLAT_Q + ".dora_scale", np.ones((16, 1)))


@refused("lokr-product", "sd1-f16", "LoKr factors whose product is not the weight's shape", LYCORIS)
def _(a):
    a.raw("lycoris_" + Q.replace(".", "_") + ".lokr_w1", np.ones((2, 2)))
    a.raw("lycoris_" + Q.replace(".", "_") + ".lokr_w2", np.ones((4, 3)))


@refused("oft-blocks", "sd1-f16", "diag-OFT whose blocks do not cover the rows", LYCORIS)
def _(a):
    a.raw("lycoris_" + Q.replace(".", "_") + ".oft_blocks", np.ones((3, 4, 4)))


@refused("tucker-core", "sd1-f16", "a Tucker core with another kernel", LYCORIS)
def _(a):
    name = "lycoris_down_blocks_1_resnets_0_conv1"
    lora(a, name, (2, 4, 1, 1), (8, 2, 1, 1), 1)
    a.raw(name + ".lora_mid.weight", np.ones((2, 2, 5, 5)))


@refused("bias-of-nothing", "sd1-f16", "diff_b of a layer without bias", LYCORIS, "conv_in")
def _(a):
    a.raw("lycoris_" + Q.replace(".", "_") + ".diff_b", np.ones(8))


@refused(
    "xlabs-proj-lora-width", "flux-native", "XLabs' proj_lora that does not have the columns of linear2",
    replace(PLAIN, endings={"down": ".down.weight", "up": ".up.weight"}),
)  # fmt: skip
def _(a):
    lora(a, "single_blocks.0.processor.proj_lora", (2, 16), (16, 2))


# Names that mean two things


@refused(
    "two-names-of-one-module", "sdxl-bf16", "the sgm name and diffusers' name of one module in one file",
    KOHYA_NATIVE, "input_blocks.4.1.proj_in",
)  # fmt: skip
def _(a):
    lora(a, "lora_unet_down_blocks_1_attentions_0_proj_in", (2, 8), (8, 2), 1)


@refused("two-spellings-of-one-module", "wan-native", "one module with a prefix and without", COMFY, "blocks.0.self_attn.q")
def _(a):
    lora(a, "blocks.0.self_attn.q", (2, 16), (16, 2), 1)


@refused("ambiguous-glora", "sd1-f16", "GLoRA whose rank is the input's width: old and new form both fit", LYCORIS, optional=True)
def _(a):
    a.add(Q, glora, rank=8, alpha=1)


@refused(
    "two-transformers", "wan22-a14b-folder",
    "a folder with transformer and transformer_2, and an adapter that does not say which", TRANSFORMER,
)  # fmt: skip
def _(a):
    lora(a, "transformer.blocks.0.attn1.to_q", (2, 16), (16, 2))


@refused("two-variants", "two-variants-folder", "a folder with the variants fp16 and none side by side", TRANSFORMER)
def _(a):
    lora(a, "transformer.single_transformer_blocks.0.attn.to_q", (2, 16), (16, 2))
