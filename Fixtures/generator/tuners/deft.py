"""DEFT: what some directions of the outputs see of the weight is taken out, and something else put in."""

import numpy as np
from peft import DeftConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.3 if "deft_P" in name else 0.05)


def merged(part, weight, config, module):
    directions = removed = part["deft_P"]
    if config["decomposition_method"] == "qr":
        directions = removed = np.linalg.qr(directions)[0]
    else:
        removed = np.maximum(directions, 0)
    stored = is_stored_transposed(module)
    own = weight.T if stored else weight
    delta = -directions @ (removed.T @ own)
    if not config["para"]:
        delta += directions @ part["deft_R"] * (config["alpha"] / directions.shape[1] if config["alpha"] else 1)
    return weight + (delta.T if stored else delta)


TUNER = Tuner("deft", config=DeftConfig, prefixes=("deft_",), merged=merged, fill=fill, sums=True, rounds_delta=True)
TUNER.case("linear", "tiny-llama", "linear layers, directions as they are, an alpha",
    dict(r=3, alpha=5, target_modules="all-linear"))
TUNER.case("qr", "tiny-llama", "directions that are made orthogonal, and a module that was saved whole",
    dict(r=4, decomposition_method="qr", target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["norm"]))
TUNER.case("removal", "tiny-llama", "nothing put in (PaRa)",
    dict(r=2, para=True, decomposition_method="qr", target_modules=["k_proj", "up_proj"]))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=3, decomposition_method="qr", target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers",
    dict(r=2, target_modules=["q_proj", "v_proj"], bias="deft_only"))
