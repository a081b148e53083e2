#!/usr/bin/env python3
"""Extracts and resizes adapters with safemerge and with torch, and compares times, memory and the energy that is kept.

    compare_extract.py SAFEMERGE [--benchmark .build/release/MergeBenchmark] [--folder /dev/shm] [--rank 32] [--every 6] [--runs 3]

MergeBenchmark makes a base of 1.2 billion parameters in bf16. The tuned model is the base with an adapter of rank 64 merged into it, whose
singular values decay, and with noise on all linear layers. torch decomposes the difference of each module in fp32 by a full
torch.linalg.svd, module after module. That takes long: by default it does so for every 6th module of each shape, and the time is scaled up
by their number; the output says so. The time has neither the imports nor the writing of a file.

An adapter of rank 192, 609 MB in fp32, is resized to the rank by safemerge and by torch (two QRs, and an SVD of the core), and copied by cp.

Every run is a process of its own; both use all processors. Times are medians of several runs in turn, except for torch's SVDs, which run
once. Needs Linux or macOS, Python 3.10 or later, torch, safetensors, and 9 GB in the folder.
"""

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from compare_with_peft import Run, processor

PREFIX = "base_model.model."


def linear_layers(file):
    """The names of the weights of linear layers."""
    return [name for name in file.keys() if "_proj.weight" in name]


# MARK: Inputs


def decay(adapter):
    """Gives the products of an adapter's factors singular values that decay, as those of training do."""
    import torch
    from safetensors.torch import load_file, save_file

    path = os.path.join(adapter, "adapter_model.safetensors")
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if ".lora_A." in name:
            tensor *= torch.arange(1, len(tensor) + 1).pow(-0.7)[:, None] * 4
    save_file(tensors, path, metadata={"format": "pt"})


def add_noise(model, deviation):
    """Adds normally distributed numbers to the linear layers of a bf16 model, in its file."""
    import numpy
    import torch

    path = os.path.join(model, "model.safetensors")
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    data = numpy.memmap(path, dtype=numpy.uint8, mode="r+", offset=8 + length)
    generator = torch.Generator().manual_seed(1)
    for name, entry in header.items():
        if "_proj.weight" not in name:
            continue
        start, end = entry["data_offsets"]
        weight = torch.from_numpy(data[start:end].view(numpy.int16)).view(torch.bfloat16)
        weight.copy_(weight.float() + torch.randn(weight.shape, generator=generator) * deviation)
    data.flush()


def make_inputs(program, benchmark, folder, noise):
    """A process of its own: a child's peak memory is at least what its parent had in memory when it was started."""
    make = [benchmark, "make", folder, "--size", "1.2b"]
    Run(make)
    Run([*make, "--adapter-only", "--adapter", "r64", "--rank", "64"])
    Run([*make, "--adapter-only", "--adapter", "r192", "--rank", "192"])
    for name in ("r64", "r192"):
        decay(f"{folder}/{name}")
    Run([program, "merge", "-q", f"{folder}/base", f"{folder}/r64", "-o", f"{folder}/tuned"])
    add_noise(f"{folder}/tuned", float(noise))


# MARK: torch


def extract_with_torch(base, tuned, ours, rank, every):
    """A process of its own: prints one JSON line with seconds by shape, and for each module the share that is kept by both."""
    import torch
    from safetensors import safe_open

    rank, every = int(rank), int(every)
    shapes = collections.defaultdict(list)
    with safe_open(f"{base}/model.safetensors", framework="pt") as before:
        for name in linear_layers(before):
            shapes[tuple(before.get_slice(name).get_shape())].append(name)
    seconds, shares = {}, {}
    with safe_open(f"{base}/model.safetensors", framework="pt") as before, \
            safe_open(f"{tuned}/model.safetensors", framework="pt") as after, \
            safe_open(f"{ours}/adapter_model.safetensors", framework="pt") as factors:
        for shape, names in shapes.items():
            chosen, spent = names[::every], 0.0
            for name in chosen:
                start = time.perf_counter()
                delta = after.get_tensor(name).float() - before.get_tensor(name).float()
                u, s, v = torch.linalg.svd(delta, full_matrices=False)
                root = s[:rank].sqrt()
                b = (u[:, :rank] * root).to(torch.bfloat16)
                a = (root[:, None] * v[:rank]).to(torch.bfloat16)
                spent += time.perf_counter() - start
                key = PREFIX + name.removesuffix(".weight")
                total = delta.double().pow(2).sum()

                def share(b, a):
                    return 1 - float((delta - b.float() @ a.float()).double().pow(2).sum() / total)

                own = [factors.get_tensor(f"{key}.lora_{factor}.weight") for factor in "BA"]
                shares[name] = (share(*own), share(b, a))
            seconds["x".join(map(str, shape))] = {
                "modules": len(names), "done": len(chosen), "seconds": spent * len(names) / len(chosen)}
    print(json.dumps({"shapes": seconds, "shares": shares, "threads": torch.get_num_threads()}))


def resize_with_torch(adapter, output, rank):
    """A process of its own: every product of an adapter is truncated without being formed; prints the seconds without imports."""
    import torch
    from safetensors.torch import load_file, save_file

    rank = int(rank)
    start = time.perf_counter()
    tensors = load_file(f"{adapter}/adapter_model.safetensors")
    with open(f"{adapter}/adapter_config.json", encoding="utf-8") as file:
        config = json.load(file)
    scaling = config["lora_alpha"] / config["r"]
    for name in [name for name in tensors if ".lora_A." in name]:
        other = name.replace(".lora_A.", ".lora_B.")
        qb, rb = torch.linalg.qr(tensors[other])
        qa, ra = torch.linalg.qr(tensors[name].T)
        u, s, v = torch.linalg.svd(rb @ ra.T * scaling, full_matrices=False)
        root = s[:rank].sqrt()
        tensors[other] = (qb @ (u[:, :rank] * root)).contiguous()
        tensors[name] = ((root[:, None] * v[:rank]) @ qa.T).contiguous()
    os.mkdir(output)
    save_file(tensors, f"{output}/adapter_model.safetensors", metadata={"format": "pt"})
    print(json.dumps({"seconds": time.perf_counter() - start}))


# MARK: Measuring


def last_event(run):
    return json.loads(run.output.strip().splitlines()[-1])


def child(*arguments):
    return [sys.executable, os.path.abspath(__file__), *map(str, arguments)]


def remove(path):
    subprocess.run(["rm", "-rf", path], check=True)


def median(runs):
    return statistics.median(run.seconds for run in runs)


def peak(runs):
    return max(run.peak for run in runs) / 2**20


def measure_extract(options, folder):
    output = f"{folder}/extracted"
    ours = []
    for _ in range(options.runs):
        remove(output)
        ours.append(Run([options.program, "extract", f"{folder}/base", f"{folder}/tuned", "-o", output, "--rank",
                         str(options.rank), "--dtype", "bfloat16", "--json"]))
    theirs = Run(child("--extract", f"{folder}/base", f"{folder}/tuned", output, options.rank, options.every))
    found, event = last_event(theirs), last_event(ours[-1])
    modules = sum(shape["modules"] for shape in found["shapes"].values())
    done = sum(shape["done"] for shape in found["shapes"].values())
    seconds = sum(shape["seconds"] for shape in found["shapes"].values())
    said = {factor["module"]: factor["share"] for factor in event["factors"]}
    behind = max(other - one for one, other in found["shares"].values())
    return {
        "modules": modules, "safemerge_seconds": [run.seconds for run in ours], "safemerge_peak_mib": peak(ours),
        "torch_seconds": seconds, "torch_modules": done, "torch_peak_mib": peak([theirs]), "torch_shapes": found["shapes"],
        "ratio": seconds / median(ours), "share": event["share"],
        "share_of_done": [statistics.mean(pair[side] for pair in found["shares"].values()) for side in (0, 1)],
        "largest_share_behind": behind,
        "largest_share_misstated": max(
            abs(said[name.removesuffix(".weight")] - one) for name, (one, _) in found["shares"].items()),
    }


def measure_resize(options, folder):
    source, output = f"{folder}/r192", f"{folder}/resized"
    commands = {
        "safemerge": [options.program, "resize", source, "-o", output, "--rank", str(options.rank), "--json"],
        "cp": ["cp", "-r", source, output],
        "torch": child("--resize", source, output, options.rank),
    }
    runs = {name: [] for name in commands}
    for _ in range(options.runs):
        for name, command in commands.items():
            remove(output)
            runs[name].append(Run(command))
    remove(output)
    return {
        "bytes": os.path.getsize(f"{source}/adapter_model.safetensors"),
        "seconds": {name: [run.seconds for run in made] for name, made in runs.items()},
        "torch_seconds_without_imports": [last_event(run)["seconds"] for run in runs["torch"]],
        "peak_mib": {name: peak(made) for name, made in runs.items()},
        "ratio_to_cp": median(runs["safemerge"]) / median(runs["cp"]),
        "ratio_of_torch": median(runs["torch"]) / median(runs["safemerge"]),
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=os.path.abspath, help="safemerge")
    parser.add_argument("--benchmark", default=".build/release/MergeBenchmark", type=os.path.abspath, help="(%(default)s)")
    parser.add_argument("--folder", default="/dev/shm", help="where models and results are written (%(default)s)")
    parser.add_argument("--rank", type=int, default=32, help="(%(default)s)")
    parser.add_argument("--every", type=int, default=6, help="of each shape torch decomposes one module in so many (%(default)s)")
    parser.add_argument("--noise", type=float, default=1e-4, help="standard deviation of the noise (%(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="timed runs (%(default)s)")
    parser.add_argument("--only", choices=["extract", "resize"], help="one of both")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    if options.every < 1 or options.runs < 1:
        parser.error("--every and --runs are at least 1")
    return options


def tell_extract(found, options):
    print(f"extract --rank {options.rank} --dtype bfloat16, {found['modules']} modules")
    print(f"  safemerge  {statistics.median(found['safemerge_seconds']):8.2f} s, peak {found['safemerge_peak_mib']:7.1f} MiB, "
          f"{found['share'] * 100:.4f} % of the squared norm kept")
    scaled = "" if found["torch_modules"] == found["modules"] else (
        f", scaled up from {found['torch_modules']} of {found['modules']} modules")
    print(f"  torch      {found['torch_seconds']:8.2f} s, peak {found['torch_peak_mib']:7.1f} MiB{scaled}")
    print(f"  ratio      {found['ratio']:8.1f}")
    one, other = found["share_of_done"]
    print(f"  share of the squared norm in the factors as written, mean of the {found['torch_modules']} modules: "
          f"safemerge {one * 100:.5f} %, torch {other * 100:.5f} %; of one module safemerge has at most "
          f"{max(0, found['largest_share_behind']) * 100:.5f} % less")


def tell_resize(found, options):
    print(f"resize --rank {options.rank}, {found['bytes'] / 1e6:.0f} MB")
    for name, seconds in found["seconds"].items():
        print(f"  {name:9}  {statistics.median(seconds):8.2f} s, peak {found['peak_mib'][name]:7.1f} MiB")
    bare = statistics.median(found["torch_seconds_without_imports"])
    print(f"  safemerge / cp {found['ratio_to_cp']:.1f}, torch / safemerge {found['ratio_of_torch']:.1f} "
          f"(torch without imports {bare:.2f} s)")


def main():
    if sys.argv[1:2] == ["--make"]:
        return make_inputs(*sys.argv[2:])
    if sys.argv[1:2] == ["--extract"]:
        return extract_with_torch(*sys.argv[2:])
    if sys.argv[1:2] == ["--resize"]:
        return resize_with_torch(*sys.argv[2:])
    options = parse_arguments()
    if not options.json:
        print(f"{processor()}, {os.cpu_count()} processors", flush=True)
    with tempfile.TemporaryDirectory(prefix="compare-extract-", dir=options.folder) as folder:
        Run(child("--make", options.program, options.benchmark, folder, options.noise))
        found = {}
        for name, measure, tell in (("resize", measure_resize, tell_resize), ("extract", measure_extract, tell_extract)):
            if options.only in (None, name):
                found[name] = measure(options, folder)
                if not options.json:
                    tell(found[name], options)
                    sys.stdout.flush()
    if options.json:
        print(json.dumps({"benchmark": "compare_extract", "processor": processor(), "processors": os.cpu_count(), **found}))


if __name__ == "__main__":
    main()
