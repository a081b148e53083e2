"""Where bases and cases lie, relative to the folder that is written to."""

import json
import pathlib
import re


def base_folder(name):
    return pathlib.Path("bases") / name


def case_folder(name, tuner="lora"):
    """`linear-bf16` lies in lora/linear/bf16, `linear-f32-factors-bf16` in lora/linear/f32-factors-bf16.

    The name of a case of another tuner begins with the tuner's: `loha-linear-bf16` lies in loha/linear/bf16.
    """
    case, dtype = re.fullmatch(r"(.*?)-((?:f32|bf16|f16|mixed)(?:-factors-(?:bf16|f16))?)", name).groups()
    return pathlib.Path(tuner) / case.removeprefix(f"{tuner}-") / dtype


def as_json(value):
    return json.dumps(value, indent=2) + "\n"
