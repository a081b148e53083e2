"""OFT: blocks that rotate the inputs."""

import numpy as np
from peft import OFTConfig

from .kind import Tuner


def fill(name, shape, draw):
    return draw(0.05)


def merged(part, weight, config, module):
    """The series is that of `_cayley_batch`: its last power is the third at least."""
    ((key, entries),) = part.items()
    size = round((1 + (1 + 8 * entries.shape[1]) ** 0.5) / 2)
    blocks, identity = [], np.eye(size)
    for values in entries:
        skew = np.zeros((size, size))
        skew[np.triu_indices(size, 1)] = values
        skew -= skew.T
        if config["coft"]:
            limit = config["eps"] / len(entries) ** 0.5
            skew *= min(1, limit / np.linalg.norm(skew))
        terms = config["num_cayley_neumann_terms"]
        if not config["use_cayley_neumann"]:
            block = (identity - skew) @ np.linalg.inv(identity + skew)
        elif terms < 3:
            block = identity + 2 * (terms - 1) * skew
        else:
            last = max(3, terms - 1)
            powers = [np.linalg.matrix_power(skew, exponent) for exponent in range(1, last + 1)]
            block = identity + 2 * sum(powers[:-1]) + powers[-1]
        blocks.append(block if key.startswith("oft_embedding") else block.T)
    flat = weight.reshape(len(weight), -1, size)
    blocks = blocks * (flat.shape[1] // len(blocks))
    return np.stack([flat[:, number] @ block for number, block in enumerate(blocks)], 1).reshape(weight.shape)


TUNER = Tuner("oft", config=OFTConfig, prefixes=("oft_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "blocks of 4 in linear layers, by the series of five terms",
    dict(oft_block_size=4, target_modules="all-linear"), match="rounding")
TUNER.case("exact", "tiny-llama", "blocks of 8 by the inverse, and a module that was saved whole",
    dict(oft_block_size=8, use_cayley_neumann=False, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"]),
    match="rounding")
for terms in (2, 3, 4, 6):
    TUNER.case(f"terms{terms}", "tiny-llama", f"the series of {terms} terms",
         dict(oft_block_size=4, num_cayley_neumann_terms=terms, target_modules=["q_proj", "down_proj"]), match="rounding")
TUNER.case("constrained", "tiny-llama", "norms that are limited (coft)",
    dict(oft_block_size=4, coft=True, eps=0.2, target_modules=["q_proj", "v_proj", "down_proj"]), match="rounding")
TUNER.case("shared", "tiny-llama", "one block for all of a layer (block_share)",
    dict(oft_block_size=4, block_share=True, target_modules=["k_proj", "up_proj"]), match="rounding")
TUNER.case("embedding", "tiny-llama", "an embedding, which is saved whole too",
    dict(oft_block_size=8, target_modules=["embed_tokens"]), match="rounding")
TUNER.case("conv", "tiny-conv", "a convolution of one position", dict(oft_block_size=3, target_modules=["point"]),
    match="rounding")
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers",
    dict(oft_block_size=4, target_modules=["q_proj", "v_proj"], bias="oft_only"), match="rounding")
