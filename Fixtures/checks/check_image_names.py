"""Certify the name tables of image and video models against diffusers' own converters of single files.

    python Fixtures/checks/check_image_names.py [--write] [NAME ...]

For every architecture a tiny model of diffusers 0.42.1 gives names and shapes. The table in Sources/ImageModels/Architectures gives the native
names. The native tensors are filled with numbers that tell their places, diffusers' converter converts them, and the result must have
the model's names and shapes. Where each row comes from is written to Fixtures/image/names (`--write`) or compared with what is there,
so that tests have the converter's word, not the table's:

    native NAME SHAPE
    diffusers NAME SHAPE NATIVE[:FIRST-END] ...   native tensors or rows of them; T:NATIVE: rows and columns exchanged

Sizes that the converters have as numbers (3072, 2304 and 768) are replaced by those of the tiny models.
"""

import inspect
import re
import sys
import textwrap
from pathlib import Path

import torch
from diffusers.loaders import single_file_utils as converters

import image_models

ROOT = Path(__file__).parent.parent.parent
TABLES = ROOT / "Sources/ImageModels/Architectures"
NAMES = ROOT / "Fixtures/image/names"


def table(path: str) -> tuple[list, str | None, bool]:
    """The rules of a table in Swift, the parameter with the hidden size, and whether unlisted names stay."""
    source = (TABLES / path).read_text()
    texts = re.findall(r'"""\n(.*?)"""', source, re.S)
    hidden = re.search(r'hidden: "([^"]+)"', source)
    rules, native, other = [], "", ""
    for line in textwrap.dedent(texts[0]).strip().split("\n") if texts else []:
        words = line.strip("[]").split(" ") if line.startswith("[") else line.split(" ")
        if line.startswith("["):
            native, other = (words[0] + ".", words[2] + ".") if len(words) == 3 else ("", "")
        elif words[1] == "->":
            whole = words[0].startswith("=")
            rules.append((whole, native + words[0].lstrip("="), other + words[2].lstrip("="), (words[3:] or [""])[0]))
    return rules, hidden and hidden.group(1), "keepsUnlistedNames: true" in source


def pattern(text: str) -> re.Pattern:
    return re.compile(re.escape(text).replace(r"\{i\}", r"(\d+)").replace(r"\.\*\*", r"\.(.+)") + "$")


def native_shapes(model: dict, rules: list, keeps: bool) -> dict:
    """Native names and shapes by a table."""
    blocks = {}
    for name in model:
        parts = name.split(".")
        if len(parts) > 1 and parts[1].isdigit():
            blocks[parts[0]] = max(blocks.get(parts[0], 0), int(parts[1]) + 1)
    found = {}
    for name, shape in model.items():
        matched = False
        for whole, native, other, cut in rules:
            module, _, leaf = (name, "", "") if whole or other.endswith("**") else name.rpartition(".")
            match = pattern(other).match(module)
            if not match or (cut in ("last", "not-last") and (cut == "last") != (int(match[1]) + 1 == blocks[name.split(".")[0]])):
                continue
            matched = True
            values = iter(match.groups())
            target = re.sub(r"\{i\}|\*\*", lambda _: next(values), native) + ("." + leaf if leaf else "")
            shape = tuple(reversed(shape)) if cut == "T" else tuple(shape)
            if target in found:
                shape = (found[target][0] + shape[0],) + found[target][1:]
            found[target] = shape
        if not matched:
            assert keeps, f"no rule for {name}"
            found[name] = tuple(shape)
    return found


def by_table(tensors: dict, rules: list) -> dict:
    """Tensors converted by a table of names, whole tensors and equal parts."""
    found = {}
    for name, tensor in tensors.items():
        for whole, native, other, cut in rules:
            module, _, leaf = (name, "", "") if whole else name.rpartition(".")
            match = pattern(native).match(module)
            if not match:
                continue
            values = iter(match.groups())
            target = re.sub(r"\{i\}", lambda _: next(values), other) + ("." + leaf if leaf else "")
            part, _, count = cut.partition("/")
            found[target] = tensor.chunk(int(count))[int(part)] if cut else tensor
    return found


def numbered(shapes: dict) -> dict:
    """Tensors whose elements are all different."""
    tensors, start = {}, 1
    for name, shape in shapes.items():
        count = int(torch.tensor(shape).prod()) if shape else 1
        tensors[name] = torch.arange(start, start + count, dtype=torch.float64).reshape(shape)
        start += count
    return tensors


def places(converted: dict, tensors: dict) -> dict:
    """For each converted tensor the native rows that it is."""
    starts = sorted((int(t.flatten()[0]), name) for name, t in tensors.items() if t.numel())

    def owner(number: int) -> str:
        return next(name for start, name in reversed(starts) if start <= number)

    found = {}
    for name, tensor in converted.items():
        own = tensors[owner(int(tensor.flatten()[0]))]
        runs = []
        if tensor.dim() == 2 and own.dim() == 2 and tensor.shape == own.T.shape and torch.equal(tensor, own.T) and tensor.shape != (1, 1):
            found[name] = [f"T:{owner(int(own[0, 0]))}"]
            continue
        for row in tensor if tensor.dim() else [tensor]:
            source = owner(int(row.flatten()[0]))
            first = int(tensors[source].flatten()[0])
            width = row.numel()
            number, rest = divmod(int(row.flatten()[0]) - first, width)
            assert rest == 0 and torch.equal(row.flatten(), tensors[source].flatten()[number * width : (number + 1) * width]), name
            if runs and runs[-1][0] == source and runs[-1][2] == number:
                runs[-1][2] += 1
            else:
                runs.append([source, number, number + 1])
        found[name] = [
            source if (first, end) == (0, len(tensors[source]) if tensors[source].dim() else 1) else f"{source}:{first}-{end}"
            for source, first, end in runs
        ]
    return found


def converter(name: str, sizes: dict):
    """A converter with sizes replaced, and those of the loops' counts that are written out."""
    source = inspect.getsource(getattr(converters, name))
    for old, new in sizes.items():
        source = re.sub(rf"\b{old}\b", str(new), source)
    scope = dict(vars(converters))
    exec(source, scope)
    return scope[name]


def line(kind: str, name: str, shape, *rest) -> str:
    return " ".join([kind, name, ",".join(map(str, shape)) or "-", *rest])


def check(name: str, write: bool) -> None:
    case = image_models.CASES[name]()
    model = {key: tuple(value.shape) for key, value in case.model.state_dict().items() if key not in case.ignored}
    if case.native:
        shapes = case.native(model)
    else:
        rules, _, keeps = table(case.table)
        shapes = native_shapes(model, rules, keeps)
    tensors = numbered(shapes)
    given = {case.prefix + key: value.clone() for key, value in tensors.items()} | case.extra(tensors)
    if case.by_table:
        result = by_table(given, table(case.table)[0])
    else:
        result = case.convert(converter(case.converter, case.sizes), given) if case.converter else given
    result = {key: value for key, value in result.items() if key not in case.ignored}
    assert set(result) == set(model), (sorted(set(result) - set(model))[:5], sorted(set(model) - set(result))[:5])
    for key, value in result.items():
        assert tuple(value.shape) == model[key], (key, tuple(value.shape), model[key])
    found = places(result, tensors)
    lines = [line("native", key, shape) for key, shape in shapes.items()]
    lines += [line("diffusers", key, model[key], *found[key]) for key in model]
    text = "\n".join(lines) + "\n"
    path = NAMES / f"{name}.txt"
    if write:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    elif path.read_text() != text:
        raise AssertionError(f"{path} differs")
    print(f"{name}: {len(shapes)} native, {len(model)} of diffusers")


if __name__ == "__main__":
    chosen = [argument for argument in sys.argv[1:] if argument != "--write"] or list(image_models.CASES)
    failed = 0
    for chosen_name in chosen:
        try:
            check(chosen_name, "--write" in sys.argv)
        except Exception as problem:
            failed += 1
            print(f"{chosen_name}: {type(problem).__name__}: {problem}")
    sys.exit(1 if failed else 0)
