"""FourierFT: the inverse Fourier transform of few values."""

import numpy as np
from peft import FourierFTConfig

from .drawn import extents, places
from .kind import Tuner, is_stored_transposed, pattern


def fill(name, shape, draw):
    return draw(1.0) if "fourierft_" in name else None


def merged(part, weight, config, module):
    values = part["fourierft_spectrum"]
    rows, columns = extents(weight, module)
    spectrum = np.zeros((rows, columns))
    spectrum[places(config["random_loc_seed"], len(values), rows, columns)] = values
    delta = np.fft.ifft2(spectrum).real * config["scaling"]
    return weight + (delta.T if is_stored_transposed(module) else delta)


TUNER = Tuner("fourierft", config=FourierFTConfig, prefixes=("fourierft_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers of several sizes",
    dict(n_frequency=40, scaling=3.5, target_modules="all-linear"), match16="rounding")
TUNER.case("pattern", "tiny-llama", "numbers of values by a pattern, another seed, and a module that was saved whole",
    dict(n_frequency=12, scaling=6, random_loc_seed=5, n_frequency_pattern={"v_proj": 30}, modules_to_save=["norm"],
         target_modules=["q_proj", "v_proj", "down_proj"]), match16="rounding")
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(n_frequency=25, scaling=4, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True),
    match16="rounding")
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers, and every place of the transform",
    dict(n_frequency=128, scaling=0.6, target_modules=["k_proj", "v_proj"], bias="fourier_only"), match16="rounding")
