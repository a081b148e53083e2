"""BEFT: vectors that are added to biases."""

from peft import BeftConfig

from .kind import Tuner


def fill(name, shape, draw):
    return draw(0.01)


def others(part, config, module, expected):
    return {f"{module}.bias": expected[f"{module}.bias"] + part["beft_bias"].reshape(-1)}


TUNER = Tuner("beft", config=BeftConfig, prefixes=("beft_",), merged=None, fill=fill, others=others)
TUNER.case("linear", "tiny-qwen2", "the biases of attention, and a module that was saved whole",
    dict(target_modules=["q_proj", "v_proj"], modules_to_save=["norm"]))
