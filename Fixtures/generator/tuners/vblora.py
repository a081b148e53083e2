"""VB-LoRA: factors that are sums of vectors of a bank."""

import numpy as np
from peft import VBLoRAConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.1 if "vblora_vector_bank" in name else 1)


def merged(part, weight, config, module, shared):
    """(r, in / length, vectors) and (out / length, r, vectors), or the largest of them."""
    bank, count = shared["vblora_vector_bank"], config["topk"]

    def vectors(letter):
        if config["save_only_topk_weights"]:
            places = part[f"vblora_logits_{letter}_topk_indices"].astype(int)
            weights = part[f"vblora_logits_{letter}_topk_weights"]
            weights = np.concatenate([weights, 1 - weights.sum(-1, keepdims=True)], -1)
        else:
            logits = part[f"vblora_logits_{letter}"]
            places = np.argsort(-logits, -1, kind="stable")[..., :count]
            weights = np.exp(np.take_along_axis(logits, places, -1))
            weights /= weights.sum(-1, keepdims=True)
        return (weights[..., None] * bank[places]).sum(-2)

    a, b = vectors("A"), vectors("B")
    delta = b.transpose(0, 2, 1).reshape(-1, b.shape[1]) @ a.reshape(len(a), -1)
    return weight + (delta.T if is_stored_transposed(module) else delta)


TUNER = Tuner("vblora", config=VBLoRAConfig, prefixes=("vblora_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers, three of eight vectors",
    dict(r=3, topk=3, num_vectors=8, vector_length=4, target_modules="all-linear"), match="rounding")
TUNER.case("weights", "tiny-llama", "the largest weights alone (save_only_topk_weights)",
    dict(r=2, topk=2, num_vectors=6, vector_length=4, save_only_topk_weights=True, target_modules=["q_proj", "v_proj"]),
    match="rounding")
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=2, topk=2, num_vectors=6, vector_length=8, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"],
         fan_in_fan_out=True), match="rounding")
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers",
    dict(r=2, topk=2, num_vectors=6, vector_length=8, target_modules=["q_proj", "v_proj"], bias="vblora_only"),
    match="rounding")
