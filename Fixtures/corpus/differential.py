"""Compares safemerge's verdict on mutated safetensors files with that of the reference, Python's safetensors 0.8.

    python3 Fixtures/corpus/differential.py PROGRAM [CASES [SEED]]

Headers are mutated as JSON (types, numbers, offsets, shapes, keys that stand twice, members left out or added), some as bytes,
and judged in batches: by `safetensors.deserialize`, and by PROGRAM, which is safemerge or what `.ci/nightly/differential` builds of its
sources and answers `ls --format json`. Where both accept, names, dtypes and
shapes must be the same. Every difference must be one of the departures below, which the case itself must show; any other ends
the run with exit code 1 and the case's path. The last line gives the counts.
"""

import json
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

import safetensors

DTYPES = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32,
    "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E8M0": 8, "C64": 64,
}  # fmt: skip
NUMBERS = [
    "0", "1", "2", "3", "7", "8", "-0", "-1", "2.0", "1e0", "1e999", "1e-999", "9223372036854775807", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "4611686018427387904", "2305843009213693952", "4294967296", "00", "01",
    "+1", ".5", "1.", "0x1", "100000000000000000000000000000000",
]  # fmt: skip
TOKENS = NUMBERS + [
    "null", "true", "false", "NaN", "Infinity", "True", "nul", "[]", "{}", "[0]", "[[]]", '""', '"a"', '"F32"', '"f32"',
    '"BF16"', '"\\u0000"', '"\\ud800"', '"\\u00e9"', '"\\x"', '"\t"', "'a'", '{"F32":null}', '["F32",[1],[0,4]]', "[1,]", "{,}",
]  # fmt: skip
KEYS = [
    "a", "b", "c", "", "__metadata__", "dtype", "shape", "data_offsets", "extra", "\\u0061", "\\u0000", "é", "e\u0301", "\\/",
    "data\\u005foffsets", "\\ud83d\\ude00", "\\ud83d",
]  # fmt: skip


# A JSON text as a tree that can hold what no parser returns: raw tokens, and keys that stand twice.
def render(node):
    if isinstance(node, str):
        return node
    if node[0] == "[":
        return "[" + ",".join(map(render, node[1])) + "]"
    return "{" + ",".join(f'"{key}":{render(value)}' for key, value in node[1]) + "}"


def model(rng):
    """A valid header as a tree, and the number of its data bytes."""
    members, end = [], 0
    for name in rng.sample(["a", "b", "c", "layers.0.w", "é", "x/y", ""], rng.randint(0, 4)):
        dtype = rng.choice(list(DTYPES))
        shape = [rng.choice([0, 1, 1, 2, 3, 4, 8]) for _ in range(rng.randint(0, 3))]
        bits = DTYPES[dtype]
        for dimension in shape:
            bits *= dimension
        if bits % 8:
            dtype, bits = "F32", bits // DTYPES[dtype] * 32
        begin, end = end, end + bits // 8
        entry = [
            ("dtype", f'"{dtype}"'), ("shape", ["[", [str(d) for d in shape]]), ("data_offsets", ["[", [str(begin), str(end)]]),
        ]  # fmt: skip
        rng.shuffle(entry)
        members.append((name, ["{", entry]))
    if rng.random() < 0.4:
        values = [(rng.choice(KEYS[:4] + ["format"]), rng.choice(['"pt"', '""', '"\\n"'])) for _ in range(rng.randint(0, 2))]
        members.insert(rng.randint(0, len(members)), ("__metadata__", ["{", list(dict(values).items())]))
    if rng.random() < 0.3:
        rng.shuffle(members)
    return ["{", members], end


def places(node, found):
    """Every place that a child can be replaced at."""
    if isinstance(node, list):
        for index, child in enumerate(node[1]):
            found.append((node, index))
            places(child if node[0] == "[" else child[1], found)
    return found


def mutate(rng, root):
    found = places(root, [])
    if not found or rng.random() < 0.05:
        root[1].append((rng.choice(KEYS), rng.choice(TOKENS)) if root[0] == "{" else rng.choice(TOKENS))
        return
    node, index = rng.choice(found)
    is_object = node[0] == "{"
    kind = rng.randrange(8)
    if kind == 0:
        token = rng.choice(TOKENS)
        node[1][index] = (node[1][index][0], token) if is_object else token
    elif kind == 1:
        value = node[1][index][1] if is_object else node[1][index]
        if isinstance(value, str) and value.isdigit():
            value = str(max(0, int(value) + rng.choice([-1, 1, 4, 8])))
        else:
            value = rng.choice(NUMBERS)
        node[1][index] = (node[1][index][0], value) if is_object else value
    elif kind == 2:
        del node[1][index]
    elif kind == 3:
        node[1].insert(rng.randint(0, len(node[1])), node[1][index])
    elif kind == 4 and is_object:
        node[1][index] = (rng.choice(KEYS), node[1][index][1])
    elif kind == 5:
        other = rng.randrange(len(node[1]))
        node[1][index], node[1][other] = node[1][other], node[1][index]
    elif kind == 6:
        inner = node[1][index][1] if is_object else node[1][index]
        inner = ["[", [inner]] if rng.random() < 0.5 else ["{", [(rng.choice(KEYS), inner)]]
        node[1][index] = (node[1][index][0], inner) if is_object else inner
    elif is_object:
        node[1].insert(rng.randint(0, len(node[1])), (rng.choice(KEYS), rng.choice(TOKENS)))
    else:
        node[1].insert(rng.randint(0, len(node[1])), rng.choice(TOKENS))


def case(rng):
    root, data = model(rng)
    for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 2, 3])):
        mutate(rng, root)
    text = render(root).encode("utf-8", "surrogatepass")
    kind = rng.random()
    if kind < 0.06 and text:
        position = rng.randrange(len(text))
        text = text[:position] + bytes([rng.choice([0, 9, 10, 32, 34, 44, 58, 91, 92, 93, 123, 125, 127, 128, 195, 255])]) + (
            text[position + rng.randint(0, 1) :]
        )
    elif kind < 0.08:
        text = text[: rng.randint(0, len(text))]
    elif kind < 0.12:
        text = rng.choice([b" ", b"\n\t", b"\x0c", b"\xef\xbb\xbf", b"\0"]) + text
    elif kind < 0.2:
        text += rng.choice([b" ", b"   ", b"\r\n", b"\0", b"x", b"{}"])
    if rng.random() < 0.05:
        data = max(0, data + rng.choice([-1, 1, 8]))
    length = len(text) if rng.random() > 0.01 else rng.choice([0, len(text) + 1, 1 << 63, (1 << 64) - 1, 100_000_001])
    return struct.pack("<Q", length) + text + bytes(data)


class Members(dict):
    """An object with the members that a later one of the same key replaced."""

    def __init__(self, pairs):
        super().__init__(pairs)
        self.pairs = pairs


def facts(content):
    """What of the departures a file shows, found by Python's json."""
    found = set()
    try:
        text = content[8 : 8 + struct.unpack("<Q", content[:8])[0]].decode()
    except UnicodeDecodeError:
        return found

    def members(pairs):
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            found.add("duplicate key")
        if any("\0" in key for key in keys):
            found.add("NUL in a key")
        return Members(pairs)

    def integer(digits):
        if not -(2**63) <= int(digits) < 2**63:
            found.add("integer beyond int64")
        if digits == "-0":
            found.add("minus zero")
        return int(digits)

    try:
        header = json.loads(text, object_pairs_hook=members, parse_int=integer)
    except ValueError:
        return found
    for key, entry in header.pairs if isinstance(header, dict) else []:
        if key != "__metadata__" and isinstance(entry, list):
            found.add("tensor as an array")
        if isinstance(entry, dict) and any(key == "dtype" and isinstance(value, dict) for key, value in entry.pairs):
            found.add("dtype as an object")
    return found


# Conventions 1.5: what the reference accepts and safemerge refuses, with the class of the refusal; and the one other way.
STRICTER = {
    "duplicate key": ["duplicate-key"],
    "NUL in a key": ["json"],
    "integer beyond int64": ["json"],
    "tensor as an array": ["schema"],
    "dtype as an object": ["schema"],
}
LOOSER = "minus zero"


def reference(content):
    try:
        return {name: (info["dtype"], list(info["shape"])) for name, info in safetensors.deserialize(content)}
    except Exception as error:  # noqa: BLE001, SafetensorError is not exported by all releases
        return error


def judged(program, folder, names):
    """By file: its tensors, or the class of its refusal."""
    run = subprocess.run([program, "ls", "--format", "json", *names], cwd=folder, capture_output=True)
    if run.returncode not in (0, 3):
        sys.exit(f"safemerge ended with {run.returncode}: {run.stderr[-2000:]!r}; the files are in {folder}")
    verdicts = {}
    for line in run.stderr.decode().splitlines():
        if line.startswith("  hint: "):
            continue
        match = re.match(r"error: (\d+)(?:: .*)? \[([a-z0-9-]+)\]$", line)
        if not match:
            sys.exit(f"no error line: {line}")
        verdicts[match[1]] = match[2]
    if len(verdicts) < len(names):
        for file in json.loads(run.stdout)["files"]:
            verdicts[file["path"]] = {t["name"]: (t["dtype"], t["shape"]) for t in file["tensors"]}
    return verdicts


def main():
    program = os.path.abspath(sys.argv[1])
    total = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(2**32)
    print(f"safetensors {safetensors.__version__}, seed {seed}", flush=True)
    rng = random.Random(seed)
    counts = {"both accept": 0, "both refuse": 0}
    batch = 4000
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        for start in range(0, total, batch):
            contents = [case(rng) for _ in range(min(batch, total - start))]
            for number, content in enumerate(contents):
                with open(f"{folder}/{number}", "wb") as file:
                    file.write(content)
            verdicts = judged(program, folder, [str(number) for number in range(len(contents))])
            for number, content in enumerate(contents):
                ours, theirs = verdicts.get(str(number)), reference(content)
                is_accepted = isinstance(ours, dict)
                if isinstance(theirs, Exception):
                    key = "both refuse"
                    if is_accepted:
                        key = f"accepted here only: {LOOSER}" if LOOSER in facts(content) else None
                elif is_accepted:
                    key = "both accept" if ours == theirs else None
                else:
                    shown = [fact for fact in facts(content) if ours in STRICTER.get(fact, [])]
                    key = f"refused here only: {shown[0]}" if shown else None
                if key is None:
                    kept = f"differential-{seed}-{start + number}.safetensors"
                    with open(kept, "wb") as file:
                        file.write(content)
                    sys.exit(f"{kept}: here {ours}, reference {theirs!r}: {content[8:300]!r}")
                counts[key] = counts.get(key, 0) + 1
    print(f"{total} cases: " + ", ".join(f"{count} {key}" for key, count in sorted(counts.items())))


main()
