"""Measures how far `--arithmetic peft` is from PEFT over many shapes, beside those of the fixtures.

python check_claims.py SAFEMERGE [KIND...]: for each kind the number of layers, how many are equal in every byte, the share of
elements that differ, and the largest difference in ulps of the result's dtype and in units of the largest element.
"""
import os
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora.config import KasaConfig
from safetensors.torch import load_file, save_file

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class Net(torch.nn.Module):
    def __init__(self, shapes, attention):
        super().__init__()
        for number, (rows, columns) in enumerate(shapes):
            layer = (
                torch.nn.MultiheadAttention(columns, 1, bias=False) if attention
                else torch.nn.Linear(columns, rows, bias=False))
            setattr(self, f"lin{number}", layer)


def randomize(parameters, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)


def measure(program, shapes, dtype, attention=False, rank=4, seed=0, **fields):
    model = Net(shapes, attention)
    randomize(model.parameters(), seed, 0.3)
    model = model.to(dtype)
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "base.safetensors")
        save_file({k: v.clone().contiguous() for k, v in model.state_dict().items()}, base)
        config = LoraConfig(
            r=rank, lora_alpha=8, target_modules=[f"lin{n}" for n in range(len(shapes))], **fields)
        peft = get_peft_model(model, config)
        randomize([p for n, p in peft.named_parameters() if "lora_" in n], seed + 1, 0.2)
        adapter = os.path.join(folder, "adapter")
        peft.save_pretrained(adapter)
        fresh = Net(shapes, attention).to(dtype)
        fresh.load_state_dict(load_file(base))
        merged = PeftModel.from_pretrained(fresh, adapter).merge_and_unload().state_dict()
        out = os.path.join(folder, "out.safetensors")
        done = subprocess.run(
            [program, "merge", base, adapter, "-o", out, "-q", "--arithmetic", "peft"], capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip()
        return differences(merged, load_file(out), dtype)


def differences(merged, found, dtype):
    """For each tensor: how many elements differ of how many, the most ulps, the most of the largest element."""
    rows = []
    for name, wanted in merged.items():
        a, b = found[name], wanted
        different = int((a != b).sum())
        bits = {torch.float32: 24, torch.bfloat16: 8, torch.float16: 11}[dtype]
        exponent = torch.floor(torch.log2(b.double().abs().clamp_min(1e-30)))
        ulp = 2.0 ** (exponent - bits + 1)
        gap = (a.double() - b.double()).abs()
        rows.append((name, different, b.numel(), float((gap / ulp).max()), float(gap.max() / b.double().abs().max())))
    return rows


def measure_combined(program, shape, dtype, method, rank=4, seed=0):
    """Two adapters combined by a method that ends in a decomposition, and the combined one merged."""
    weights = {"a": 0.7, "b": 0.4}
    more = {} if method == "svd" else {"density": 0.5}
    model = Net([shape], False)
    randomize(model.parameters(), seed, 0.3)
    model = model.to(dtype)
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "base.safetensors")
        save_file({k: v.clone().contiguous() for k, v in model.state_dict().items()}, base)
        config = LoraConfig(r=rank, lora_alpha=8, target_modules=["lin0"])
        peft = get_peft_model(model, config, adapter_name="a")
        peft.add_adapter("b", config)
        randomize([p for n, p in peft.named_parameters() if "lora_" in n], seed + 1, 0.2)
        peft.save_pretrained(folder)
        fresh = Net([shape], False).to(dtype)
        fresh.load_state_dict(load_file(base))
        live = PeftModel.from_pretrained(fresh, os.path.join(folder, "a"), adapter_name="a")
        live.load_adapter(os.path.join(folder, "b"), adapter_name="b")
        live.add_weighted_adapter(list(weights), list(weights.values()), "both", combination_type=method, **more)
        live.set_adapter("both")
        merged = live.merge_and_unload(adapter_names=["both"]).state_dict()
        out = os.path.join(folder, "out.safetensors")
        adapters = [f"{os.path.join(folder, name)}={weight}" for name, weight in weights.items()]
        options = ["--combine", method] + (["--density", "0.5"] if more else [])
        done = subprocess.run(
            [program, "merge", base, *adapters, "-o", out, "-q", "--arithmetic", "peft", *options], capture_output=True,
            text=True)
        if done.returncode:
            return done.stderr.strip()
        return differences(merged, load_file(out), dtype)


def report(title, results):
    errors = [r for r in results if isinstance(r, str)]
    rows = [row for r in results if not isinstance(r, str) for row in r]
    equal = sum(1 for row in rows if row[1] == 0)
    elements = sum(row[2] for row in rows)
    share = sum(row[1] for row in rows) / max(1, elements)
    worst = max((row[3] for row in rows), default=0)
    relative = max((row[4] for row in rows), default=0)
    largest = max((row[1] / row[2] for row in rows), default=0)
    print(
        f"{title}: {len(rows)} tensors, {equal} equal, {100 * share:.3f} % of {elements} elements differ (most in one "
        f"{100 * largest:.2f} %), {worst:.1f} ulp, {relative:.2g} of the largest element"
        + (f"; {len(errors)} refused: {errors[0]}" if errors else ""), flush=True)


SHAPES = [(8, 4), (16, 8), (24, 11), (24, 12), (16, 16), (33, 20), (48, 64), (64, 48), (70, 130), (200, 96), (96, 200)]
SPLIT = [(16, 8), (16, 16), (30, 40), (40, 30), (64, 64), (48, 130), (130, 48), (200, 100)]


def kinds(program):
    narrow = [(rows, columns) for columns in range(1, 16) for rows in (5, 16)]
    yield "narrow f32", lambda: [measure(program, narrow, torch.float32, seed=s, rank=r) for s, r in ((0, 2), (1, 4))]
    yield "narrow bf16, f16", lambda: [measure(program, narrow, d, seed=s) for s in range(2) for d in
                                       (torch.bfloat16, torch.float16)]
    for label, dtype in DTYPES.items():
        yield f"linear {label}", lambda dtype=dtype: [measure(program, SHAPES, dtype, seed=s, rank=1 + 3 * s) for s in
                                                      range(4)]
        yield f"attention {label}", lambda dtype=dtype: [
            measure(program, [(n, n)], dtype, True, seed=n, rank=r) for n in (4, 8, 12, 16, 24, 32, 48, 64) for r in (2, 4)]
        for change in ("pissa", "olora"):
            yield f"{change} {label}", lambda dtype=dtype, change=change: [
                measure(program, [shape], dtype, seed=s, rank=4, init_lora_weights=change)
                for s, shape in enumerate(SPLIT)]
        for method in ("svd", "ties_svd", "magnitude_prune_svd"):
            yield f"combined by {method} {label}", lambda dtype=dtype, method=method: [
                measure_combined(program, shape, dtype, method, seed=s) for s, shape in enumerate(SPLIT)]
        yield f"kasa {label}", lambda dtype=dtype: [
            measure(program, [shape], dtype, seed=s, rank=4, kasa_config=KasaConfig()) for s, shape in enumerate(SPLIT)]


if __name__ == "__main__":
    for title, run in kinds(sys.argv[1]):
        if len(sys.argv) < 3 or any(word in title for word in sys.argv[2:]):
            report(title, run())
