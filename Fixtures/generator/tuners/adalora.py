"""AdaLoRA: LoRA with singular values, some of which training prunes."""

from peft import AdaLoraConfig

from .kind import Tuner, is_stored_transposed


# Which ranks the modules of `adalora-pruned` keep, by the ends of their paths.
PRUNED = {"q_proj": [True, False, True, False], "k_proj": [True] * 4, "v_proj": [False] * 4,
          "o_proj": [False, False, False, True]}  # fmt: skip


def fill(name, shape, draw):
    return draw(0.05 if "lora_E" in name else 0.3)


def merged(part, weight, config, module):
    alpha = config["lora_alpha"] if config["lora_alpha"] > 0 else config["init_r"]
    delta = part["lora_B"] @ (part["lora_A"] * part["lora_E"]) * (alpha / (config["init_r"] + 1e-5))
    if is_stored_transposed(module):
        delta = delta.T
    return weight + delta.reshape(weight.shape)


def prune(model, name):
    if name.startswith("adalora-pruned"):
        names = [key for key, _ in model.base_model.model.named_parameters() if ".lora_E." in key]
        model.peft_config["default"].rank_pattern = {key: PRUNED[key.split(".")[-3]] for key in names}


TUNER = Tuner("adalora", config=AdaLoraConfig, prefixes=("lora_",), merged=merged, fill=fill, finish=prune, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers, a rank of 5, alpha 7",
    dict(init_r=5, target_r=3, lora_alpha=7, target_modules="all-linear", total_step=10))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(init_r=4, lora_alpha=8, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True,
         total_step=10))
TUNER.case("conv", "tiny-conv", "convolutions of two dimensions as matrices, alpha 0, which counts as init_r",
    dict(init_r=3, lora_alpha=0, target_modules=["plane", "point"], total_step=10))
TUNER.case("pruned", "tiny-llama", "modules that training has pruned to other ranks, and one to none",
    dict(init_r=4, lora_alpha=6, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], total_step=10),
    # PEFT creates pruned factors again in the dtype of the base, and multiplies them in it.
    match="rounding", match16="correct")
TUNER.case("saved", "tiny-llama", "a module that was saved whole",
    dict(init_r=2, lora_alpha=6, target_modules=["q_proj"], modules_to_save=["lm_head"], total_step=10))
