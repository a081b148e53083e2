"""Super-Tuning: some elements of a weight, and a low-rank product with them."""

from peft import SupertuningConfig

from .kind import Tuner


def fill(name, shape, draw):
    return draw(0.05) if "supertuning_values" in name else draw(0.1) if "supertuning_" in name else None


def merged(part, weight, config, module):
    changed = weight.copy()
    changed.reshape(-1)[part["supertuning_indices"].astype(int)] += part["supertuning_values"]
    if config["r"]:
        alpha = config["lora_alpha"] or 2 * config["r"]
        changed += alpha / config["r"] * (part["supertuning_lora_B.weight"] @ part["supertuning_lora_A.weight"])
    return changed


TUNER = Tuner("supertuning", config=SupertuningConfig, prefixes=("supertuning_",), merged=merged, fill=fill,
    rounds_delta=True)
TUNER.case("linear", "tiny-llama", "some elements of linear layers", dict(sparsity=0.8, target_modules="all-linear"))
TUNER.case("supra", "tiny-llama", "some elements and a low-rank product, and a module that was saved whole",
    dict(sparsity=0.9, r=3, lora_alpha=2.5, target_modules=["q_proj", "v_proj", "down_proj"],
         modules_to_save=["norm"]), match="rounding")
