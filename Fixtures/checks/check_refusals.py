#!/usr/bin/env python3
"""Damages every adapter of the image cases, and expects a rejection: check_refusals.py PROGRAM [FOLDER] [options]

    --only TEXT   cases whose id contains TEXT
    --all         every tensor; else of each adapter one tensor of every ending and number of dimensions
    --jobs N      processes at a time (default 2)

PROGRAM is split as in a shell. FOLDER is Fixtures/image/cases unless it is given. One tensor at a time is

- dropped,
- renamed: its last component gets a letter more, or is replaced by one that means nothing,
- joined by a key that means nothing in the same module,
- made one larger or smaller along one dimension.

The merge must end with exit status 3, with one line that names a file, and without an output. Accepted are, by rule:

- a dropped alpha: the scale is 1, of OFT there is no bound;
- a dropped optional part: the magnitudes of DoRA, the scales of OFT, the bias of `lora_B`; and a difference, a norm, a whole tensor or
  OFT blocks that were all that was trained of their parameter: what is left is an adapter without them;
- keys that are not for the model: a bundle of embeddings, which the plan lists as not merged.

Everything else that is merged is an error: some of the adapter was dropped, or something was guessed.
"""

import argparse
import concurrent.futures
import json
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile

FIXTURES = pathlib.Path(__file__).resolve().parents[1]
#: Bytes of an element.
SIZES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "U8": 1, "I8": 1, "BOOL": 1}
#: What may be missing without another meaning for the rest.
OPTIONAL = (".alpha", ".dora_scale", ".lora_magnitude_vector", ".lora_magnitude_vector.weight", ".magnitude", ".rescale",
            ".lora_B.bias", ".diff", ".diff_b", ".diff_m", ".w_norm", ".b_norm", ".set_weight",
            ".norm.query_norm.scale", ".norm.key_norm.scale")  # fmt: skip
#: Not for the model.
BUNDLES = ("bundle_emb.",)


def read(path):
    """({key: (dtype, shape, bytes)}, metadata)"""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    metadata = header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[key] = entry["dtype"], entry["shape"], content[start + first : start + last]
    return tensors, metadata


def write(path, tensors, metadata):
    header, end = {} if metadata is None else {"__metadata__": metadata}, 0
    for key, (dtype, shape, data) in tensors.items():
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for *_, data in tensors.values()))


def resized(tensor, axis, by):
    """The tensor with another size of one dimension, its data cut or repeated; None: nothing would be left."""
    dtype, shape, data = tensor
    shape = [size + by * (place == axis) for place, size in enumerate(shape)]
    count = SIZES[dtype]
    for size in shape:
        count *= size
    return (dtype, shape, (data * (count // max(len(data), 1) + 2))[:count]) if count and data else None


def mutants(tensors, every):
    """(what was done, key, tensors) of each damage."""
    seen = set()
    for key, tensor in tensors.items():
        kind = re.search(r"(\.[^.]*){1,2}$", key).group() if "." in key else key, len(tensor[1])
        if kind in seen and not every:
            continue
        seen.add(kind)
        module = key.rpartition(".")[0]
        yield "drop", key, {k: t for k, t in tensors.items() if k != key}
        yield "rename", key, {key + "x" if k == key else k: t for k, t in tensors.items()}
        yield "rename", key, {module + ".zzz" if k == key else k: t for k, t in tensors.items()}
        yield "add", key, {**tensors, module + ".unknown_key": ("F32", [2], bytes(8))}
        for axis in range(len(tensor[1])):
            for by in (1, -1):
                if (other := resized(tensor, axis, by)) is not None:
                    yield f"dimension {axis} {by:+d}", key, {**tensors, key: other}


def is_allowed(what, key, tensors):
    if key.startswith(BUNDLES):
        return True
    if what != "drop":
        return False
    if key.endswith(".oft_blocks"):
        return not any(other.startswith(key.removesuffix("oft_blocks")) for other in tensors)
    return key.endswith(OPTIONAL)


def run(program, case, folder, number, what, key, tensors, metadata):
    """(what went wrong, or None; whether it was merged)"""
    with tempfile.TemporaryDirectory(prefix="check-refusals-") as place:
        mutant, output = pathlib.Path(place, "mutant.safetensors"), pathlib.Path(place, "merged.safetensors")
        write(mutant, tensors, metadata)
        base = (folder / case["base"]).resolve()
        if base.is_dir():
            output = output.with_suffix("")
        words = []
        for place_of, adapter in enumerate(case["adapters"]):
            path = mutant if place_of == number else folder / adapter["file"]
            words.append(str(path) + ("" if adapter["weight"] == 1 else f"={adapter['weight']:g}"))
        words = [*program, "merge", str(base), *words, *case.get("options", []), "--quiet", "-o", str(output)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode == 0:
            return (None if is_allowed(what, key, tensors) else "was merged"), True
        said = [line for line in done.stderr.splitlines() if line.startswith("error:")]
        if done.returncode != 3:
            return f"exit {done.returncode}: {said[:1]}", False
        if len(said) != 1 or ".safetensors" not in said[0] and str(base) not in said[0]:
            return f"no line with a file: {said}", False
        left = sorted(path.name for path in output.parent.iterdir() if path != mutant)
        return (f"left {left}" if left else None), False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=shlex.split)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=FIXTURES / "image" / "cases")
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    jobs = []
    for description in sorted(arguments.folder.resolve().glob("*/case.json")):
        case, folder = json.loads(description.read_text()), description.parent
        if arguments.only not in case["id"] or case["expect"] != "merge":
            continue
        for number, adapter in enumerate(case["adapters"]):
            if (folder / adapter["file"]).is_file():
                tensors, metadata = read(folder / adapter["file"])
                jobs += [(case, folder, number, *one, metadata) for one in mutants(tensors, arguments.all)]
    failed = merged = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for job, (error, is_merged) in zip(jobs, pool.map(lambda job: run(arguments.program, *job), jobs)):
            merged += is_merged and not error
            if error:
                failed += 1
                print(f"{job[0]['id']}: {job[3]} {job[4]}: {error}")
    print(f"{len(jobs)} damaged adapters: {len(jobs) - merged - failed} rejected, {merged} merged by rule, {failed} wrong")
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
