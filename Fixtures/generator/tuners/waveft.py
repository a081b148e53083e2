"""WaveFT: one level of the inverse wavelet transform of few values, or the values themselves."""

import numpy as np
import torch
from peft import WaveFTConfig
from peft.tuners.waveft.wavelet import Wavelet

from .drawn import extents, places
from .kind import Tuner, is_stored_transposed

FAMILIES = [f"db{n}" for n in range(1, 11)] + [f"sym{n}" for n in range(2, 11)] + [f"coif{n}" for n in range(1, 5)]


def fill(name, shape, draw):
    return draw(1.0) if "waveft_" in name else None


def synthesized(bands, filters):
    """One side of the transform: element y is the sum over k of `bands[b][k] * filters[b][y + length - 2 - 2 k]`."""
    length, half = len(filters[0]), bands[0].shape[0]
    result = np.zeros((2 * half + length - 2, *bands[0].shape[1:]))
    for band, taps in zip(bands, filters):
        for tap, factor in enumerate(taps):
            result[tap : tap + 2 * half : 2] += factor * band
    return result[length - 2 : len(result) - (length - 2)]


def merged(part, weight, config, module):
    values = part["waveft_spectrum"]
    rows, columns = extents(weight, module)
    (own_rows, own_columns) = places(config["random_loc_seed"], len(values), rows, columns)
    if config["use_idwt"]:
        low = np.array(Wavelet(config["wavelet_family"]).rec_lo)
        high = low[::-1] * [(-1) ** n for n in range(len(low))]
        sizes = [(size + len(low) - 1) // 2 * 2 for size in (rows, columns)]
        padded = np.zeros(sizes)
        margins = [(size - own) // 2 for size, own in zip(sizes, (rows, columns))]
        padded[own_rows + margins[0], own_columns + margins[1]] = values
        height, width = sizes[0] // 2, sizes[1] // 2
        quarters = padded[:height, :width], padded[:height, width:], padded[height:, :width], padded[height:, width:]
        # PEFT gives the right quarters the high filter down the columns, and the lower ones that along the rows.
        halves = [synthesized((quarters[n], quarters[n + 1]), (low, high)) for n in (0, 2)]
        delta = synthesized([half.T for half in halves], (low, high)).T[:rows, :columns]
    else:
        delta = np.zeros((rows, columns))
        delta[own_rows, own_columns] = values
    delta = delta * config["scaling"]
    return weight + (delta.T if is_stored_transposed(module) else delta)


TUNER = Tuner("waveft", config=WaveFTConfig, prefixes=("waveft_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers of several sizes, the shortest wavelet",
    dict(n_frequency=40, scaling=0.08, target_modules="all-linear"), match16="rounding")
TUNER.case("long", "tiny-llama", "a long wavelet, numbers of values by a pattern, and a module that was saved whole",
    dict(n_frequency=12, scaling=0.08, wavelet_family="db7", random_loc_seed=5, n_frequency_pattern={"v_proj": 30},
         modules_to_save=["norm"], target_modules=["q_proj", "v_proj", "down_proj"]), match16="rounding")
TUNER.case("direct", "tiny-llama", "the values themselves (use_idwt)",
    dict(n_frequency=25, scaling=0.1, use_idwt=False, target_modules=["q_proj", "v_proj"]))
TUNER.case("proportional", "tiny-llama", "numbers of values in proportion to the weights' sizes",
    dict(n_frequency=20, scaling=0.08, wavelet_family="sym4", proportional_parameters=True,
         target_modules=["q_proj", "v_proj", "down_proj"]), match16="rounding")
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(n_frequency=25, scaling=0.08, wavelet_family="coif2", target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"],
         fan_in_fan_out=True), match16="rounding")
TUNER.case("coif4", "tiny-qwen2", "PEFT's own coif4, and the biases of the adapted layers",
    dict(n_frequency=30, scaling=0.08, wavelet_family="coif4", target_modules=["k_proj", "v_proj"], bias="waveft_only"),
    match16="rounding")
