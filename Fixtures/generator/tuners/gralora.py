"""GraLoRA: a product for each of k times k parts of the weight."""

import numpy as np
from peft import GraloraConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.2)


def merged(part, weight, config, module):
    a, b, parts = part["gralora_A"], part["gralora_B"], config["gralora_k"]
    length = config["r"] // parts
    delta = np.block([
        [(a[n][:, j * length : (j + 1) * length] @ b[j][n * length : (n + 1) * length]).T for n in range(parts)]
        for j in range(parts)
    ])  # fmt: skip
    if config["hybrid_r"]:
        delta = delta + part["gralora_B_general.weight"] @ part["gralora_A_general.weight"]
    delta = delta * (config["alpha"] / (config["r"] + config["hybrid_r"]))
    return weight + (delta.T if is_stored_transposed(module) else delta)


TUNER = Tuner("gralora", config=GraloraConfig, prefixes=("gralora_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers in two times two parts",
    dict(r=6, alpha=5, gralora_k=2, target_modules="all-linear"), match="rounding")
TUNER.case("hybrid", "tiny-llama", "four times four parts and a product for the whole weight",
    dict(r=4, alpha=6, gralora_k=4, hybrid_r=3, target_modules=["q_proj", "v_proj", "down_proj"]))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=4, alpha=8, gralora_k=2, hybrid_r=1, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers, and a module that was saved whole",
    dict(r=2, alpha=3, gralora_k=1, target_modules=["q_proj", "v_proj"], bias="gralora_only", modules_to_save=["lm_head"]))
