"""MiSS: a block that repeats."""

import numpy as np
from peft import MissConfig

from .kind import Tuner


def merged(part, weight, config, module):
    (block,) = part.values()
    if block.ndim == 3:  # a block for each r rows, which multiplies any r columns and is added to the product
        size = block.shape[1]
        parts = weight.reshape(len(block), size, -1, size)
        return weight + (np.einsum("qapc,qcb->qapb", parts, block) + block[:, :, None]).reshape(weight.shape)
    rows, columns = np.indices(weight.shape)
    return weight + block[columns % block.shape[0], rows % block.shape[1]]


TUNER = Tuner("miss", config=MissConfig, prefixes=("miss_",), merged=merged)
TUNER.case("linear", "tiny-llama", "linear layers, of a rank that divides no width",
    dict(r=5, target_modules="all-linear"))
TUNER.case("even", "tiny-llama", "linear layers, of a rank that divides some widths, and a module that was saved whole",
    dict(r=4, target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["norm"]))
TUNER.case("mini", "tiny-llama", "a block that repeats over the outputs too",
    dict(r=4, mini_r=4, init_weights="mini", target_modules=["q_proj", "v_proj", "down_proj"]))
TUNER.case("bat", "tiny-llama", "blocks that multiply the weight too",
    dict(r=4, init_weights="bat", target_modules="all-linear"), match="rounding", match16="exact")
