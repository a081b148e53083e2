"""TinyLoRA: singular vectors of the base with weighted sums of random matrices between them."""

import numpy as np
from peft import TinyLoraConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.02) if "tinylora_v" in name else None


def merged(part, weight, config, module, shared):
    # The modules of each case have one vector, or one each for q_proj of every layer.
    group = int(module.split(".")[2]) if len(shared) > 1 else 0
    core = np.einsum("k,kij->ij", shared[f"tinylora_v.{group}"], part["tinylora_P"])
    delta = part["tinylora_B"] @ core @ part["tinylora_A"]
    return weight + (delta.T if is_stored_transposed(module) else delta)


TUNER = Tuner("tinylora", config=TinyLoraConfig, prefixes=("tinylora_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers that share one vector",
    dict(r=2, u=6, weight_tying=1.0, target_modules="all-linear"), match16="rounding")
TUNER.case("layers", "tiny-llama-layers", "one layer of each block, in the order of the blocks",
    dict(r=3, u=4, target_modules=["q_proj"]), match16="rounding")
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=2, u=5, weight_tying=1.0, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True),
    match16="rounding")
TUNER.case("embedding", "tiny-llama", "an embedding, and the biases of nothing",
    dict(r=2, u=3, weight_tying=1.0, target_modules=["embed_tokens", "k_proj"]), match16="rounding")
