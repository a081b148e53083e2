"""C3A: circulant blocks."""

import numpy as np
from peft import C3AConfig

from .kind import Tuner


def fill(name, shape, draw):
    return draw(0.1)


def merged(part, weight, config, module):
    kernel = part["c3a_kernel"]
    rows, columns = np.indices(weight.shape)
    size = kernel.shape[2]
    return weight + kernel[rows // size, columns // size, (columns - rows) % size] / weight.shape[1]


TUNER = Tuner("c3a", config=C3AConfig, prefixes=("c3a_",), merged=merged, fill=fill, sums=True, rounds_delta=True)
TUNER.case("linear", "tiny-llama", "linear layers, blocks of 4",
    dict(block_size=4, target_modules="all-linear"))
TUNER.case("pattern", "tiny-llama", "blocks of several sizes, and a module that was saved whole",
    dict(block_size=8, block_size_pattern={"o_proj": 16, "down_proj": 2}, modules_to_save=["norm"],
         target_modules=["q_proj", "o_proj", "down_proj"]))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers",
    dict(block_size=8, target_modules=["q_proj", "v_proj"], bias="c3a_only"))
