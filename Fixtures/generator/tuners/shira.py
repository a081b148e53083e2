"""SHiRA: some elements of a weight."""

import numpy as np
from peft import ShiraConfig

from .kind import Tuner


def merged(part, weight, config, module):
    changed = weight.copy()
    np.add.at(changed, tuple(part["shira_indices"].astype(int)), part["shira_weight"])
    return changed


TUNER = Tuner("shira", config=ShiraConfig, prefixes=("shira_",), merged=merged)
TUNER.case("linear", "tiny-llama", "linear layers, some elements of each",
    dict(r=2, random_seed=42, target_modules=["q_proj", "v_proj", "down_proj"]))
