"""VeRA: vectors beside two projections that all modules share."""

import math

from peft import VeraConfig

from .drawn import numbers, rounded, uniform
from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.1) if "vera_lambda" in name else None


def drawn(config, rows, sizes):
    """The projections as PEFT draws them: A with so many rows."""
    source, rank = numbers(config["projection_prng_key"]), config["r"]
    return {
        letter: rounded(uniform(source, math.prod(shape), math.sqrt(3) * (math.sqrt(2) / math.sqrt(shape[1]))), sizes[2]).reshape(shape)
        for letter, shape in (("A", (rows, sizes[1])), ("B", (sizes[0], rank)))
    }


def projected(part, weight, config, module, shared):
    rank, (b, d) = config["r"], (part["lambda_b"], part["lambda_d"])
    width = weight.shape[0 if is_stored_transposed(module) else 1]
    delta = (b[:, None] * shared["B"][: len(b)]) @ (d[:rank, None] * shared["A"][:rank, :width])
    return weight + (delta.T if is_stored_transposed(module) else delta)


def merged(part, weight, config, module, shared, sizes):
    own = {key.split("_", 1)[1]: value for key, value in part.items()}
    projections = {key[-1]: value for key, value in shared.items()} or drawn(config, len(own["lambda_d"]), sizes)
    return projected(own, weight, config, module, projections)


TUNER = Tuner("vera", config=VeraConfig, prefixes=("vera_",), merged=merged, fill=fill, sums=True, needs_sizes=True)
TUNER.case("linear", "tiny-llama", "linear layers of several sizes with shared projections",
    dict(r=6, target_modules="all-linear"))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=4, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers, and a module that was saved whole",
    dict(r=3, target_modules=["q_proj", "v_proj"], bias="vera_only", modules_to_save=["lm_head"]))
TUNER.case("drawn", "tiny-llama", "projections that are not in the file (save_projection), of several sizes",
    dict(r=6, save_projection=False, projection_prng_key=11, target_modules="all-linear"))
TUNER.case("drawn-conv1d", "tiny-gpt2-untied", "the same of weights that are stored transposed",
    dict(r=4, save_projection=False, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
