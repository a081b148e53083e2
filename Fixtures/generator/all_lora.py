"""The cases of "all of LoRA": adapters of every kind, and what PEFT makes of them.

Every merged file is compared, byte for byte, with the second implementation in second.py.
"""

import dataclasses
import functools
import json
import shutil
import typing
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

from . import linear_table, models, second
from .places import base_folder, case_folder
from .plain import read_checkpoint, read_safetensors
from .values import SEED, TORCH_DTYPES, fill, rewrite_tensors

@dataclasses.dataclass(frozen=True)
class Case:
    """An adapter (or several) and the checkpoint it must give; see "cases.json" in README.md."""

    base: str
    feature: str
    covers: str
    lora: dict = dataclasses.field(default_factory=dict)
    factors: str = "F32"
    task: str | None = "CAUSAL_LM"
    kind: str = "causal"  # the class that loads the base
    options: dict = dataclasses.field(default_factory=dict)  # for loading the base
    prepare: typing.Callable | None = None  # changes the model in memory before it is wrapped
    edit: typing.Callable | None = None  # changes the adapter's folder before PEFT loads it
    rename: typing.Callable | None = None  # changes keys after PEFT has merged
    aliases: tuple = ()  # runtime names -> names on disk, for the second implementation
    targets: dict = dataclasses.field(default_factory=dict)
    shares: str = ""  # a case whose adapter (renamed) and merged file this one uses
    second: dict | None = None  # configuration of a second adapter
    more: dict = dataclasses.field(default_factory=dict)  # more keys of the JSON entry
    refused: str = ""
    merge: bool = True
    wrong: str = ""  # what is wrong with PEFT's result
    note: str = ""
    correct: typing.Callable | None = None  # (base tensors, adapters) -> the right tensors
    custom: typing.Callable | None = None  # makes everything itself
    check: bool = True  # compare with the second implementation


CASES = {}


def case(name, *arguments, **options):
    assert name not in CASES, name
    CASES[name] = Case(*arguments, **options)


def adapter_folder(name, which="adapter"):
    return case_folder(name) / which


def merged_file(name):
    return case_folder(name) / "merged" / "model.safetensors"


# ---------------------------------------------------------------------------------------------
# Making a case
# ---------------------------------------------------------------------------------------------


def tidy(folder, lora):
    """Without the model card; the sets of the configuration sorted, its patterns and parameters in the given order."""
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    for key, value in written.items():
        if key in ("target_modules", "modules_to_save") and isinstance(value, list):
            written[key] = sorted(value)
        elif key in ("rank_pattern", "alpha_pattern", "target_parameters") and lora.get(key):
            written[key] = lora[key]
    path.write_text(json.dumps(written, indent=2))


def edit_config(folder, without=None, **changes):
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text()) | changes
    written.pop(without, None)
    path.write_text(json.dumps(written, indent=2))


def configure(case, lora):
    lora = json.loads(json.dumps(lora))
    if lora.get("target_parameters"):
        lora.setdefault("target_modules", [])
    for key, kind in generate_configs().items():
        if isinstance(lora.get(key), dict):
            lora[key] = kind(**lora[key])
    return LoraConfig(task_type=case.task, **lora)


def generate_configs():
    from peft.tuners.lora import config

    return {"use_bdlora": config.BdLoraConfig, "velora_config": config.VeloraConfig,
            "monteclora_config": config.MontecloraConfig, "kasa_config": config.KasaConfig}  # fmt: skip


def make_adapter(name, folder, lora, label=None):
    case = CASES[name]
    torch.manual_seed(SEED)
    model = models.load(case.base, case.kind, **case.options)
    if case.prepare:
        case.prepare(model)
    model = get_peft_model(model, configure(case, lora))
    fill(model, label or name)
    model.save_pretrained(folder)
    tidy(folder, lora)
    if case.factors != "F32":
        rewrite_tensors(folder, lambda key, value: (key, value.to(TORCH_DTYPES[case.factors])))
    if case.edit:
        case.edit(folder)


def peft_merge(name, folders):
    case = CASES[name]
    torch.manual_seed(SEED)
    model = models.load(case.base, case.kind, **case.options)
    if case.prepare:
        case.prepare(model)
    model = PeftModel.from_pretrained(model, folders[0])
    for number, folder in enumerate(folders[1:]):
        model.load_adapter(folder, adapter_name=f"adapter_{number}")
    names = ["default"] + [f"adapter_{number}" for number in range(len(folders) - 1)]
    merged = model.merge_and_unload(adapter_names=names if len(names) > 1 else None)
    models.save(merged, merged_file(name).parent, only_weights=True)


def read_adapter(folder):
    return json.loads((folder / "adapter_config.json").read_text()), read_safetensors(folder / "adapter_model.safetensors")


def compare(name, found, folders):
    """Compares PEFT's tensors with the second implementation; says whether the default formula gives them too."""
    case = CASES[name]
    base = read_checkpoint(base_folder(case.base))
    config = base_folder(case.base) / "config.json"
    options = dict(
        model_type=json.loads(config.read_text())["model_type"] if config.exists() else "",
        aliases=case.aliases, targets=case.targets, dtype=models.split(case.base)[1],
    )  # fmt: skip
    adapters = [read_adapter(folder) for folder in folders]
    expected = second.merged(base, adapters, peft=True, **options)
    ours = second.merged(base, adapters, peft=False, **options)
    dropped = base.keys() - found.keys()
    for tensor in found:
        if found[tensor] != expected[tensor]:
            import numpy as np

            one, two = second.widen(found[tensor]), second.widen(expected[tensor])
            raise AssertionError(
                f"{name}: {tensor}: {np.sum(one != two)} of {one.size} elements differ by up to {np.abs(one - two).max()}"
            )
    assert expected.keys() - dropped == found.keys(), f"{name}: {sorted(expected.keys() ^ found.keys())}"
    changed = [tensor for tensor in found if found[tensor] != base.get(tensor)]
    assert changed, f"{name}: nothing changed"
    same = all(found[tensor] == ours[tensor] for tensor in found)
    return ("exact" if same else "peft"), f"{len(changed)} of {len(found)} tensors changed"


MATCHES = {}


def ranks(folders):
    found = set()
    for folder in folders:
        for key, value in read_adapter(folder)[1].items():
            if key.endswith((".lora_A.weight", ".lora_embedding_A", ".lora_A.default.weight")):
                found.add(value[1][0])
    return sorted(found)


@functools.cache
def make_case(name):
    case, folder = CASES[name], case_folder(name)
    if case.base.startswith("tiny-"):
        models.make_base(case.base)
    if name not in linear_table.CASES:
        shutil.rmtree(folder, ignore_errors=True)
    for source in case.more.get("from", []):
        make_case(source)
    if case.custom:
        said = case.custom(name)
        thin(name)
        return said
    if case.shares:
        make_case(case.shares)
        MATCHES[name] = MATCHES[case.shares]
        shutil.copytree(adapter_folder(case.shares), adapter_folder(name))
        case.rename(adapter_folder(name))
        if case.check:
            compare_thin(name)
        return f"like {case.shares}"
    folders = [adapter_folder(name)]
    make_adapter(name, folders[0], case.lora)
    if case.second:
        folders.append(adapter_folder(name, "adapter_b"))
        make_adapter(name, folders[1], case.second, name + " second")
    if not case.merge:
        return f"refused ({case.refused})"
    peft_merge(name, folders)
    MATCHES[name], said = "decomposed", "not compared"
    if case.check:
        MATCHES[name], said = compare(name, read_safetensors(merged_file(name)), folders)
    if case.correct:
        adapters = [read_adapter(path) for path in folders]
        right = case.correct(name, read_checkpoint(base_folder(case.base)), adapters)
        write_tensors(case_folder(name) / "correct" / "model.safetensors", right)
    thin(name)
    return f"{said}, {MATCHES[name]}"


def thin(name):
    """Leaves only those tensors in the files that are not byte for byte the base's. Call it when all is compared."""
    base = read_checkpoint(base_folder(CASES[name].base))
    for which in ("merged", "correct"):
        path = case_folder(name) / which / "model.safetensors"
        if path.exists():
            found = read_safetensors(path)
            DROPPED[name, which] = sorted(base.keys() - found.keys())
            write_tensors(path, {key: value for key, value in found.items() if base.get(key) != value})


DROPPED = {}


def compare_thin(name):
    """The second implementation must give the shared file from the changed adapter too."""
    case = CASES[name]
    base = read_checkpoint(base_folder(case.base))
    model_type = json.loads((base_folder(case.base) / "config.json").read_text())["model_type"]
    found = base | read_safetensors(merged_file(case.shares))
    expected = second.merged(base, [read_adapter(adapter_folder(name))], peft=True, model_type=model_type)
    assert expected == found, name


def write_tensors(path, tensors):
    """Triples (dtype, shape, bytes) to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            name: torch.frombuffer(bytearray(data), dtype=TORCH_DTYPES[dtype]).reshape(shape)
            for name, (dtype, shape, data) in tensors.items()
        },
        path,
        metadata={"format": "pt"},
    )


# ---------------------------------------------------------------------------------------------
# The entries of cases.json
# ---------------------------------------------------------------------------------------------


def describe(name):
    case = CASES[name]
    merged = merged_file(case.shares or name)
    more = dict(case.more)
    found = [adapter_folder(source) for source in more.pop("from", [name])]
    if (second_adapter := adapter_folder(name, "adapter_b")).exists():
        found.append(second_adapter)
    match = None if not merged.exists() else "wrong" if case.wrong else MATCHES.get(name)
    dtype = models.split(case.base)[1]
    if case.base == "tiny-gpt-oss-f16":
        dtype = "mixed"
    right = case_folder(name) / "correct" / "model.safetensors"
    entry = {
        "name": name,
        "tuner": "lora",
        "feature": case.feature,
        "covers": case.covers,
        "base": str(base_folder(case.base)),
        "adapters": [str(path) for path in found],
        "merged": str(merged) if merged.exists() else None,
        "correct": str(right) if right.exists() else None,
        "match": match,
        "partial": match is not None or right.exists(),
        "base_dtype": dtype,
        "factor_dtype": case.factors,
        "ranks": ranks([adapter_folder(case.shares)] if case.shares else found),
        "refused": case.refused or None,
    }
    if case.wrong or case.note:
        entry["note"] = case.wrong or case.note
    for which in ("merged", "correct"):
        if dropped := DROPPED.get((case.shares or name, which)):
            entry["dropped" if which == "merged" else "correct_dropped"] = dropped
    return entry | more


def make(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = make_case(name)
    table.configurations()
    return said


from . import table  # noqa: E402, F401  fills CASES
