"""PEANuT: a small network makes the delta of the weight."""

import math

import numpy as np
from peft import PeanutConfig

from .kind import Tuner

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": np.vectorize(lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "tanh": np.tanh,
}


def fill(name, shape, draw):
    if "peanut_A" in name:
        return draw(1)
    return draw(0.02 if "peanut_B" in name else 0.5)


def merged(part, weight, config, module):
    function = ACTIVATIONS[config["act_fn"]]
    values = function(part["peanut_A.weight"] @ weight)
    kept = []
    for number in range(config["depth"]):
        kept.append(values)
        values = function(part[f"peanut_encoders.{number}.weight"] @ values)
    for number in range(config["depth"]):
        values = function(part[f"peanut_decoders.{number}.weight"] @ values) + kept.pop()
    return weight + part["peanut_B.weight"] @ values * config["scaling"]


TUNER = Tuner("peanut", config=PeanutConfig, prefixes=("peanut_",), merged=merged, fill=fill, sums=True, rounds_delta=True)
TUNER.case("linear", "tiny-llama", "linear layers, no layer between",
    dict(r=4, target_modules="all-linear"))
TUNER.case("deep", "tiny-llama", "two encoders and two decoders, scaled, and a module that was saved whole",
    dict(r=3, depth=2, scaling=0.5, act_fn="gelu", target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["norm"]))
for name in ("silu", "mish", "tanh"):
    TUNER.case(name, "tiny-llama", f"the activation {name}", dict(r=2, depth=1, act_fn=name, target_modules=["k_proj", "up_proj"]))
