#!/usr/bin/env python3
"""Merges every case of a folder with a program and compares the results: check_image.py PROGRAM [FOLDER] [options]

    --only TEXT   cases whose id contains TEXT
    --required    without the cases marked optional
    --keep DIR    leaves the outputs there
    -v            also prints the program's last message of every case

PROGRAM is split as in a shell and called as `PROGRAM merge BASE ADAPTER[=WEIGHT]... -o OUT`. FOLDER is Fixtures/image/cases
unless it is given. A case that must be rejected passes if the exit status is 3, if one line says why and names file and tensor, and
if there is no output. The output of a merge must have the tensors of the base with their dtypes and shapes. Those that the case does
not name must have the same bytes; the others must be right:

- exact cases: the nearest number of the dtype, ties to even (F32: within two units in the last place);
- others: within half a unit in the last place plus `rel` of the tensor's largest number;
- fp8 ("decoded"): within the rounding of the dtype and, in fp8, of a scale chosen for the tensor.

A file's metadata must not keep the base's checksum nor take the adapter's. In folders the other files must be copied, and indexes
must name the file of every tensor. Needs numpy alone.
"""

import argparse
import json
import pathlib
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np

FIXTURES = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(FIXTURES))
from generator.image_cases.tensors import FP8, NUMPY, rounded  # noqa: E402

#: Bits after the leading one, and the exponent of the smallest normal number.
PRECISION = {"F64": (52, -1022), "F32": (23, -126), "F16": (10, -14), "BF16": (7, -126), "F8_E4M3": (3, -6)}
#: Checksums of a file's data, which a merge makes wrong.
CHECKSUMS = ("modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash")
#: Describes the fp8 layers of a file.
QUANTIZATION = "_quantization_metadata"
#: Tensors that belong to a quantized weight and may change or go with it.
SCALES = ("scale_weight", "weight_scale", "scale_input", "input_scale", "comfy_quant")


class Stored:
    """A tensor in a file: dtype, shape and bytes."""

    def __init__(self, entry, data):
        self.dtype, self.shape = entry["dtype"], tuple(entry["shape"])
        self.bytes = data[entry["data_offsets"][0] : entry["data_offsets"][1]]

    def values(self):
        if self.dtype == "BF16":
            plain = (np.frombuffer(self.bytes, np.uint16).astype(np.uint32) << 16).view(np.float32)
        elif self.dtype == "F8_E4M3":
            plain = FP8[np.frombuffer(self.bytes, np.uint8)]
        else:
            plain = np.frombuffer(self.bytes, NUMPY[self.dtype])
        return plain.astype(np.float64).reshape(self.shape)


def read(path):
    """({name: Stored}, metadata) of a file whose data has no holes."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    end = 0
    for start, stop in sorted(entry["data_offsets"] for entry in header.values()):
        if start != end:
            raise ValueError(f"{path.name}: data with a hole or an overlap at {end}")
        end = stop
    if 8 + length + end != len(content):
        raise ValueError(f"{path.name}: {len(content)} bytes, the header says {8 + length + end}")
    return {name: Stored(entry, content[8 + length :]) for name, entry in header.items()}, metadata


def model(path):
    """({(folder, name): Stored}, {folder: {name: file}}) of a file or folder. A single file is the folder ""."""
    if path.is_file():
        return {("", name): tensor for name, tensor in read(path)[0].items()}, {}
    found, places = {}, {}
    for file in sorted(path.rglob("*.safetensors")):
        folder = str(file.parent.relative_to(path))
        for name, tensor in read(file)[0].items():
            found.setdefault((folder, name), tensor)
            places.setdefault(folder, {})[name] = file.name
    return found, places


def unit(values, dtype):
    """One unit in the last place of every number."""
    bits, smallest = PRECISION[dtype]
    exponent = np.maximum(np.frexp(np.abs(values))[1] - 1, smallest)
    return np.ldexp(1.0, exponent - bits)


def expected_tensors(case, folder, is_file):
    found = {}
    for key, tensor in read(folder / case["expected"])[0].items():
        file, _, name = key.rpartition("|")
        found["" if is_file else str(pathlib.PurePosixPath(file).parent), name] = tensor.values()
    return found


def compare(case, key, expected, base, output):
    """The errors of one changed tensor, and its largest distance."""
    tensor, tolerance = output[key], case.get("tolerance", {})
    if tensor.shape != expected.shape:
        return [f"shape {tensor.shape} in place of {expected.shape}"], 0.0
    values, largest = tensor.values(), np.abs(expected).max()
    if tolerance.get("decoded"):
        scaled = False
        for ending in SCALES[:2]:
            scale = output.get((key[0], key[1].removesuffix("weight") + ending))
            if scale is not None and tensor.dtype == "F8_E4M3":
                values, scaled = values * scale.values().reshape(-1)[0], True
        limit = 0.505 * unit(expected, tensor.dtype) + 1e-6 * largest
        if tensor.dtype == "F8_E4M3":
            # A scale that is no power of two moves the places of the codes; below the normal codes steps are equal.
            limit = np.abs(expected) * 2.0**-4 * 1.01 + (largest if scaled else 1.0) * 2.0**-9
    else:
        if tensor.dtype != base[key].dtype:
            return [f"dtype {tensor.dtype} in place of {base[key].dtype}"], 0.0
        if case["exact"]:
            limit = 2 * unit(expected, "F32") if tensor.dtype == "F32" else np.zeros_like(expected)
            expected = rounded(expected, tensor.dtype)
        else:
            limit = 0.5001 * unit(expected, tensor.dtype) + tolerance.get("rel", 1e-6) * largest
    distance = np.abs(values - expected)
    wrong = ~(distance <= limit)
    if not wrong.any():
        return [], distance.max() / largest
    before = base[key].values()
    same = before.shape == values.shape and np.array_equal(before, values)
    text = "left as it was" if same else f"largest distance {distance.max():.3g}, largest number {largest:.3g}"
    return [f"{int(wrong.sum())} of {wrong.size} numbers are wrong, {text}"], distance.max() / largest


def check(case, folder, base_path, output_path):
    base, _ = model(base_path)
    output, places = model(output_path)
    expected = expected_tensors(case, folder, base_path.is_file())
    loose = set()
    if case.get("tolerance", {}).get("decoded"):
        loose = {(part, name.removesuffix("weight") + ending) for part, name in expected for ending in SCALES}
    errors, worst = [], 0.0
    for key in sorted(set(base) - set(output) - loose):
        errors.append(f"{key[1]}: missing")
    for key in sorted(set(output) - set(base) - loose):
        errors.append(f"{key[1]}: not in the base")
    for key in sorted(set(base) & set(output) - set(expected) - loose):
        if (output[key].dtype, output[key].shape, output[key].bytes) != (base[key].dtype, base[key].shape, base[key].bytes):
            errors.append(f"{key[1]}: changed, and should not be")
    for key in sorted(set(expected) & set(output)):
        found, distance = compare(case, key, expected[key], base, output)
        errors += [f"{key[1]}: {text}" for text in found]
        worst = max(worst, distance)
    if base_path.is_file():
        errors += metadata(base_path, output_path)
    else:
        errors += other_files(base_path, output_path, places)
    return errors, worst


def metadata(base, output):
    before, after = read(base)[1], read(output)[1]
    errors = [f"metadata {key}: of the base's data" for key in CHECKSUMS if key in after and after[key] == before.get(key)]
    kept = {key: value for key, value in before.items() if key not in CHECKSUMS and key != QUANTIZATION}
    errors += [f"metadata {key}: lost or changed" for key, value in kept.items() if after.get(key) != value]
    if QUANTIZATION in before:
        described = {f"{layer}.weight" for layer in json.loads(after.get(QUANTIZATION, '{"layers": {}}'))["layers"]}
        quantized = {name for name, tensor in read(output)[0].items() if tensor.dtype == "F8_E4M3"}
        if described != quantized:
            errors.append(f"metadata {QUANTIZATION}: other layers than those in fp8: {sorted(described ^ quantized)[:3]}")
    foreign = [key for key in after if key.startswith(("ss_", "lora_adapter_metadata")) and key not in before]
    return errors + [f"metadata {key}: of the adapter" for key in foreign]


def other_files(base, output, places):
    errors = []
    for file in sorted(base.rglob("*")):
        copy = output / file.relative_to(base)
        if file.is_file() and file.suffix != ".safetensors" and ".safetensors.index." not in file.name:
            if not copy.is_file() or copy.read_bytes() != file.read_bytes():
                errors.append(f"{file.relative_to(base)}: {'other bytes' if copy.is_file() else 'not copied'}")
    for index in sorted(output.rglob("*.safetensors.index*.json")):
        folder = str(index.parent.relative_to(output))
        if json.loads(index.read_text())["weight_map"] != places.get(folder):
            errors.append(f"{index.relative_to(output)}: does not name the files of the tensors")
    return errors


def rejection(status, lines, base, adapters):
    """The errors of a rejection: one line must name the base, or an adapter and one of its tensors."""
    errors = []
    if status != 3:
        errors.append("was merged" if status == 0 else f"exit {status} in place of 3")
    said = [line for line in lines if line.startswith("error:")]
    if len(said) != 1:
        return [*errors, f"{len(said)} lines with an error in place of one"]
    if str(base) in said[0]:
        return errors
    named = [adapter for adapter in adapters if str(adapter) in said[0]]
    if not named:
        return [*errors, f"no file is named: {said[0]}"]
    try:
        keys = read(named[0])[0]
    except (ValueError, struct.error, MemoryError):
        return errors
    if keys and not any(key in said[0] for key in keys):
        errors.append(f"no tensor is named: {said[0]}")
    return errors


def run(program, case, folder, output):
    """(errors, worst distance, the program's last message)"""
    base = (folder / case["base"]).resolve()
    adapters = [str(folder / a["file"]) + ("" if a["weight"] == 1 else f"={a['weight']:g}") for a in case["adapters"]]
    words = [*program, "merge", str(base), *adapters, *case.get("options", []), "-o", str(output)]
    done = subprocess.run(words, capture_output=True, text=True)
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    message = f"exit {done.returncode}: " + " / ".join(lines[:3])
    if case["expect"] == "refuse":
        errors = rejection(done.returncode, lines, base, [folder / a["file"] for a in case["adapters"]])
        if output.exists():
            errors.append("left an output")
        return errors, 0.0, message
    if done.returncode:
        return [message], 0.0, message
    try:
        return *check(case, folder, base, output), message
    except (ValueError, KeyError, OSError) as error:
        return [f"{type(error).__name__}: {error}"], 0.0, message


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=shlex.split)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, default=FIXTURES / "image" / "cases")
    parser.add_argument("--only", default="")
    parser.add_argument("--required", action="store_true")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("-v", action="store_true", dest="verbose")
    arguments = parser.parse_args()
    place = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="check-image-"))
    place.mkdir(parents=True, exist_ok=True)
    passed, failed, optional = 0, [], []
    for description in sorted(arguments.folder.resolve().glob("*/case.json")):
        case, folder = json.loads(description.read_text()), description.parent
        if arguments.only not in case["id"] or arguments.required and case.get("optional"):
            continue
        output = place / (case["id"] + ("" if (folder / case["base"]).is_dir() else ".safetensors"))
        shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
        errors, worst, message = run(arguments.program, case, folder, output)
        if errors:
            (optional if case.get("optional") else failed).append(case["id"])
        passed += not errors
        verdict = "ok" if not errors else "optional" if case.get("optional") else "FAIL"
        print(f"{verdict:8} {case['id']:40} {case['layout']:22} {case['dialect']:24} {case['method']:14} {worst:.1e}")
        for text in errors[:6] + ([message] if arguments.verbose else []):
            print("         ", text)
    if not arguments.keep:
        shutil.rmtree(place, ignore_errors=True)
    print(f"{passed} passed, {len(failed)} failed, {len(optional)} optional failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
