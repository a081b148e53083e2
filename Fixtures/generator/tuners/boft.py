"""BOFT: a butterfly of orthogonal blocks, and rows that are scaled."""

import json

import numpy as np
import torch
from peft import BOFTConfig
from peft.tuners.boft import layer

from .kind import Tuner, read_config


class BlockDiagonal:
    """What PEFT's CUDA extension computes: (factors, blocks, b, b) as matrices with blocks along the diagonal."""

    def forward(self, blocks):
        return [torch.stack([torch.block_diag(*torch.unbind(factor)) for factor in blocks])]


layer._FBD_CUDA = BlockDiagonal()


def fill(name, shape, draw):
    return draw(0.1) if "boft_R" in name else 1 + draw(0.1)


def merged(part, weight, config, module):
    flat = weight.reshape(len(weight), -1)
    columns, (_, _, size, _) = flat.shape[1], part["boft_R"].shape
    for level, blocks in enumerate(part["boft_R"]):
        factor = np.zeros((columns, columns))
        for number, matrix in enumerate(blocks):
            skew = (matrix - matrix.T) / 2
            block = (np.eye(size) - skew) @ np.linalg.inv(np.eye(size) + skew)
            # In a group of 2^(level + 1) halves of blocks, block d has the halves d and d + 2^level.
            group, inside = divmod(number, 2**level)
            halves = [group * 2 ** (level + 1) + inside, group * 2 ** (level + 1) + inside + 2**level]
            places = [half * size // 2 + step for half in halves for step in range(size // 2)]
            if level == 0:
                places = range(number * size, (number + 1) * size)
            factor[np.ix_(places, places)] = block
        flat = flat @ factor.T
    return (flat * part["boft_s"].reshape(-1, 1)).reshape(weight.shape)


def after(folder):
    """Without the extension PEFT makes one factor, and leaves the number in the config."""
    if "reset" in str(folder):
        config = {**read_config(folder), "boft_n_butterfly_factor": 2}
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=2))


TUNER = Tuner("boft", config=BOFTConfig, prefixes=("boft_",), merged=merged, fill=fill, after=after, sums=True)
TUNER.case("linear", "tiny-llama", "blocks of 4, one factor",
    dict(boft_block_size=4, target_modules="all-linear"), match="rounding")
TUNER.case("factors", "tiny-llama", "three factors of blocks of 4, and a module that was saved whole",
    dict(boft_block_size=4, boft_n_butterfly_factor=3, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"]),
    match="rounding")
TUNER.case("number", "tiny-qwen2", "a number of blocks and two factors, and the biases of the adapted layers",
    dict(boft_block_size=0, boft_block_num=2, boft_n_butterfly_factor=2, target_modules=["q_proj", "v_proj", "down_proj"],
         bias="boft_only"), match="rounding")
TUNER.case("reset", "tiny-llama", "one factor, where the config says two",
    dict(boft_block_size=8, target_modules=["k_proj", "up_proj"]), match="rounding")
TUNER.case("conv", "tiny-square", "convolutions of two dimensions, one and two factors of blocks of odd columns",
    dict(boft_block_size=6, boft_n_butterfly_factor=2, target_modules=["wide"]), match="rounding")
