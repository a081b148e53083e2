"""PVeRA: VeRA, with a variance that a merge leaves out."""

from peft import PveraConfig

from .kind import Tuner
from .vera import fill, merged


TUNER = Tuner("pvera", config=PveraConfig, prefixes=("pvera_",), merged=merged, fill=fill, sums=True, needs_sizes=True)
TUNER.case("linear", "tiny-llama", "linear layers, whose scales are means and variances",
    dict(r=5, target_modules=["q_proj", "v_proj", "down_proj"]))
TUNER.case("drawn", "tiny-llama", "projections that are not in the file (save_projection)",
    dict(r=5, save_projection=False, projection_prng_key=3, target_modules=["q_proj", "v_proj", "down_proj"]))
