"""VeRA: vectors beside two projections that all modules share."""

from peft import VeraConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.1) if "vera_lambda" in name else None


def projected(part, weight, config, module, shared):
    rank, (b, d) = config["r"], (part["lambda_b"], part["lambda_d"])
    width = weight.shape[0 if is_stored_transposed(module) else 1]
    delta = (b[:, None] * shared["B"][: len(b)]) @ (d[:rank, None] * shared["A"][:rank, :width])
    return weight + (delta.T if is_stored_transposed(module) else delta)


def merged(part, weight, config, module, shared):
    own = {key.split("_", 1)[1]: value for key, value in part.items()}
    return projected(own, weight, config, module, {key[-1]: value for key, value in shared.items()})


TUNER = Tuner("vera", config=VeraConfig, prefixes=("vera_",), merged=merged, fill=fill, sums=True)
TUNER.case("linear", "tiny-llama", "linear layers of several sizes with shared projections",
    dict(r=6, target_modules="all-linear"))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=4, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
TUNER.case("biases", "tiny-qwen2", "the biases of the adapted layers, and a module that was saved whole",
    dict(r=3, target_modules=["q_proj", "v_proj"], bias="vera_only", modules_to_save=["lm_head"]))
