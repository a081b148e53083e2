"""HiRA: a product that is multiplied by the weight, element by element."""

from peft import HiraConfig

from .kind import Tuner, is_stored_transposed


def fill(name, shape, draw):
    return draw(0.3)


def merged(part, weight, config, module):
    if "hira_embedding_A" in part:
        return weight + weight * (part["hira_embedding_B"] @ part["hira_embedding_A"]).T
    a, b = part["hira_A"], part["hira_B"]
    delta = b.reshape(len(b), -1) @ a.reshape(len(a), -1)
    if is_stored_transposed(module):
        delta = delta.T
    return weight + weight * delta.reshape(weight.shape)


TUNER = Tuner("hira", config=HiraConfig, prefixes=("hira_",), merged=merged, fill=fill, sums=True, rounds_delta=True)
TUNER.case("linear", "tiny-llama", "linear layers, ranks by a pattern",
    dict(r=4, target_modules="all-linear", rank_pattern={"v_proj": 2}))
TUNER.case("conv1d", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
    dict(r=4, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
TUNER.case("embedding", "tiny-llama", "an embedding, which is saved whole too",
    dict(r=3, target_modules=["embed_tokens", "k_proj"]))
TUNER.case("conv", "tiny-conv", "convolutions of one to three dimensions",
    dict(r=4, target_modules=["line", "plane", "point", "space"]))
