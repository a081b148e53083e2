"""Writes Fixtures/families: names.json, and base, adapter and merged model of a few families.

    python generator/family_cases.py [names|cases [FAMILY ...]]

`names.json` holds for every family of families.py what its config.json says of kinds, and pairs of a name on disk and the
names that transformers' own `rename_source_key` makes of it. The merged models are what PEFT merges in memory, written by
transformers in the layout of the base.
"""

import json
import logging
import os
import pathlib
import re
import shutil
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import safetensors.torch
import torch
from generator import families
from transformers import core_model_loading as loading
from transformers.conversion_mapping import get_model_conversion_mapping

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "families"
LARGEST = 200_000
# Large modules that are like any other.
EXCLUDED = {
    "qwen3_vl_moe": "merger", "inkling_mm_model": "vision_tower", "ernie4_5_vl_moe": "resampler_model|vision_tower",
    "kimi_k25": "mm_projector",
}
# Families with what makes their models smaller still.
CASES = {
    "mixtral": {"num_hidden_layers": 1},
    "granitemoe": {"num_hidden_layers": 1},
    "llava": {"text_config": {"num_hidden_layers": 1}, "vision_config": {"num_hidden_layers": 1}},
    "nomic_bert:NomicBertModel": {"num_hidden_layers": 1},
    # Experts as (in, out) matrices.
    "qwen3_vl_moe@hub": {"text_config": {"num_hidden_layers": 1}, "vision_config": {"depth": 1, "deepstack_visual_indexes": [0]}},
    # Gate and up interleaved, in one layer's linear layers and in the other's stacks.
    "inkling_mm_model": {"vision_config": {"n_layers": 1}},
    # Experts divided among two stacks.
    "ernie4_5_vl_moe": {"vision_config": {"depth": 1}},
    # Heads for another kind of rotation.
    "kimi_k25": {"text_config": {"num_hidden_layers": 1}, "vision_config": {"num_hidden_layers": 1}},
}


def kinds(config):
    """What of a config.json says of what family a model is."""
    result = {k: config[k] for k in ("architectures", "model_type") if k in config}
    for name, value in config.items():
        if isinstance(value, dict) and "model_type" in value:
            result[name] = kinds(value)
    return result


def live_names(name, transforms):
    renamings = [t for t in transforms if isinstance(t, loading.WeightRenaming)]
    converters = [t for t in transforms if isinstance(t, loading.WeightConverter)]
    renamed, source = loading.rename_source_key(name, renamings, converters)
    if source is None:
        return [renamed]
    converter = next(c for c in converters if source in c.source_patterns)
    targets = converter.target_patterns
    return [renamed] + [renamed.replace(targets[0], t) for t in targets[1:]]


def names():
    result = []
    for name in families.FAMILIES:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                model = families.build(name)
                families.save(model, scratch)
            except Exception as problem:
                print("skipped", name, problem)
                continue
            config = json.loads((pathlib.Path(scratch) / "config.json").read_text())
            keys = []
            for file in sorted(pathlib.Path(scratch).glob("*.safetensors")):
                with safetensors.safe_open(file, "pt") as f:
                    keys += f.keys()
        transforms = get_model_conversion_mapping(model)
        # One name of each kind: numbers make no difference to any rule but a few that name one.
        seen, pairs, same = set(), {}, 0
        for key in sorted(keys):
            kind = re.sub(r"\d+", "N", key)
            if kind in seen:
                continue
            seen.add(kind)
            lives = live_names(key, transforms)
            if lives == [key]:
                same += 1
                if same > 4:
                    continue
            pairs[key] = lives
        result.append({"family": name, "config": kinds(config), "names": pairs})
    text = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in result)
    (FOLDER / "names.json").write_text(f"[\n{text}\n]\n")
    print(len(result), "families")


def cases(chosen):
    for name, fixes in CASES.items():
        if chosen and name not in chosen:
            continue
        hub = name.removesuffix("@hub") if name.endswith("@hub") else None
        name = name.removesuffix("@hub")
        # What is fixed of a section is fixed in the family's too.
        own = families.FAMILIES[name].fixes
        fixes = {k: own.get(k, {}) | v if isinstance(v, dict) else v for k, v in fixes.items()}
        folder = FOLDER / name.split(":")[0]
        shutil.rmtree(folder, ignore_errors=True)
        model = families.build(name, **fixes)
        # Experts of one layer in several files.
        families.save(model, folder / "base", hub=hub, **({"max_shard_size": "24KB"} if name == "mixtral" else {}))
        loaded = type(model).from_pretrained(folder / "base", dtype=torch.float32).eval()
        wrapped = families.adapter(loaded, exclude=families.FAMILIES[name].exclude or EXCLUDED.get(name))
        # A folder of the machine that ran this.
        wrapped.peft_config["default"].base_model_name_or_path = loaded.name_or_path = None
        wrapped.save_pretrained(folder / "adapter")
        (folder / "adapter/README.md").unlink(missing_ok=True)
        families.save(wrapped.merge_and_unload(), folder / "merged", hub=hub)
        # What the merge does not change is as in the base.
        old = safetensors.torch.load_file
        before = {k: v for f in (folder / "base").glob("*.safetensors") for k, v in old(f).items()}
        after = old(folder / "merged/model.safetensors")
        changed = {k: v for k, v in after.items() if not torch.equal(v, before[k])}
        safetensors.torch.save_file(changed, folder / "merged/model.safetensors")
        if sum(v.nbytes for v in before.values()) > LARGEST:
            # Embeddings and the like, which no adapter changes, are left out.
            kept = {k: v for k, v in before.items() if k in changed or v.nbytes < 1024}
            safetensors.torch.save_file(kept, folder / "base/model.safetensors", metadata={"format": "pt"})
        for file in list((folder / "merged").glob("*.json")) + list((folder / "base").glob("generation_config.json")):
            file.unlink()
        print(name, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))


warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
FOLDER.mkdir(exist_ok=True)
if sys.argv[1:2] != ["cases"]:
    names()
if sys.argv[1:2] != ["names"]:
    cases(sys.argv[2:])
