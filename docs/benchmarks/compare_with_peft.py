#!/usr/bin/env python3
"""Merges one adapter with safemerge and with PEFT, in turn, and compares times, memory and results.

Every merge is a process of its own, from start to end: PEFT's loads the base in its own dtype (transformers), the adapter
(PeftModel.from_pretrained), merges (merge_and_unload) and saves (save_pretrained); its time without the imports is reported
as well. Outputs are removed between runs; the last of each is kept until the results are compared.

Needs Linux or macOS, Python 3.10 or later, torch, transformers, peft, safetensors. docs/internals/performance.md names the versions.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def merge_with_peft(base, adapter, output, is_safe):
    """The child process: prints one JSON line with its times."""
    start = time.perf_counter()
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    imported = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
    model = PeftModel.from_pretrained(model, adapter)
    loaded = time.perf_counter()
    model = model.merge_and_unload(safe_merge=is_safe)
    merged = time.perf_counter()
    model.save_pretrained(output)
    saved = time.perf_counter()
    print(json.dumps({"import": imported - start, "load": loaded - imported, "merge": merged - loaded,
                      "save": saved - merged, "threads": torch.get_num_threads()}))


class Run:
    """One process: seconds from start to end, the largest resident set, what it printed."""

    def __init__(self, command):
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            start = time.perf_counter()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            output.seek(0)
            errors.seek(0)
            self.output = output.read().decode(errors="replace")
            if process.returncode != 0:
                lines = errors.read().decode(errors="replace").strip().splitlines()
                raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}: {lines[-1] if lines else ''}")
        # Bytes on macOS, KiB elsewhere.
        self.peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def weight_files(folder):
    """The weight files of a model's folder, relative to it."""
    index = os.path.join(folder, "model.safetensors.index.json")
    if os.path.exists(index):
        with open(index, encoding="utf-8") as file:
            return sorted(set(json.load(file)["weight_map"].values()))
    return ["model.safetensors"]


def tensor_places(folder):
    from safetensors import safe_open

    places = {}
    for name in weight_files(folder):
        path = os.path.join(folder, name)
        with safe_open(path, framework="pt") as file:
            places.update((key, path) for key in file.keys())
    return places


def ordered(tensor):
    """The bits of a floating-point tensor as integers in the order of its values, so that neighbors differ by 1."""
    import torch

    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    numbers = tensor.contiguous().view(bits).to(torch.int64)
    return torch.where(numbers < 0, torch.iinfo(bits).min - numbers, numbers)


def compare(one, other):
    """Counts, over all tensors that both have, equal elements and the greatest distance in units of the last place."""
    import torch
    from safetensors import safe_open

    ones, others = tensor_places(one), tensor_places(other)
    result = {"tensors": 0, "elements": 0, "different": 0, "worst_ulp": 0, "worst_tensor": None, "not_comparable": [],
              "only_safemerge": sorted(ones.keys() - others.keys()), "only_peft": sorted(others.keys() - ones.keys())}
    for name in sorted(ones.keys() & others.keys()):
        with safe_open(ones[name], framework="pt") as file:
            left = file.get_tensor(name)
        with safe_open(others[name], framework="pt") as file:
            right = file.get_tensor(name)
        if left.dtype != right.dtype or left.shape != right.shape:
            result["not_comparable"].append(name)
            continue
        result["tensors"] += 1
        result["elements"] += left.numel()
        if torch.equal(left.view(torch.uint8), right.view(torch.uint8)):
            continue
        distance = (ordered(left) - ordered(right)).abs()
        result["different"] += int((distance > 0).sum())
        worst = int(distance.max())
        if worst > result["worst_ulp"]:
            result["worst_ulp"], result["worst_tensor"] = worst, name
    return result


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


def versions():
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "transformers", "peft", "safetensors")}


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def span(values, digits=2):
    return f"median {statistics.median(values):.{digits}f}, {min(values):.{digits}f} to {max(values):.{digits}f}"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", help="folder with the base model")
    parser.add_argument("adapter", help="folder with the adapter")
    parser.add_argument("--safemerge", default=".build/release/safemerge", help="the program (%(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each (%(default)s)")
    parser.add_argument("--warmup", type=int, default=1, help="runs before them that do not count (%(default)s)")
    parser.add_argument("--output-folder", help="where results are written (the folder that holds the base)")
    parser.add_argument("--safe-merge", action="store_true", help="PEFT's merge_and_unload(safe_merge=True)")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    parser.add_argument("arguments", nargs="*", help="behind --: further arguments of safemerge")
    arguments = parser.parse_args()
    if arguments.runs < 1 or arguments.warmup < 0:
        parser.error("--runs is at least 1 and --warmup not negative")
    return arguments


def measure(arguments, place):
    ours, theirs = os.path.join(place, "safemerge"), os.path.join(place, "peft")
    commands = [
        ([arguments.safemerge, "merge", arguments.base, arguments.adapter, "--output", ours, "--quiet",
          *arguments.arguments], ours),
        ([sys.executable, os.path.abspath(__file__), "--peft-child", arguments.base, arguments.adapter, theirs,
          "safe" if arguments.safe_merge else "plain"], theirs),
    ]
    runs = ([], [])
    rounds = arguments.warmup + arguments.runs
    for number in range(rounds):
        for (command, output), results in zip(commands, runs):
            run = Run(command)
            if number >= arguments.warmup:
                results.append(run)
            if number + 1 < rounds:
                remove(output)
        if not arguments.json and number >= arguments.warmup:
            one, other = runs[0][-1], runs[1][-1]
            print(f"  safemerge {one.seconds:8.2f} s {one.peak / 2**20:9.1f} MiB   "
                  f"PEFT {other.seconds:8.2f} s {other.peak / 2**20:9.1f} MiB   ratio {other.seconds / one.seconds:6.1f}",
                  flush=True)
    return runs, compare(ours, theirs)


def main():
    if sys.argv[1:2] == ["--peft-child"]:
        base, adapter, output, mode = sys.argv[2:]
        merge_with_peft(base, adapter, output, mode == "safe")
        return
    arguments = parse_arguments()
    parent = arguments.output_folder or os.path.dirname(os.path.abspath(arguments.base))
    size = sum(os.path.getsize(os.path.join(arguments.base, name)) for name in weight_files(arguments.base))
    if not arguments.json:
        print(f"{size} bytes; {processor()}, {os.cpu_count()} processors; "
              + ", ".join(f"{name} {number}" for name, number in versions().items()))
    place = tempfile.mkdtemp(prefix=".compare.", dir=parent)
    try:
        (ours, theirs), differences = measure(arguments, place)
    finally:
        remove(place)
    details = [json.loads(run.output.strip().splitlines()[-1]) for run in theirs]
    # PEFT without the interpreter's start and the imports: what a process that is already running would wait for.
    warm = [detail["load"] + detail["merge"] + detail["save"] for detail in details]
    ratios = [other.seconds / one.seconds for one, other in zip(ours, theirs)]
    warm_ratios = [seconds / one.seconds for one, seconds in zip(ours, warm)]
    peaks = [max(run.peak for run in runs) for runs in (ours, theirs)]
    if arguments.json:
        print(json.dumps({
            "benchmark": "compare_with_peft", "processor": processor(), "processors": os.cpu_count(),
            "versions": versions(), "base": arguments.base, "adapter": arguments.adapter, "bytes": size,
            "arguments": arguments.arguments, "safe_merge": arguments.safe_merge,
            "safemerge_seconds": [run.seconds for run in ours], "peft_seconds": [run.seconds for run in theirs],
            "peft_steps": details, "peft_over_safemerge": ratios, "peft_without_imports_over_safemerge": warm_ratios,
            "safemerge_peak_rss_bytes": peaks[0], "peft_peak_rss_bytes": peaks[1], "differences": differences}))
        return
    print(f"  safemerge             {span([run.seconds for run in ours])} s, peak {peaks[0] / 2**20:.1f} MiB")
    print(f"  PEFT                  {span([run.seconds for run in theirs])} s, peak {peaks[1] / 2**20:.1f} MiB")
    print(f"  PEFT without imports  {span(warm)} s")
    print(f"  ratio                 {span(ratios, 1)}; without imports {span(warm_ratios, 1)}")
    equal = 100 * (1 - differences["different"] / max(1, differences["elements"]))
    print(f"  results               {differences['tensors']} tensors, {differences['elements']} elements: {equal:.6f} % "
          f"equal, {differences['different']} differ, at most {differences['worst_ulp']} ulp apart")
    for key, text in (("only_safemerge", "only in safemerge's result"), ("only_peft", "only in PEFT's result"),
                      ("not_comparable", "another dtype or shape")):
        names = differences[key]
        if names:
            print(f"  {text}: {len(names)} tensors, the first {names[0]}")


if __name__ == "__main__":
    main()
