"""IA3: vectors that scale outputs or inputs."""

import re

from peft import IA3Config

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return 1 + draw(0.1)


def is_feedforward(config, module):
    names = config["feedforward_modules"]
    return bool(re.fullmatch(names, module)) if isinstance(names, str) else any(module.endswith(name) for name in names)


def merged(part, weight, config, module):
    vector = part["ia3_l"].reshape(-1)
    inputs = is_feedforward(config, module)
    axis = 1 if inputs else 0
    if is_stored_transposed(module):
        axis = 1 - axis
    return weight * vector.reshape([-1 if dimension == axis else 1 for dimension in range(weight.ndim)])


def others(part, config, module, expected):
    bias = f"{module}.bias"
    return {bias: expected[bias] * part["ia3_l"].reshape(-1)} if bias in expected and not is_feedforward(config, module) else {}


TUNER = Tuner("ia3", config=IA3Config, prefixes=("ia3_",), merged=merged, fill=fill, others=others)
TUNER.case("linear", "tiny-qwen2", "outputs with biases, and inputs of feedforward layers",
    dict(target_modules=["q_proj", "k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True))
TUNER.case("conv", "tiny-conv", "output channels of convolutions of two and three dimensions, and in groups",
    dict(target_modules=["plane", "point", "space", "grouped"], feedforward_modules=[]))
TUNER.case("conv-inputs", "tiny-conv", "input channels of convolutions, named by a pattern",
    dict(target_modules=["plane", "point", "space"], feedforward_modules="p.*|space"))
TUNER.case("saved", "tiny-llama", "a module that was saved whole",
    dict(target_modules=["k_proj", "v_proj"], feedforward_modules=[], modules_to_save=["norm"]))
