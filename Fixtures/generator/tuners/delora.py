"""DeLoRA: a product whose terms have norms that sum up to a bound."""

import numpy as np
from peft import DeloraConfig

from .kind import Tuner


def fill(name, shape, draw):
    return None if "delora_lambda" in name else draw(0.3)


def merged(part, weight, config, module):
    a, b = part["delora_A"], part["delora_B"]
    norms = np.maximum(np.linalg.norm(a, axis=1), 1e-4) * np.maximum(np.linalg.norm(b, axis=0), 1e-4)
    return weight + (b * (part["delora_lambda"] / len(a) / norms)) @ a * part["delora_w_norm"]


TUNER = Tuner("delora", config=DeloraConfig, prefixes=("delora_",), merged=merged, fill=fill, sums=True, rounds_delta=True)
TUNER.case("linear", "tiny-llama", "linear layers, ranks by a pattern",
    dict(r=4, delora_lambda=1, target_modules="all-linear", rank_pattern={"v_proj": 2}))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers",
    dict(r=2, delora_lambda=1, target_modules=["q_proj", "v_proj"], bias="delora_only"))
