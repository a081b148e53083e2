"""Uni-LoRA: factors whose elements are numbers of one vector."""

from peft import UniLoraConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.3) if "unilora_" in name else None


def merged(part, weight, config, module, shared):
    vector = shared["unilora_theta_d"]
    a, b = (vector[part[f"unilora_indices_{letter}"].astype(int)] * part[f"unilora_scales_{letter}"] for letter in "AB")
    return weight + ((b @ a).T if is_stored_transposed(module) else b @ a)


TUNER = Tuner("unilora", config=UniLoraConfig, prefixes=("unilora_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers, with the places of the numbers",
    dict(r=3, theta_d_length=40, save_indices=True, target_modules="all-linear"))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=2, theta_d_length=24, save_indices=True, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"],
         fan_in_fan_out=True))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers, and a module that was saved whole",
    dict(r=2, theta_d_length=16, save_indices=True, target_modules=["q_proj", "v_proj"], bias="unilora_only",
         modules_to_save=["lm_head"]))
