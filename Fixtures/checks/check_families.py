"""Merges adapters into tiny models of many families by the program, and compares with transformers and PEFT.

    python check_families.py PROGRAM [--dtype bf16] [--shards] [--table] [FAMILY ...]

For each family: a model in the layout of the hub's files, an adapter that PEFT made on the model in memory, the merge on the
files by PROGRAM, and what transformers loads of the result, compared with what PEFT merges in memory: the largest
difference of any weight and of the logits. FAMILY@hub is the family in the other layout that `families.HUB` has for it.

The logits are those of base and adapter side by side and of the merged model, both computed in fp32: in bf16 the roundings
of each are larger than what the merge rounds, and choose other experts. Of a bf16 base the merge is also made with
`--dtype f32`: then what differs is the roundings of fp32, and what more the merge in bf16 differs is the rounding of weights.
"""

import argparse
import contextlib
import inspect
import io
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import safetensors.torch
import torch
from generator import families

TOLERANCE = {"f32": 1e-5, "bf16": 2e-5}


def inputs(model):
    generator = torch.Generator().manual_seed(3)
    names = set(inspect.signature(model.forward).parameters)
    if "pixel_values" in names and "input_ids" not in names:
        size = model.config.image_size if isinstance(model.config.image_size, int) else model.config.image_size[0]
        return {"pixel_values": torch.randn(1, 3, size, size, generator=generator)}
    ids = torch.randint(3, 80, (1, 12), generator=generator)
    return {"input_ids": ids} | ({"use_cache": False} if "use_cache" in names else {})


def outputs(model, values):
    with torch.no_grad():
        result = model(**values)
    for name in ("logits", "last_hidden_state"):
        if getattr(result, name, None) is not None:
            return getattr(result, name).float()
    raise ValueError(f"no logits in {type(result)}")


def check(name, program, folder, dtype, shards):
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    layout, name = name, name.removesuffix("@hub")
    model = families.build(name).to(kind)
    base = folder / "base"
    options = {"max_shard_size": "40KB"} if shards else {}
    families.save(model, base, hub=name if layout != name else None, **options)
    cls = type(model)
    loaded, info = cls.from_pretrained(base, dtype=kind, output_loading_info=True)
    if info["missing_keys"] or info["mismatched_keys"]:
        raise ValueError(f"the base does not load: {sorted(info['missing_keys'])[:3]}")
    loaded = loaded.eval()
    differing = [n for n, p in loaded.named_parameters() if not torch.equal(p, dict(model.named_parameters())[n])]
    if differing:
        raise ValueError(f"the base is not what was saved: {differing[:3]}")
    before = {n: p.detach().clone() for n, p in loaded.named_parameters()}
    wrapped = families.adapter(loaded, exclude=families.FAMILIES[name].exclude)
    with contextlib.redirect_stdout(io.StringIO()):
        wrapped.save_pretrained(folder / "adapter")
    values = inputs(model)
    side_by_side = wrapped
    if dtype != "f32":
        wide = cls.from_pretrained(base, dtype=torch.float32).eval()
        side_by_side = families.adapter(wide, exclude=families.FAMILIES[name].exclude)
        # Not what PEFT loads: of laguna's and inkling2_text's adapters PEFT 0.21.2 leaves out factors that it saved.
        factors = dict(wrapped.named_parameters())
        with torch.no_grad():
            for path, parameter in side_by_side.named_parameters():
                if "lora_" in path:
                    parameter.copy_(factors[path])
    expected = outputs(side_by_side, values)
    merged = folder / "merged"
    run = subprocess.run(
        [program, "merge", base, folder / "adapter", "-o", merged, "--progress", "never"], capture_output=True, text=True)
    if run.returncode:
        lines = run.stderr.strip().splitlines() or [""]
        raise ValueError(f"exit {run.returncode}: {lines[0]}")
    rules = [line for line in run.stderr.splitlines() if line.startswith("rule")]
    result, info = cls.from_pretrained(merged, dtype=kind, output_loading_info=True)
    if info["missing_keys"] or info["mismatched_keys"]:
        raise ValueError(f"the result does not load: {info}")
    result = result.eval()
    # Each runtime weight as PEFT merges it.
    reference = dict(wrapped.merge_and_unload().named_parameters())
    largest, changed = 0.0, 0
    for path, parameter in result.named_parameters():
        difference = (parameter.float() - reference[path].float()).abs().max().item()
        largest = max(largest, difference)
        changed += not torch.equal(parameter, before[path])
    wanted = sum(not torch.equal(reference[path], before[path]) for path in reference)
    if changed != wanted:
        raise ValueError(f"{changed} weights changed, PEFT changes {wanted}")
    if dtype != "f32":
        result = cls.from_pretrained(merged, dtype=torch.float32).eval()
    actual = outputs(result, values)
    difference = wide_difference = (actual - expected).abs().max().item()
    if dtype != "f32":
        command = [program, "merge", base, folder / "adapter", "-o", folder / "wide", "--dtype", "f32", "-q"]
        subprocess.run(command, check=True)
        actual = outputs(cls.from_pretrained(folder / "wide", dtype=torch.float32).eval(), values)
        wide_difference = (actual - expected).abs().max().item()
    names = {}
    for file in base.glob("*.safetensors"):
        with safetensors.safe_open(file, "pt") as f:
            names |= {k: 0 for k in f.keys()}
    same = set(names) == set(k for k in before)
    return {
        "weights": largest, "logits": difference, "wide": wide_difference, "scale": expected.abs().max().item(), "changed": changed,
        "rules": rules, "same": same,
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("families", nargs="*")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--shards", action="store_true")
    parser.add_argument("--keep", help="keep base, adapter and result here")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--table", action="store_true", help="print rows of docs/internals/families.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    torch.set_num_threads(1)
    failures = 0
    for name in arguments.families or [*families.FAMILIES, *(f"{name}@hub" for name in families.HUB)]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = pathlib.Path(arguments.keep) / name.replace(":", "-").replace("@", "-") if arguments.keep else pathlib.Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    row = check(name, arguments.program, folder, arguments.dtype, arguments.shards)
                good = row["wide"] <= TOLERANCE[arguments.dtype] * max(1, row["scale"])
                failures += not good
                layout = "live" if row["same"] else "converted"
                if arguments.table and good:
                    values = [f"{row[key]:.1e}" for key in (["logits"] if arguments.dtype == "f32" else ["logits", "wide"])]
                    print(f"| {name} | {layout} | {row['scale']:.1f} | {' | '.join(values)} |", flush=True)
                    continue
                print(
                    f"{'ok  ' if good else 'DIFF'} {name:28} {layout:9} {row['changed']:3} changed  weights {row['weights']:.1e}"
                    f"  logits {row['logits']:.1e} ({row['wide']:.1e}) of {row['scale']:.2f}  {len(row['rules'])} rules", flush=True)
                if arguments.verbose:
                    for rule in row["rules"]:
                        print("     ", rule)
            except Exception as problem:
                failures += 1
                text = str(problem).strip().split("\n")[0]
                print(f"FAIL {name:28} {type(problem).__name__}: {text}"[:260], flush=True)
    sys.exit(failures > 0)


main()
