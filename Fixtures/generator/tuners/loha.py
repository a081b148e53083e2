"""LoHa: a delta of two products, multiplied element by element."""

import numpy as np
from peft import LoHaConfig

from ..values import WEIGHT_STD
from .kind import CONVOLUTIONS, Tuner, pattern


def fill(name, shape, draw):
    # Of the product of two sums of r products each, by the fourth root.
    deviation = (0.1 * WEIGHT_STD) ** 0.25 / min(shape) ** 0.25
    return draw(deviation * (2 if "hada_t" in name else 1))


def merged(part, weight, config, module):
    rank = pattern(config["rank_pattern"], module, config["r"])
    alpha = pattern(config["alpha_pattern"], module, config["alpha"])
    factors = []
    for number in "12":
        a, b, core = part.get(f"hada_w{number}_a"), part.get(f"hada_w{number}_b"), part.get(f"hada_t{number}")
        if core is None:
            factors.append((a @ b).reshape(weight.shape))
        else:
            factors.append(np.einsum("ijkl,jr,ip->prkl", core, b, a).reshape(weight.shape))
    return weight + factors[0] * factors[1] * (alpha / rank)


TUNER = Tuner("loha", config=LoHaConfig, prefixes=("hada_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers, a rank of 5, alpha 7", dict(r=5, alpha=7, target_modules="all-linear"))
TUNER.case("patterns", "tiny-llama", "rank_pattern, alpha_pattern and a module that was saved whole",
    dict(r=4, alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], rank_pattern={"v_proj": 2},
         alpha_pattern={"q_proj$": 3, "up_proj": 1}, modules_to_save=["lm_head"]))
TUNER.case("conv", "tiny-conv", "convolutions as matrices, one in groups",
    dict(r=3, alpha=6, target_modules=CONVOLUTIONS))
TUNER.case("conv-cores", "tiny-conv", "convolutions with cores (use_effective_conv2d), of one and two dimensions",
    dict(r=3, alpha=6, target_modules=CONVOLUTIONS, use_effective_conv2d=True), match="rounding")
