"""Trainable tokens: rows of an embedding."""

from peft import TrainableTokensConfig

from .kind import Tuner


def merged(part, weight, config, module):
    changed = weight.copy()
    changed[config["token_indices"]] = part["trainable_tokens_delta"]
    return changed


TUNER = Tuner("trainable_tokens", config=TrainableTokensConfig, prefixes=("trainable_tokens_delta",), merged=merged)
TUNER.case("list", "tiny-llama", "rows of the input embedding", dict(token_indices=[3, 0, 31]))
TUNER.case("tied", "tiny-tied", "rows of an embedding that is the head too, saved under both names",
    dict(token_indices=[7, 2]))
TUNER.case("several", "tiny-llama", "the same rows of embedding and head, which are two tensors",
    dict(token_indices=[1, 30], target_modules=["embed_tokens", "lm_head"]))
