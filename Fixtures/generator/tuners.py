"""The cases of the tuners beside LoRA: adapters that PEFT makes, and what it merges of them.

Every merged file is compared with a second implementation in double precision, which reads the adapter's tensors and config
and knows neither PEFT nor torch: each element must be that value rounded once, or its neighbor. A case whose file has the
bytes of fp32 arithmetic done in PEFT's order is `exact`; one that sums in another order is `rounding`.
"""

import dataclasses
import json
import shutil

import numpy as np
import torch
from peft import IA3Config, LoHaConfig, PeftModel, get_peft_model
from safetensors import safe_open

from . import models
from .places import base_folder, case_folder
from .values import SEED, TORCH_DTYPES, WEIGHT_STD, normal

KINDS = {"loha": LoHaConfig, "ia3": IA3Config}


@dataclasses.dataclass(frozen=True)
class Case:
    tuner: str
    base: str
    covers: str
    config: dict
    match: str = "exact"
    second: dict | None = None


CASES = {}


def case(name, *arguments, **options):
    for dtype in ("f32", "bf16", "f16"):
        made = Case(*arguments, **options)
        # Two products of sums in fp32: torch's order at the edges of small matrices depends on the processor.
        match = "rounding" if made.tuner == "loha" and dtype == "f32" else made.match
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
        else:
            parameter.data += normal(label_here, parameter.shape, 0.2 * WEIGHT_STD).to(parameter.dtype)


def make_adapter(name, folder):
    case = CASES[name]
    torch.manual_seed(SEED)
    is_custom = models.split(case.base)[0] in models.CUSTOM
    config = KINDS[case.tuner](task_type=None if is_custom else "CAUSAL_LM", **json.loads(json.dumps(case.config)))
    model = get_peft_model(models.load(case.base), config)
    fill(model, name)
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


SECOND = {"loha": loha, "ia3": ia3}
MANTISSA = {torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


def check(name, folder):
    """Compares PEFT's file with the second implementation, and says how much the merge changed."""
    case = CASES[name]
    config = json.loads((folder / "adapter" / "adapter_config.json").read_text())
    base = read(base_folder(case.base) / "model.safetensors")
    found = read(folder / "merged" / "model.safetensors")
    expected = {key: value for key, (value, _) in base.items()}
    parts = {}
    for key, (value, _) in read(folder / "adapter" / "adapter_model.safetensors").items():
        module, _, leaf = key.removeprefix("base_model.model.").rpartition(".")
        if leaf.startswith(("hada_", "ia3_")):
            parts.setdefault(module, {})[leaf] = value
        else:
            expected[f"{module}.{leaf}"] = value
    for module, part in parts.items():
        weight = f"{module}.weight"
        expected[weight] = SECOND[case.tuner](part, expected[weight], config, module)
        if case.tuner == "ia3" and not is_feedforward(config, module) and f"{module}.bias" in expected:
            expected[f"{module}.bias"] = expected[f"{module}.bias"] * part["ia3_l"].reshape(-1)
    assert found.keys() == expected.keys(), f"{name}: {sorted(found.keys() ^ expected.keys())}"
    for key, (value, dtype) in found.items():
        exact = expected[key]
        _, exponent = np.frexp(exact)
        bound = np.ldexp(1.0, exponent - MANTISSA[dtype]) + 2.0**-22 * np.abs(exact).max()
        assert (np.abs(value - exact) <= bound).all(), f"{name}: {key} differs from the second implementation"
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
    return check(name, folder)


def describe(name):
    case = CASES[name]
    folder = case_folder(name, case.tuner)
    return {
        "name": name, "tuner": case.tuner, "feature": case.config.get("target_modules") and name.split("-")[1],
        "covers": case.covers, "base": str(base_folder(case.base)), "adapters": [str(folder / "adapter")],
        "merged": str(folder / "merged" / "model.safetensors"), "correct": None, "match": case.match, "partial": False,
        "base_dtype": models.split(case.base)[1], "factor_dtype": "F32", "ranks": [], "refused": None,
    }  # fmt: skip
