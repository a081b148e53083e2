"""Bone: the name that MiSS had."""

import json

from peft import MissConfig
from safetensors import safe_open
from safetensors.torch import save_file

from .kind import Tuner
from .miss import merged


def rename_to_bone(folder):
    """What PEFT wrote before MiSS had its name."""
    path = folder / "adapter_model.safetensors"
    with safe_open(path, "pt") as file:
        tensors = {key.replace("miss_block", "bone_block"): file.get_tensor(key) for key in file.keys()}
    save_file(tensors, path, metadata={"format": "pt"})
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    for key in ("peft_version", "mini_r", "miss_dropout"):
        config.pop(key, None)
    path.write_text(json.dumps({**config, "peft_type": "BONE"}, indent=2))


TUNER = Tuner("bone", config=MissConfig, prefixes=("bone_",), merged=merged, after=rename_to_bone)
TUNER.case("linear", "tiny-llama", "the name that MiSS had", dict(r=4, target_modules=["k_proj", "up_proj"]))
