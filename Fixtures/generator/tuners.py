"""The cases of the tuners beside LoRA: adapters that PEFT makes, and what it merges of them.

Every merged file is compared with a second implementation in double precision, which reads the adapter's tensors and config
and knows neither PEFT nor torch: each element must be that value rounded once, or its neighbor. A case whose file has the
bytes of fp32 arithmetic done in PEFT's order is `exact`; one that sums in another order is `rounding`, and one of which PEFT
rounds the delta is `peft`. Where PEFT computes in 16 bits the case is `correct`: PEFT's file is only near, and that of the
second implementation is kept.
"""

import dataclasses
import json
import shutil

import numpy as np
import torch
from peft import (
    AdaLoraConfig,
    DeloraConfig,
    HiraConfig,
    HRAConfig,
    IA3Config,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    MissConfig,
    OFTConfig,
    PeftModel,
    PveraConfig,
    ShiraConfig,
    TrainableTokensConfig,
    VBLoRAConfig,
    VeraConfig,
    get_peft_model,
)
from safetensors import safe_open
from safetensors.torch import save_file

from . import models
from .places import base_folder, case_folder
from .values import SEED, TORCH_DTYPES, WEIGHT_STD, normal

KINDS = {
    "loha": LoHaConfig, "lokr": LoKrConfig, "adalora": AdaLoraConfig, "ia3": IA3Config, "ln_tuning": LNTuningConfig,
    "trainable_tokens": TrainableTokensConfig, "vera": VeraConfig, "pvera": PveraConfig, "hira": HiraConfig,
    "delora": DeloraConfig, "miss": MissConfig, "bone": MissConfig, "shira": ShiraConfig, "oft": OFTConfig, "hra": HRAConfig,
    "vblora": VBLoRAConfig,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    tuner: str
    base: str
    covers: str
    config: dict
    match: str = "exact"
    second: dict | None = None


CASES = {}
# Those whose deltas are sums.
SUMMING = {"loha", "lokr", "adalora", "vera", "pvera", "hira", "delora", "oft", "hra", "vblora"}


def case(name, *arguments, **options):
    for dtype in ("f32", "bf16", "f16"):
        made = Case(*arguments, **options)
        # Two products of sums in fp32: torch's order at the edges of small matrices depends on the processor.
        match = "rounding" if made.tuner in SUMMING and dtype == "f32" else made.match
        # PEFT rounds the delta before it adds it.
        if dtype != "f32" and made.tuner in ("hira", "delora"):
            match = "peft"
        # PEFT creates pruned factors again in the dtype of the base, and multiplies them in it.
        if dtype != "f32" and (made.tuner, name) == ("adalora", "pruned"):
            match = "correct"
        CASES[f"{made.tuner}-{name}-{dtype}"] = dataclasses.replace(made, base=f"{made.base}-{dtype}", match=match)


CONVOLUTIONS = ["line", "plane", "point", "grouped"]
case("linear", "loha", "tiny-llama", "linear layers, a rank of 5, alpha 7", dict(r=5, alpha=7, target_modules="all-linear"))
case("patterns", "loha", "tiny-llama", "rank_pattern, alpha_pattern and a module that was saved whole",
     dict(r=4, alpha=8, target_modules=["q_proj", "v_proj", "up_proj"], rank_pattern={"v_proj": 2},
          alpha_pattern={"q_proj$": 3, "up_proj": 1}, modules_to_save=["lm_head"]))
case("conv", "loha", "tiny-conv", "convolutions as matrices, one in groups",
     dict(r=3, alpha=6, target_modules=CONVOLUTIONS))
case("conv-cores", "loha", "tiny-conv", "convolutions with cores (use_effective_conv2d), of one and two dimensions",
     dict(r=3, alpha=6, target_modules=CONVOLUTIONS, use_effective_conv2d=True), match="rounding")
case("linear", "ia3", "tiny-qwen2", "outputs with biases, and inputs of feedforward layers",
     dict(target_modules=["q_proj", "k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]))
case("conv1d", "ia3", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
     dict(target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True))
case("conv", "ia3", "tiny-conv", "output channels of convolutions of two and three dimensions, and in groups",
     dict(target_modules=["plane", "point", "space", "grouped"], feedforward_modules=[]))
case("conv-inputs", "ia3", "tiny-conv", "input channels of convolutions, named by a pattern",
     dict(target_modules=["plane", "point", "space"], feedforward_modules="p.*|space"))
case("saved", "ia3", "tiny-llama", "a module that was saved whole",
     dict(target_modules=["k_proj", "v_proj"], feedforward_modules=[], modules_to_save=["norm"]))


case("linear", "lokr", "tiny-llama", "linear layers, w1 whole and w2 of factors or whole, a rank of 3",
     dict(r=3, alpha=5, target_modules="all-linear", decompose_factor=2))
case("both", "lokr", "tiny-llama", "both matrices of factors, patterns and a module that was saved whole",
     dict(r=1, alpha=2, target_modules=["q_proj", "v_proj", "up_proj"], decompose_both=True, decompose_factor=4,
          rank_pattern={"v_proj": 2}, alpha_pattern={"q_proj$": 3, "up_proj": 1}, modules_to_save=["lm_head"]))
case("whole", "lokr", "tiny-llama", "both matrices whole, so that the rank only scales",
     dict(r=16, alpha=8, target_modules=["k_proj", "o_proj", "down_proj"]))
case("conv", "lokr", "tiny-conv", "convolutions, w2 whole: of one dimension its axes are another kernel's",
     dict(r=4, alpha=6, target_modules=["line", "plane", "point", "grouped"]))
case("conv-factors", "lokr", "tiny-conv", "convolutions, w2 of factors",
     dict(r=1, alpha=3, target_modules=["line", "plane", "point", "grouped"], decompose_factor=2))
case("conv-cores", "lokr", "tiny-conv", "convolutions with cores (use_effective_conv2d), of one and two dimensions",
     dict(r=2, alpha=4, target_modules=["line", "plane", "grouped"], decompose_factor=2, use_effective_conv2d=True),
     match="rounding")
case("linear", "adalora", "tiny-llama", "linear layers, a rank of 5, alpha 7",
     dict(init_r=5, target_r=3, lora_alpha=7, target_modules="all-linear", total_step=10))
case("conv1d", "adalora", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
     dict(init_r=4, lora_alpha=8, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True,
          total_step=10))
case("conv", "adalora", "tiny-conv", "convolutions of two dimensions as matrices, alpha 0, which counts as init_r",
     dict(init_r=3, lora_alpha=0, target_modules=["plane", "point"], total_step=10))
case("pruned", "adalora", "tiny-llama", "modules that training has pruned to other ranks, and one to none",
     dict(init_r=4, lora_alpha=6, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], total_step=10),
     match="rounding")
case("saved", "adalora", "tiny-llama", "a module that was saved whole",
     dict(init_r=2, lora_alpha=6, target_modules=["q_proj"], modules_to_save=["lm_head"], total_step=10))
case("rms", "ln_tuning", "tiny-llama", "norms with a weight alone",
     dict(target_modules=["input_layernorm", "post_attention_layernorm", "norm"]))
case("bias", "ln_tuning", "tiny-gpt2-untied", "norms with a bias, some of the model's",
     dict(target_modules=["ln_1", "ln_f"]))
case("pattern", "ln_tuning", "tiny-qwen2", "norms named by a pattern",
     dict(target_modules=r".*\.(input|post_attention)_layernorm"))
case("list", "trainable_tokens", "tiny-llama", "rows of the input embedding", dict(token_indices=[3, 0, 31]))
case("tied", "trainable_tokens", "tiny-tied", "rows of an embedding that is the head too, saved under both names",
     dict(token_indices=[7, 2]))
case("several", "trainable_tokens", "tiny-llama", "the same rows of embedding and head, which are two tensors",
     dict(token_indices=[1, 30], target_modules=["embed_tokens", "lm_head"]))

case("linear", "vera", "tiny-llama", "linear layers of several sizes with shared projections",
     dict(r=6, target_modules="all-linear"))
case("conv1d", "vera", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
     dict(r=4, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
case("biases", "vera", "tiny-qwen2", "the biases of the adapted layers, and a module that was saved whole",
     dict(r=3, target_modules=["q_proj", "v_proj"], bias="vera_only", modules_to_save=["lm_head"]))
case("linear", "pvera", "tiny-llama", "linear layers, whose scales are means and variances",
     dict(r=5, target_modules=["q_proj", "v_proj", "down_proj"]))
case("linear", "hira", "tiny-llama", "linear layers, ranks by a pattern",
     dict(r=4, target_modules="all-linear", rank_pattern={"v_proj": 2}))
case("conv1d", "hira", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
     dict(r=4, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"], fan_in_fan_out=True))
case("embedding", "hira", "tiny-llama", "an embedding, which is saved whole too",
     dict(r=3, target_modules=["embed_tokens", "k_proj"]))
case("conv", "hira", "tiny-conv", "convolutions of one to three dimensions",
     dict(r=4, target_modules=["line", "plane", "point", "space"]))
case("linear", "delora", "tiny-llama", "linear layers, ranks by a pattern",
     dict(r=4, delora_lambda=1, target_modules="all-linear", rank_pattern={"v_proj": 2}))
case("biases", "delora", "tiny-qwen2", "the biases of the adapted layers",
     dict(r=2, delora_lambda=1, target_modules=["q_proj", "v_proj"], bias="delora_only"))
case("linear", "miss", "tiny-llama", "linear layers, of a rank that divides no width",
     dict(r=5, target_modules="all-linear"))
case("even", "miss", "tiny-llama", "linear layers, of a rank that divides some widths, and a module that was saved whole",
     dict(r=4, target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["norm"]))
case("mini", "miss", "tiny-llama", "a block that repeats over the outputs too",
     dict(r=4, mini_r=4, init_weights="mini", target_modules=["q_proj", "v_proj", "down_proj"]))
case("linear", "bone", "tiny-llama", "the name that MiSS had", dict(r=4, target_modules=["k_proj", "up_proj"]))
case("linear", "shira", "tiny-llama", "linear layers, some elements of each",
     dict(r=2, random_seed=42, target_modules=["q_proj", "v_proj", "down_proj"]))

case("linear", "vblora", "tiny-llama", "linear layers, three of eight vectors",
     dict(r=3, topk=3, num_vectors=8, vector_length=4, target_modules="all-linear"), match="rounding")
case("weights", "vblora", "tiny-llama", "the largest weights alone (save_only_topk_weights)",
     dict(r=2, topk=2, num_vectors=6, vector_length=4, save_only_topk_weights=True, target_modules=["q_proj", "v_proj"]),
     match="rounding")
case("conv1d", "vblora", "tiny-gpt2-untied", "weights that are stored transposed, square ones among them",
     dict(r=2, topk=2, num_vectors=6, vector_length=8, target_modules=["c_attn", "mlp.c_proj", "attn.c_proj"],
          fan_in_fan_out=True), match="rounding")
case("biases", "vblora", "tiny-qwen2", "the biases of the adapted layers",
     dict(r=2, topk=2, num_vectors=6, vector_length=8, target_modules=["q_proj", "v_proj"], bias="vblora_only"),
     match="rounding")
case("linear", "oft", "tiny-llama", "blocks of 4 in linear layers, by the series of five terms",
     dict(oft_block_size=4, target_modules="all-linear"), match="rounding")
case("exact", "oft", "tiny-llama", "blocks of 8 by the inverse, and a module that was saved whole",
     dict(oft_block_size=8, use_cayley_neumann=False, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"]),
     match="rounding")
for terms in (2, 3, 4, 6):
    case(f"terms{terms}", "oft", "tiny-llama", f"the series of {terms} terms",
         dict(oft_block_size=4, num_cayley_neumann_terms=terms, target_modules=["q_proj", "down_proj"]), match="rounding")
case("constrained", "oft", "tiny-llama", "norms that are limited (coft)",
     dict(oft_block_size=4, coft=True, eps=0.2, target_modules=["q_proj", "v_proj", "down_proj"]), match="rounding")
case("shared", "oft", "tiny-llama", "one block for all of a layer (block_share)",
     dict(oft_block_size=4, block_share=True, target_modules=["k_proj", "up_proj"]), match="rounding")
case("embedding", "oft", "tiny-llama", "an embedding, which is saved whole too",
     dict(oft_block_size=8, target_modules=["embed_tokens"]), match="rounding")
case("conv", "oft", "tiny-conv", "a convolution of one position", dict(oft_block_size=3, target_modules=["point"]),
     match="rounding")
case("biases", "oft", "tiny-qwen2", "the biases of the adapted layers",
     dict(oft_block_size=4, target_modules=["q_proj", "v_proj"], bias="oft_only"), match="rounding")
case("linear", "hra", "tiny-llama", "an odd number of reflections in linear layers",
     dict(r=3, target_modules="all-linear"), match="rounding")
case("orthogonal", "hra", "tiny-llama", "vectors that are made orthogonal, and a module that was saved whole",
     dict(r=4, apply_GS=True, target_modules=["q_proj", "down_proj"], modules_to_save=["norm"]), match="rounding")
case("conv", "hra", "tiny-conv", "a convolution of one position", dict(r=2, target_modules=["point"]), match="rounding")

# Which ranks the modules of `adalora-pruned` keep, by the ends of their paths.
PRUNED = {"q_proj": [True, False, True, False], "k_proj": [True] * 4, "v_proj": [False] * 4,
          "o_proj": [False, False, False, True]}  # fmt: skip


def fill(model, label):
    """Random numbers for what is trained; deltas of about a tenth of the weights."""
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        label_here = f"adapter {label} {name}"
        if "ia3_l" in name:
            parameter.data = 1 + normal(label_here, parameter.shape, 0.1)
        elif "hada_" in name:
            # Of the product of two sums of r products each, by the fourth root.
            deviation = (0.1 * WEIGHT_STD) ** 0.25 / min(parameter.shape) ** 0.25
            parameter.data = normal(label_here, parameter.shape, deviation * (2 if "hada_t" in name else 1))
        elif "vblora_vector_bank" in name:
            parameter.data = normal(label_here, parameter.shape, 0.1)
        elif "vblora_" in name:
            parameter.data = normal(label_here, parameter.shape, 1)
        elif "oft_" in name:
            parameter.data = normal(label_here, parameter.shape, 0.05)
        elif "hra_u" in name:
            parameter.data = normal(label_here, parameter.shape, 1)
        elif "vera_lambda" in name:
            parameter.data = normal(label_here, parameter.shape, 0.1)
        elif "delora_lambda" not in name and ("delora_" in name or "hira_" in name):
            parameter.data = normal(label_here, parameter.shape, 0.3)
        elif "lokr_" in name:
            # Of two matrices, or of their factors.
            deviation = 0.1 if name.split(".")[-2] in ("lokr_w1", "lokr_w2") else 0.3 / min(parameter.shape) ** 0.25
            parameter.data = normal(label_here, parameter.shape, deviation)
        elif "lora_E" in name:
            parameter.data = normal(label_here, parameter.shape, 0.05)
        elif "lora_" in name and "delora_lambda" not in name:
            parameter.data = normal(label_here, parameter.shape, 0.3)
        else:
            parameter.data += normal(label_here, parameter.shape, 0.2 * WEIGHT_STD).to(parameter.dtype)


def make_adapter(name, folder):
    case = CASES[name]
    torch.manual_seed(SEED)
    is_custom = models.split(case.base)[0] in models.CUSTOM
    config = KINDS[case.tuner](task_type=None if is_custom else "CAUSAL_LM", **json.loads(json.dumps(case.config)))
    model = get_peft_model(models.load(case.base), config)
    fill(model, name)
    if name.startswith("adalora-pruned"):
        names = [key for key, _ in model.base_model.model.named_parameters() if ".lora_E." in key]
        model.peft_config["default"].rank_pattern = {key: PRUNED[key.split(".")[-3]] for key in names}
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    for key, value in written.items():
        if key in ("target_modules", "modules_to_save", "feedforward_modules") and isinstance(value, list):
            written[key] = sorted(value)
    path.write_text(json.dumps(written, indent=2))


def merge(name, folder):
    model = PeftModel.from_pretrained(models.load(CASES[name].base), folder / "adapter").merge_and_unload()
    models.save(model, folder / "merged", only_weights=True)


def read(path):
    """The tensors of a file in double, with their dtypes."""
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    return {key: (value.double().numpy(), value.dtype) for key, value in tensors.items()}


def write(path, tensors):
    """Writes tensors that are given in double, rounded once."""
    rounded = {}
    for key, (value, dtype) in tensors.items():
        _, exponent = np.frexp(value)
        unit = np.ldexp(1.0, np.maximum(exponent, -13 if dtype == torch.float16 else -125) - MANTISSA[dtype])
        rounded[key] = torch.from_numpy(np.rint(value / unit) * unit).to(dtype)
    save_file(rounded, path, metadata={"format": "pt"})


def loha(part, weight, config, module):
    rank = pattern(config["rank_pattern"], module, config["r"])
    alpha = pattern(config["alpha_pattern"], module, config["alpha"])
    factors = []
    for number in "12":
        a, b, core = part.get(f"hada_w{number}_a"), part.get(f"hada_w{number}_b"), part.get(f"hada_t{number}")
        if core is None:
            factors.append((a @ b).reshape(weight.shape))
        else:
            factors.append(np.einsum("ijkl,jr,ip->prkl", core, b, a).reshape(weight.shape))
    return weight + factors[0] * factors[1] * (alpha / rank)


def lokr(part, weight, config, module):
    rank = pattern(config["rank_pattern"], module, config["r"])
    alpha = pattern(config["alpha_pattern"], module, config["alpha"])
    w1 = part["lokr_w1"] if "lokr_w1" in part else part["lokr_w1_a"] @ part["lokr_w1_b"]
    if "lokr_w2" in part:
        w2 = part["lokr_w2"]
    elif "lokr_t2" in part:
        w2 = np.einsum("ijkl,ip,jr->prkl", part["lokr_t2"], part["lokr_w2_a"], part["lokr_w2_b"])
    else:
        w2 = part["lokr_w2_a"] @ part["lokr_w2_b"]
    if w2.ndim == 3:  # as torch pads w1: its rows and columns become the second and third axis
        delta = np.einsum("bc,aik->abick", w1, w2)
    elif w2.ndim == 4:
        delta = np.einsum("ab,cdkl->acbdkl", w1, w2)
    else:
        delta = np.einsum("ab,cd->acbd", w1, w2)
    return weight + delta.reshape(weight.shape) * (alpha / rank)


def adalora(part, weight, config, module):
    alpha = config["lora_alpha"] if config["lora_alpha"] > 0 else config["init_r"]
    delta = part["lora_B"] @ (part["lora_A"] * part["lora_E"]) * (alpha / (config["init_r"] + 1e-5))
    if "c_attn" in module or "c_proj" in module:  # stored transposed
        delta = delta.T
    return weight + delta.reshape(weight.shape)


def projected(part, weight, config, module, shared):
    rank, (b, d) = config["r"], (part["lambda_b"], part["lambda_d"])
    transposed = "c_attn" in module or "c_proj" in module  # stored transposed
    width = weight.shape[0 if transposed else 1]
    delta = (b[:, None] * shared["B"][: len(b)]) @ (d[:rank, None] * shared["A"][:rank, :width])
    return weight + (delta.T if transposed else delta)


def vera(part, weight, config, module, shared):
    own = {key.split("_", 1)[1]: value for key, value in part.items()}
    return projected(own, weight, config, module, {key[-1]: value for key, value in shared.items()})


def hira(part, weight, config, module):
    if "hira_embedding_A" in part:
        return weight + weight * (part["hira_embedding_B"] @ part["hira_embedding_A"]).T
    a, b = part["hira_A"], part["hira_B"]
    delta = b.reshape(len(b), -1) @ a.reshape(len(a), -1)
    if "c_attn" in module or "c_proj" in module:  # stored transposed
        delta = delta.T
    return weight + weight * delta.reshape(weight.shape)


def delora(part, weight, config, module):
    a, b = part["delora_A"], part["delora_B"]
    norms = np.maximum(np.linalg.norm(a, axis=1), 1e-4) * np.maximum(np.linalg.norm(b, axis=0), 1e-4)
    return weight + (b * (part["delora_lambda"] / len(a) / norms)) @ a * part["delora_w_norm"]


def miss(part, weight, config, module):
    (block,) = part.values()
    rows, columns = np.indices(weight.shape)
    return weight + block[columns % block.shape[0], rows % block.shape[1]]


def shira(part, weight, config, module):
    changed = weight.copy()
    np.add.at(changed, tuple(part["shira_indices"].astype(int)), part["shira_weight"])
    return changed


def oft(part, weight, config, module):
    """The series is that of `_cayley_batch`: its last power is the third at least."""
    ((key, entries),) = part.items()
    size = round((1 + (1 + 8 * entries.shape[1]) ** 0.5) / 2)
    blocks, identity = [], np.eye(size)
    for values in entries:
        skew = np.zeros((size, size))
        skew[np.triu_indices(size, 1)] = values
        skew -= skew.T
        if config["coft"]:
            limit = config["eps"] / len(entries) ** 0.5
            skew *= min(1, limit / np.linalg.norm(skew))
        terms = config["num_cayley_neumann_terms"]
        if not config["use_cayley_neumann"]:
            block = (identity - skew) @ np.linalg.inv(identity + skew)
        elif terms < 3:
            block = identity + 2 * (terms - 1) * skew
        else:
            last = max(3, terms - 1)
            powers = [np.linalg.matrix_power(skew, exponent) for exponent in range(1, last + 1)]
            block = identity + 2 * sum(powers[:-1]) + powers[-1]
        blocks.append(block if key.startswith("oft_embedding") else block.T)
    flat = weight.reshape(len(weight), -1, size)
    blocks = blocks * (flat.shape[1] // len(blocks))
    return np.stack([flat[:, number] @ block for number, block in enumerate(blocks)], 1).reshape(weight.shape)


def hra(part, weight, config, module):
    flat, vectors = weight.reshape(len(weight), -1), []
    for vector in part["hra_u"].T:
        for other in vectors if config["apply_GS"] else []:
            vector = vector - (vector @ other) * other
        vectors.append(vector / np.linalg.norm(vector))
        flat = flat - 2 * np.outer(flat @ vectors[-1], vectors[-1])
    return flat.reshape(weight.shape)


def vblora(part, weight, config, module, shared):
    """(r, in / length, vectors) and (out / length, r, vectors), or the largest of them."""
    bank, count = shared["vblora_vector_bank"], config["topk"]

    def vectors(letter):
        if config["save_only_topk_weights"]:
            places = part[f"vblora_logits_{letter}_topk_indices"].astype(int)
            weights = part[f"vblora_logits_{letter}_topk_weights"]
            weights = np.concatenate([weights, 1 - weights.sum(-1, keepdims=True)], -1)
        else:
            logits = part[f"vblora_logits_{letter}"]
            places = np.argsort(-logits, -1, kind="stable")[..., :count]
            weights = np.exp(np.take_along_axis(logits, places, -1))
            weights /= weights.sum(-1, keepdims=True)
        return (weights[..., None] * bank[places]).sum(-2)

    a, b = vectors("A"), vectors("B")
    delta = b.transpose(0, 2, 1).reshape(-1, b.shape[1]) @ a.reshape(len(a), -1)
    return weight + (delta.T if "c_attn" in module or "c_proj" in module else delta)


def ln_tuning(part, weight, config, module):
    return part["ln_tuning_layers.weight"]


def trainable_tokens(part, weight, config, module):
    changed = weight.copy()
    changed[config["token_indices"]] = part["trainable_tokens_delta"]
    return changed


def pattern(entries, module, default):
    import re

    return next((value for key, value in entries.items() if re.match(rf"(.*\.)?({key})$", module)), default)


def is_feedforward(config, module):
    import re

    names = config["feedforward_modules"]
    return bool(re.fullmatch(names, module)) if isinstance(names, str) else any(module.endswith(name) for name in names)


def ia3(part, weight, config, module):
    vector = part["ia3_l"].reshape(-1)
    inputs = is_feedforward(config, module)
    axis = 1 if inputs else 0
    if "c_attn" in module or "c_proj" in module:  # stored transposed
        axis = 1 - axis
    return weight * vector.reshape([-1 if dimension == axis else 1 for dimension in range(weight.ndim)])


SECOND = {
    "loha": loha, "lokr": lokr, "adalora": adalora, "ia3": ia3, "ln_tuning": ln_tuning,
    "trainable_tokens": trainable_tokens, "vera": vera, "pvera": vera, "hira": hira, "delora": delora, "miss": miss,
    "bone": miss, "shira": shira, "oft": oft, "hra": hra, "vblora": vblora,
}  # fmt: skip
PARTS = (
    "hada_", "lokr_", "lora_", "vera_", "pvera_", "hira_", "delora_", "miss_", "bone_", "shira_", "oft_", "hra_", "ia3_", "vblora_",
    "ln_tuning_layers", "trainable_tokens_delta",
)  # fmt: skip
MANTISSA = {torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


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


def check(name, folder):
    """Compares PEFT's file with the second implementation, and says how much the merge changed."""
    case = CASES[name]
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    base = read(base_folder(case.base) / "model.safetensors")
    found = read(folder / "merged" / "model.safetensors")
    expected = {key: value for key, (value, _) in base.items()}
    parts, shared = {}, {}
    for key, (value, _) in read(folder / "adapter" / "adapter_model.safetensors").items():
        module, _, leaf = key.removeprefix("base_model.model.").rpartition(".")
        if module.endswith((".oft_R", ".oft_embedding_R")):
            module, _, leaf = module.rpartition(".")
        if module.endswith(".ln_tuning_layers"):
            module, _, leaf = module.removesuffix(".ln_tuning_layers"), None, f"ln_tuning_layers.{leaf}"
        if module == "base_model":
            shared[leaf] = value
        elif leaf.startswith(PARTS):
            parts.setdefault(module, {})[leaf] = value
        else:
            expected[f"{module.removesuffix('.base_layer')}.{leaf}"] = value
    for module, part in parts.items():
        weight = f"{module}.weight"
        if weight not in expected and case.tuner == "trainable_tokens":  # the second name of a tied tensor
            continue
        more = (shared,) if shared else ()
        expected[weight] = SECOND[case.tuner](part, expected[weight], config, module, *more)
        if "ln_tuning_layers.bias" in part:
            expected[f"{module}.bias"] = part["ln_tuning_layers.bias"]
        if case.tuner == "ia3" and not is_feedforward(config, module) and f"{module}.bias" in expected:
            expected[f"{module}.bias"] = expected[f"{module}.bias"] * part["ia3_l"].reshape(-1)
    assert found.keys() == expected.keys(), f"{name}: {sorted(found.keys() ^ expected.keys())}"
    for key, (value, dtype) in found.items():
        exact = expected[key]
        _, exponent = np.frexp(exact)
        bound = np.ldexp(1.0, exponent - MANTISSA[dtype]) + 2.0**-22 * np.abs(exact).max()
        if case.match == "peft":
            bound += 2 * 2.0 ** -MANTISSA[dtype] * np.abs(exact - base[key][0])
        if case.match == "correct":
            bound += 8 * 2.0 ** -MANTISSA[dtype] * np.abs(exact - base[key][0]).max()
        assert (np.abs(value - exact) <= bound).all(), f"{name}: {key} differs from the second implementation"
    if case.match == "correct":
        shutil.rmtree(folder / "merged")
        (folder / "correct").mkdir()
        write(folder / "correct" / "model.safetensors", {key: (expected[key], dtype) for key, (_, dtype) in found.items()})
    changed = [key for key in found if not np.array_equal(found[key][0], base[key][0])]
    assert changed, f"{name}: the merge changed nothing"
    return f"{len(changed)} of {len(found)} tensors changed"


def make(name):
    case = CASES[name]
    folder = case_folder(name, case.tuner)
    shutil.rmtree(folder, ignore_errors=True)
    if not (base_folder(case.base) / "model.safetensors").exists():
        models.make_base(case.base)
    make_adapter(name, folder / "adapter")
    merge(name, folder)
    if case.tuner == "bone":
        rename_to_bone(folder / "adapter")
    return check(name, folder)


def describe(name):
    case = CASES[name]
    folder = case_folder(name, case.tuner)
    return {
        "name": name, "tuner": case.tuner, "feature": name.removeprefix(case.tuner).split("-")[1],
        "covers": case.covers, "base": str(base_folder(case.base)), "adapters": [str(folder / "adapter")],
        "merged": None if case.match == "correct" else str(folder / "merged" / "model.safetensors"),
        "correct": str(folder / "correct" / "model.safetensors") if case.match == "correct" else None,
        "match": case.match, "partial": False,
        "base_dtype": models.split(case.base)[1], "factor_dtype": "F32", "ranks": [], "refused": None,
    }  # fmt: skip
