"""LoKr: a delta that is a Kronecker product."""

import numpy as np
from peft import LoKrConfig

from .kind import Tuner, pattern


def fill(name, shape, draw):
    # Of two matrices, or of their factors.
    return draw(0.1 if name.split(".")[-2] in ("lokr_w1", "lokr_w2") else 0.3 / min(shape) ** 0.25)


def merged(part, weight, config, module):
    rank = pattern(config["rank_pattern"], module, config["r"])
    alpha = pattern(config["alpha_pattern"], module, config["alpha"])
    w1 = part["lokr_w1"] if "lokr_w1" in part else part["lokr_w1_a"] @ part["lokr_w1_b"]
    if "lokr_w2" in part:
        w2 = part["lokr_w2"]
    elif "lokr_t2" in part:
        w2 = np.einsum("ijkl,ip,jr->prkl", part["lokr_t2"], part["lokr_w2_a"], part["lokr_w2_b"])
    else:
        w2 = part["lokr_w2_a"] @ part["lokr_w2_b"]
    if w2.ndim == 3:  # as torch pads w1: its rows and columns become the second and third axis
        delta = np.einsum("bc,aik->abick", w1, w2)
    elif w2.ndim == 4:
        delta = np.einsum("ab,cdkl->acbdkl", w1, w2)
    else:
        delta = np.einsum("ab,cd->acbd", w1, w2)
    return weight + delta.reshape(weight.shape) * (alpha / rank)


TUNER = Tuner("lokr", config=LoKrConfig, prefixes=("lokr_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers, w1 whole and w2 of factors or whole, a rank of 3",
    dict(r=3, alpha=5, target_modules="all-linear", decompose_factor=2))
TUNER.case("both", "tiny-llama", "both matrices of factors, patterns and a module that was saved whole",
    dict(r=1, alpha=2, target_modules=["q_proj", "v_proj", "up_proj"], decompose_both=True, decompose_factor=4,
         rank_pattern={"v_proj": 2}, alpha_pattern={"q_proj$": 3, "up_proj": 1}, modules_to_save=["lm_head"]))
TUNER.case("whole", "tiny-llama", "both matrices whole, so that the rank only scales",
    dict(r=16, alpha=8, target_modules=["k_proj", "o_proj", "down_proj"]))
TUNER.case("conv", "tiny-conv", "convolutions, w2 whole: of one dimension its axes are another kernel's",
    dict(r=4, alpha=6, target_modules=["line", "plane", "point", "grouped"]))
TUNER.case("conv-factors", "tiny-conv", "convolutions, w2 of factors",
    dict(r=1, alpha=3, target_modules=["line", "plane", "point", "grouped"], decompose_factor=2))
TUNER.case("conv-cores", "tiny-conv", "convolutions with cores (use_effective_conv2d), of one and two dimensions",
    dict(r=2, alpha=4, target_modules=["line", "plane", "grouped"], decompose_factor=2, use_effective_conv2d=True),
    match="rounding")
