"""LN tuning: norms that are saved whole."""

from peft import LNTuningConfig

from .kind import Tuner


def merged(part, weight, config, module):
    return part["ln_tuning_layers.weight"]


def others(part, config, module, expected):
    return {f"{module}.bias": part["ln_tuning_layers.bias"]} if "ln_tuning_layers.bias" in part else {}


TUNER = Tuner("ln_tuning", config=LNTuningConfig, prefixes=("ln_tuning_layers",), merged=merged, others=others)
TUNER.case("rms", "tiny-llama", "norms with a weight alone",
    dict(target_modules=["input_layernorm", "post_attention_layernorm", "norm"]))
TUNER.case("bias", "tiny-gpt2-untied", "norms with a bias, some of the model's",
    dict(target_modules=["ln_1", "ln_f"]))
TUNER.case("pattern", "tiny-qwen2", "norms named by a pattern",
    dict(target_modules=r".*\.(input|post_attention)_layernorm"))
