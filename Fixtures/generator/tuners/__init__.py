"""The cases of the tuners beside LoRA: adapters that PEFT makes, and what it merges of them; a file for each tuner.

Every merged file is compared with a second implementation in double precision, which reads the adapter's tensors and config
and knows neither PEFT nor torch: each element must be that value rounded once, or its neighbor. A case whose file has the
bytes of fp32 arithmetic done in PEFT's order is `exact`; one that sums in another order is `rounding`, and one of which PEFT
rounds the delta is `peft`; one of which PEFT decomposes the weight, whose last bits are those of a LAPACK, is `decomposition`.
Where PEFT computes in 16 bits the case is `correct`: PEFT's file is only near, and that of the second implementation is kept.
"""

import importlib
import json
import pkgutil
import shutil

import numpy as np
import torch
from peft import PeftModel, get_peft_model
from safetensors import safe_open
from safetensors.torch import save_file

from .. import models
from ..places import base_folder, case_folder
from ..values import SEED, WEIGHT_STD, normal
from .drawn import extents
from .kind import TUNERS, read_config

for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
    importlib.import_module(f".{module.name}", __name__)

CASES = {name: case for tuner in TUNERS.values() for name, case in tuner.cases.items()}
MANTISSA = {torch.float32: 24, torch.float16: 11, torch.bfloat16: 8}


def fill(model, name):
    """Random numbers for what is trained; deltas of about a tenth of the weights."""
    own = TUNERS[CASES[name].tuner].fill
    for parameter_name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue

        def draw(deviation):
            return normal(f"adapter {name} {parameter_name}", parameter.shape, deviation)

        is_own = any(beginning in parameter_name for beginning in TUNERS[CASES[name].tuner].prefixes)
        values = own(parameter_name, parameter.shape, draw) if own and is_own else None
        if values is None:
            parameter.data += draw(0.2 * WEIGHT_STD).to(parameter.dtype)
        else:
            parameter.data = values


def make_adapter(name, folder):
    case = CASES[name]
    tuner = TUNERS[case.tuner]
    torch.manual_seed(SEED)
    is_custom = models.split(case.base)[0] in models.CUSTOM
    config = tuner.config(task_type=None if is_custom else "CAUSAL_LM", **json.loads(json.dumps(case.config)))
    model = get_peft_model(models.load(case.base), config)
    fill(model, name)
    if tuner.finish:
        tuner.finish(model, name)
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    written = read_config(folder)
    for key, value in written.items():
        if key in ("target_modules", "modules_to_save", "feedforward_modules") and isinstance(value, list):
            written[key] = sorted(value)
    (folder / "adapter_config.json").write_text(json.dumps(written, indent=2))


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


def split_key(key, prefixes):
    """The module of a tensor of the tuner and the rest of its name; no module: the model's. None: another tensor."""
    parts = key.removeprefix("base_model.model.").split(".")
    if parts[0] == "base_model":
        return "", ".".join(parts[1:])
    for index, part in enumerate(parts):
        if part.startswith(prefixes):
            return ".".join(parts[:index]), ".".join(parts[index:])
    return None


def correct(name, adapter, base):
    """The tensors that the merge of a tuner's adapter should write, in double."""
    tuner, config = TUNERS[name], read_config(adapter)
    expected = {key: value for key, (value, _) in base.items()}
    parts, shared = {}, {}
    for key, (value, _) in read(adapter / "adapter_model.safetensors").items():
        place = split_key(key, tuner.prefixes)
        if place is None:
            module, _, leaf = key.removeprefix("base_model.model.").rpartition(".")
            expected[f"{module.removesuffix('.base_layer')}.{leaf}"] = value
        elif place[0]:
            parts.setdefault(place[0], {})[place[1]] = value
        else:
            shared[place[1]] = value
    sizes = [extents(expected[f"{module}.weight"], module) for module in parts] if tuner.needs_sizes else []
    dtype = next((base[f"{module}.weight"][1] for module in parts), None)
    largest = (*(max(size[axis] for size in sizes) for axis in (0, 1)), dtype) if sizes else None
    for module, part in parts.items():
        weight = f"{module}.weight"
        if weight not in expected and name == "trainable_tokens":  # the second name of a tied tensor
            continue
        before = dict(expected)
        if tuner.merged:
            expected[weight] = tuner.merged(part, expected[weight], config, module, *((shared, largest) if sizes else (shared,) if shared else ()))
        if tuner.others:
            expected.update(tuner.others(part, config, module, before))
    return expected


def check(name, folder):
    """Compares PEFT's file with the second implementation, and says how much the merge changed."""
    case = CASES[name]
    base = read(base_folder(case.base) / "model.safetensors")
    found = read(folder / "merged" / "model.safetensors")
    expected = correct(case.tuner, folder / "adapter", base)
    assert found.keys() == expected.keys(), f"{name}: {sorted(found.keys() ^ expected.keys())}"
    for key, (value, dtype) in found.items():
        exact = expected[key]
        _, exponent = np.frexp(exact)
        bound = np.ldexp(1.0, exponent - MANTISSA[dtype]) + 2.0**-22 * np.abs(exact).max()
        if case.match == "peft":
            bound += 2.0 ** -MANTISSA[dtype] * (2 * np.abs(exact - base[key][0]) + np.abs(base[key][0]))
        if case.match == "peft" and TUNERS[case.tuner].rounds_factors:
            bound += 2 * 2.0 ** -MANTISSA[dtype] * np.abs(base[key][0]).max()
        if case.match == "decomposition":
            # Vectors are rounded to 16 bits, and some of them the other way.
            bound += 2.0 ** -min(18, MANTISSA[dtype] + 2) * np.abs(exact).max()
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
    tuner, folder = TUNERS[case.tuner], case_folder(name, case.tuner)
    shutil.rmtree(folder, ignore_errors=True)
    if not (base_folder(case.base) / "model.safetensors").exists():
        models.make_base(case.base)
    make_adapter(name, folder / "adapter")
    merge(name, folder)
    if tuner.after:
        tuner.after(folder / "adapter")
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
