"""OSF: the directions of the smallest singular values are trained."""

import numpy as np
from peft import OSFConfig

from ..values import normal
from .kind import Tuner


def change(model, name):
    """The trained matrices, which begin as those of the base."""
    for parameter_name, parameter in model.named_parameters():
        if "osf_svd_params" in parameter_name:
            factor = 1 + 0.2 * normal(f"adapter {name} {parameter_name}", parameter.shape, 1)
            parameter.data = (parameter.data * factor).to(parameter.dtype)


def rounded(values, bits):
    if bits == 24:
        return values.astype(np.float32).astype(np.float64)
    _, exponent = np.frexp(values)
    unit = np.ldexp(1.0, np.maximum(exponent, -13 if bits == 11 else -125) - bits)
    return np.rint(values / unit) * unit


def merged(part, weight, config, module):
    # The dtype of the base is that which holds its numbers.
    bits = next(bits for bits in (8, 11, 24) if np.array_equal(rounded(weight, bits), weight))
    left, values, right = np.linalg.svd(weight, full_matrices=False)
    first = len(values) - len(part["osf_svd_params.S_low"])
    left, values, right = (rounded(found, bits) for found in (left[:, first:], values[first:], right[first:]))
    trained = part["osf_svd_params.U_low"] * part["osf_svd_params.S_low"] @ part["osf_svd_params.V_low"]
    return weight + trained - left * values @ right


TUNER = Tuner("osf", config=OSFConfig, prefixes=("osf_",), merged=merged, finish=change, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers, half of the singular values", dict(target_modules=[
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]), match="decomposition")
TUNER.case("patterns", "tiny-llama", "ranks by a pattern and as a fraction, and a module that was saved whole",
    dict(effective_rank=0.75, rank_pattern={"v_proj": 3}, target_modules=["q_proj", "v_proj", "down_proj"],
         modules_to_save=["norm"]), match="decomposition")
