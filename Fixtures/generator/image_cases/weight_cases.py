"""Weights other than 1, several adapters, and methods that are not additive one after another.

A weight m of a method that is not additive gives W + m (W' - W), and the next adapter changes that result.
"""

from generator.image_cases.case import case
from generator.image_cases.dialects import COMFY, KOHYA_NATIVE, KOHYA_SD, LYCORIS, TRANSFORMER
from generator.image_cases.method_cases import ATTENTION, CONV, MID, NEAR, dora
from generator.image_cases.methods import boft, diag_oft, difference, hadamard, ia3, kronecker, low_rank

NUMPY = "numpy in float64"


@case("sd1-weight-slider-negative", "sd1-f16", "an adapter with weight -3, as sliders are used", diffusers=True)
def _(c):
    a = c.adapter(KOHYA_SD, weight=-3.0, dtype="F16")
    a.add_all(f"{ATTENTION}attn1.to_q {MID}attn2.to_v {CONV}", low_rank, rank=2, alpha=1)


@case("sd1-weight-loha-lokr-diff", "sd1-f16", "weight 0.5 of LoHa, LoKr and full differences", "mixed", ref=NUMPY)
def _(c):
    a = c.adapter(LYCORIS, weight=0.5, dtype="F16")
    a.add(f"{ATTENTION}attn1.to_q", hadamard, rank=2, alpha=1)
    a.add(f"{ATTENTION}attn1.to_k", kronecker, rank=2, alpha=1)
    a.add(f"{ATTENTION}attn1.to_out.0", difference)
    a.add(f"{ATTENTION}attn1.to_out.0", difference, "bias", role="diff_b")
    a.add(f"{ATTENTION}norm1", difference, role="w_norm")


@case("sd1-weight-dora", "sd1-f16", "weight 0.5 of DoRA on rows and on columns", "dora", rel=NEAR, ref=NUMPY)
def _(c):
    a = c.adapter(KOHYA_SD, weight=0.5)
    a.add(f"{ATTENTION}attn1.to_q", dora(0, rank=2, alpha=1))
    a.add_all(f"{ATTENTION}attn1.to_k {CONV}", dora(1, rank=2, alpha=1))


@case("sd1-weight-oft-boft", "sd1-f16", "weight 0.75 of diag-OFT and BOFT with rescale", "diag-oft, boft", rel=NEAR, ref=NUMPY)
def _(c):
    a = c.adapter(LYCORIS, weight=0.75)
    a.add(f"{ATTENTION}attn1.to_q", diag_oft, rescale=True)
    a.add(f"{MID}attn1.to_k", boft, stages=2, rescale=True)


@case("sd1-weight-ia3-negative", "sd1-f16", "weight -0.5 of (IA)3", "ia3", ref=NUMPY)
def _(c):
    a = c.adapter(LYCORIS, weight=-0.5)
    a.add(f"{ATTENTION}attn1.to_q", ia3, on_input=False)
    a.add(f"{ATTENTION}ff.net.2", ia3, on_input=True)


@case(
    "sd1-two-doras-in-order", "sd1-f16",
    "two DoRA adapters of one module, weights 1 and 0.5: the second changes the result of the first", "dora",
    rel=NEAR, ref=NUMPY,
)  # fmt: skip
def _(c):
    for file, weight, axis in (("first.safetensors", 1.0, 0), ("second.safetensors", 0.5, 1)):
        a = c.adapter(KOHYA_SD, file, weight)
        a.add_all(f"{ATTENTION}attn1.to_q {CONV}", dora(axis, rank=2, alpha=1))


@case(
    "sd1-lora-then-oft", "sd1-f16", "a LoRA, then diag-OFT, then (IA)3 of one module", "lora, diag-oft, ia3",
    rel=NEAR, ref=NUMPY,
)  # fmt: skip
def _(c):
    c.adapter(KOHYA_SD, "lora.safetensors", 0.5).add(f"{ATTENTION}attn1.to_q", low_rank, rank=2, alpha=1)
    c.adapter(LYCORIS, "oft.safetensors", 1.0).add(f"{ATTENTION}attn1.to_q", diag_oft)
    c.adapter(LYCORIS, "ia3.safetensors", 0.5).add(f"{ATTENTION}attn1.to_q", ia3, on_input=True)


@case(
    "sd1-oft-then-lora", "sd1-f16", "diag-OFT, then a LoRA of the same module: the other order", "diag-oft, lora",
    rel=NEAR, ref=NUMPY,
)  # fmt: skip
def _(c):
    c.adapter(LYCORIS, "oft.safetensors", 1.0).add(f"{ATTENTION}attn1.to_q", diag_oft)
    c.adapter(KOHYA_SD, "lora.safetensors", 2.0).add(f"{ATTENTION}attn1.to_q", low_rank, rank=2, alpha=1)


@case(
    "sdxl-three-adapters", "sdxl-folder",
    "three adapters in different dialects, weights 0.25, -0.5 and 2, onto shared modules", "lora, loha, lokr",
    ref=NUMPY,
)  # fmt: skip
def _(c):
    module, native = "down_blocks.2.attentions.0.transformer_blocks.0.", "input_blocks.7.1.transformer_blocks.0."
    a = c.adapter(KOHYA_NATIVE, "kohya.safetensors", 0.25, "F16")
    a.add_all(f"{native}attn1.to_q {native}ff.net.2", low_rank, rank=2, alpha=1)
    b = c.adapter(LYCORIS, "loha.safetensors", -0.5, "F16")
    b.add_all(f"{module}attn1.to_q {module}attn2.to_k", hadamard, rank=2, alpha=1)
    d = c.adapter(LYCORIS, "lokr.safetensors", 2.0, "F16")
    d.add_all(f"{module}attn1.to_q {module}ff.net.2", kronecker, rank=2, alpha=1)


@case(
    "flux-weight-dora-columns-fused", "flux-folder", "weight -0.5 of DoRA on columns of a fused module in parts",
    "dora", rel=NEAR, ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(COMFY, weight=-0.5)
    a.add_all("double_blocks.0.img_attn.qkv single_blocks.0.linear1", dora(1, rank=2, alpha=1))


@case(
    "flux-oft-part-then-lora-whole", "flux-native", "diag-OFT of q (weight 0.5), then a LoRA of the whole qkv",
    "diag-oft, lora", rel=NEAR, ref=NUMPY,
)  # fmt: skip
def _(c):
    a = c.adapter(LYCORIS, "oft.safetensors", 0.5)
    a.add("transformer_blocks.0.attn.to_q", diag_oft)
    b = c.adapter(KOHYA_NATIVE, "lora.safetensors", 1.0)
    b.add("double_blocks.0.img_attn.qkv", low_rank, rank=2, alpha=1)


@case("wan-two-peft-weights", "wan-native", "two PEFT adapters, weights 0.5 and 0.125", diffusers=True)
def _(c):
    for file, weight in (("high.safetensors", 0.5), ("light.safetensors", 0.125)):
        a = c.adapter(TRANSFORMER, file, weight, "BF16")
        a.add_all("blocks.0.attn1.to_q blocks.1.attn2.to_out.0 blocks.1.ffn.net.0.proj", low_rank, rank=2)
