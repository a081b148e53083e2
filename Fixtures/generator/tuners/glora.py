"""GLoRA: the weight times a matrix, and another one added; the same of the bias, and a product with the weight."""

import numpy as np
from peft import GloraConfig

from ..values import WEIGHT_STD
from .kind import Tuner


def fill(name, shape, draw):
    path, leaf = name.split(".")[-3], name.split(".")[-1]
    if path in ("glora_B", "glora_E"):
        # Of one factor, or of two.
        return draw((0.1 * WEIGHT_STD) if leaf == "X" else (0.1 * WEIGHT_STD) ** 0.5)
    return draw(0.1 if leaf == "X" or path == "glora_C" else 0.3)


def value(part, letter):
    """A product, a vector or number, or zeros."""
    down, up = part.get(f"glora_{letter}.Xd"), part.get(f"glora_{letter}.Xu")
    if down is not None:
        return down @ up
    return part[f"glora_{letter}.X"] if f"glora_{letter}.X" in part else part[f"glora_{letter}.zeros"]


def merged(part, weight, config, module):
    return weight + weight * value(part, "A") + value(part, "B")


def others(part, config, module, expected):
    if f"{module}.bias" not in expected:
        return {}
    bias, weight = expected[f"{module}.bias"], expected[f"{module}.weight"]
    return {f"{module}.bias": bias + bias * value(part, "D") + value(part, "E") + np.squeeze(weight @ value(part, "C"), -1)}


TUNER = Tuner("glora", config=GloraConfig, prefixes=("glora_",), merged=merged, fill=fill, others=others, sums=True,
    rounds_delta=True)
TUNER.case("linear", "tiny-llama", "linear layers without biases, products of rank 3, and a module that was saved whole",
    dict(r=3, target_modules="all-linear", modules_to_save=["norm"]))
TUNER.case("biases", "tiny-qwen2", "biases, with a product of the weight",
    dict(r=2, config_D_E="vector", target_modules=["q_proj", "k_proj", "v_proj", "down_proj"]))
TUNER.case("vectors", "tiny-qwen2", "vectors, and biases that were trained too",
    dict(config_A_B="vector", config_C="vector", config_D_E="vector", bias="glora_only", target_modules=["q_proj", "v_proj"]))
TUNER.case("numbers", "tiny-qwen2", "numbers alone, so that no tensor has the size of the layer",
    dict(config_A_B="constant", config_C="none", config_D_E="constant", target_modules=["q_proj", "up_proj"]))
TUNER.case("none", "tiny-qwen2", "biases alone, by a product with the weight",
    dict(r=3, config_A_B="none", config_D_E="none", target_modules=["k_proj", "v_proj"]))
