"""RandLoRA: sums of small random products, scaled by what was trained; the random matrices are in the file or drawn."""

import math

import numpy as np
from peft import RandLoraConfig

from .drawn import bf16, extents, numbers, rounded, uniform
from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(1.0) if "randlora_lambda" in name else draw(0.002)


def bases(config, largest):
    """A and B as PEFT draws them for weights of these sizes at most, in double."""
    narrow, wide, rank = min(largest[:2]), max(largest[:2]), config["r"]
    count = -(-narrow // rank)
    source = numbers(config["projection_prng_key"])
    if not (config["sparse"] or config["very_sparse"]):
        def kaiming(shape, fan):
            bound = math.sqrt(3) * math.sqrt(2 / (1 + 5)) / math.sqrt(fan)
            values = bf16(uniform(source, math.prod(shape), bound))
            top = bf16(np.array([bound]))[0]
            return np.where(values >= top, -top, values).reshape(shape)

        a = kaiming((rank, 1, narrow), narrow)
        b = np.concatenate([kaiming((wide, 1, rank), rank) for _ in range(count)], 1)
        return tuple(bf16(values / bf16(np.array([values.std(ddof=1)]))[0]) for values in (a, b))
    sparsity = math.sqrt(narrow) if config["very_sparse"] else 3
    result = []
    for shape in ((rank, 1, narrow), (wide, count, rank)):
        values = np.array([next(source) for _ in range(math.prod(shape))]).reshape(shape) / 2**24
        signs = 1.0 * (values > np.float32(1 - 1 / (2 * sparsity))) - (values < np.float32(1 / (2 * sparsity)))
        result.append(signs / np.float32(signs.std(ddof=1)))
    return result


def merged(part, weight, config, module, shared, sizes):
    scales, gamma, rank = part["randlora_lambda"], part["randlora_gamma"], config["r"]
    out, width = extents(weight, module)
    narrow, wide, count = min(out, width), max(out, width), len(gamma)
    a, b = (shared["randlora_A"], shared["randlora_B"]) if shared else [rounded(x, sizes[2]) for x in bases(config, sizes)]
    right = np.einsum("ij,im,jm->ijm", scales, a[:, 0, :narrow], gamma).reshape(-1, narrow)
    delta = b[:wide, :count].reshape(wide, -1) @ right * (config["randlora_alpha"] / rank)
    if narrow != width:
        delta = delta.T
    return weight + (delta.T if is_stored_transposed(module) else delta)


TUNER = Tuner("randlora", config=RandLoraConfig, prefixes=("randlora_",), merged=merged, fill=fill, sums=True,
    rounds_delta=True, needs_sizes=True)
TUNER.case("linear", "tiny-llama", "linear layers of several sizes, taller, wider and square, with shared matrices",
    dict(r=5, randlora_alpha=10, target_modules="all-linear"))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=4, randlora_alpha=6, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers",
    dict(r=3, randlora_alpha=6, target_modules=["q_proj", "v_proj"], bias="randlora_only"))
TUNER.case("drawn", "tiny-llama", "matrices that are not in the file (save_projection), all linear layers",
    dict(r=5, randlora_alpha=10, save_projection=False, projection_prng_key=7, target_modules="all-linear"))
TUNER.case("drawn-conv1d", "tiny-gpt2-untied", "the same of weights that are stored transposed",
    dict(r=4, randlora_alpha=6, save_projection=False, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"],
         fan_in_fan_out=True))
TUNER.case("sparse", "tiny-llama", "drawn matrices of signs and zeros (sparse)",
    dict(r=5, randlora_alpha=10, save_projection=False, sparse=True, target_modules=["q_proj", "v_proj", "down_proj"]))
TUNER.case("very-sparse", "tiny-llama", "drawn matrices of signs and many zeros (very_sparse)",
    dict(r=5, randlora_alpha=10, save_projection=False, very_sparse=True, projection_prng_key=3,
         target_modules=["q_proj", "up_proj"]))
