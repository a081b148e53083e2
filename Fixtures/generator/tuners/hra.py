"""HRA: reflections of the inputs."""

import numpy as np
from peft import HRAConfig

from .kind import Tuner


def fill(name, shape, draw):
    return draw(1)


def merged(part, weight, config, module):
    flat, vectors = weight.reshape(len(weight), -1), []
    for vector in part["hra_u"].T:
        for other in vectors if config["apply_GS"] else []:
            vector = vector - (vector @ other) * other
        vectors.append(vector / np.linalg.norm(vector))
        flat = flat - 2 * np.outer(flat @ vectors[-1], vectors[-1])
    return flat.reshape(weight.shape)


TUNER = Tuner("hra", config=HRAConfig, prefixes=("hra_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "an odd number of reflections in linear layers",
    dict(r=3, target_modules="all-linear"), match="rounding")
TUNER.case("orthogonal", "tiny-llama", "vectors that are made orthogonal, and a module that was saved whole",
    dict(r=4, apply_GS=True, target_modules=["q_proj", "down_proj"], modules_to_save=["norm"]), match="rounding")
TUNER.case("conv", "tiny-conv", "a convolution of one position", dict(r=2, target_modules=["point"]), match="rounding")
