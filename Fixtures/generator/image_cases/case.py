"""A case: a base, adapters, and the tensors that a merge changes."""

import json
from dataclasses import dataclass

import numpy as np

from generator.image_cases import bases, reference, tensors
from generator.image_cases.tensors import Tensor

CASES = {}


def case(name, base, what, method="lora", **options):
    """Registers a function that fills a Case."""

    def register(fill):
        if name in CASES:
            raise KeyError(f"two cases {name}")
        CASES[name] = lambda: Case(name, base, what, method, fill, **options)
        return fill

    return register


class Adapter:
    """A file. Every method that is added changes the case's weights in turn."""

    def __init__(self, owner, dialect, file, weight, dtype, metadata):
        self.case, self.dialect, self.file, self.weight, self.dtype = owner, dialect, file, weight, dtype
        self.metadata = metadata
        self.tensors = {}
        #: The bytes of a file of another format.
        self.blob = None

    def raw(self, key, value, dtype=None):
        """Stores a tensor and returns its values, rounded to its dtype."""
        if key in self.tensors:
            raise KeyError(f"{self.case.id}: two tensors {key}")
        self.tensors[key] = Tensor(value, dtype or self.dtype)
        return self.tensors[key].values

    def add(self, target, method, parameter="weight", key=None, dialect=None, scheme=None, view=None, **options):
        """Adds a method at `target`, a module "label:name" (of the diffusion model without a label)."""
        dialect = dialect or self.dialect
        label, _, module = target.rpartition(":")
        label = label or "dm"
        name = f"{module}.{parameter}" if parameter else module
        view = view or self.case.base.view(label, scheme or dialect.scheme_of(label), name)
        key = dialect.key(label, module) if key is None else key
        weight = view.read(self.case.base.stored)

        def put(role, value, dtype=None):
            return self.raw(key + dialect.ending(role), value, dtype)

        apply = method(put, f"{self.case.id} {self.file} {key} ", weight, **options)
        stored = self.case.stored
        old = view.read(stored)
        new = apply(old)
        if self.weight != 1:
            new = old + self.weight * (new - old)
        view.write(stored, new)
        self.case.touched.update(place for place, _, _ in view.parts)

    def add_all(self, targets, method, **options):
        for target in targets.split():
            self.add(target, method, **options)


@dataclass
class Options:
    """What a case is besides its tensors."""

    #: The tolerance, of a tensor's largest number; exact without it.
    rel: float | None = None
    #: Compared with diffusers' fuse_lora, after load_lora_adapter of the model alone if this is "model". `sizes` are those of the
    #: real models in its sources and ours, `wrong` an expression for "part:name" of the tensors that diffusers reads wrong.
    diffusers: bool | str = False
    sizes: dict | None = None
    wrong: str | None = None
    #: Where the expected result comes from, unless it is diffusers or lycoris-lora.
    ref: str = ""
    refuse: bool = False
    optional: bool = False
    #: The options that the program gets beside the files.
    words: str = ""
    #: Compared after decoding (fp8).
    decoded: bool = False
    note: str = ""


class Case:
    def __init__(self, name, base, what, method, fill, **options):
        self.id, self.what, self.method = name, what, method
        self.options = Options(**options)
        self.base = bases.get(base)
        self.stored = dict(self.base.stored)
        self.touched = set()
        self.adapters = []
        fill(self)

    def adapter(self, dialect, file="adapter.safetensors", weight=1.0, dtype="F32", metadata=None):
        self.adapters.append(Adapter(self, dialect, file, weight, dtype, metadata))
        return self.adapters[-1]

    def describe(self):
        reference_text = self.options.ref or "numpy in float64, equal to lycoris-lora 4.1.3 functional in float64"
        if self.options.diffusers:
            load = "load_lora_adapter" if self.options.diffusers == "model" else "load_lora_weights"
            reference_text = f"diffusers 0.42.1 {load} + fuse_lora in float64"
            if self.options.wrong:
                reference_text += f"; numpy in float64 for {self.options.wrong}, which diffusers reads wrong"
        about = {
            "id": self.id, "what": self.what, "base": "../bases/" + self.base.path(),
            "adapters": [{"file": a.file, "weight": a.weight} for a in self.adapters],
            "dialect": ", ".join(dict.fromkeys(a.dialect.name for a in self.adapters)), "method": self.method,
            "layout": self.base.name, "expect": "refuse" if self.options.refuse else "merge",
        }  # fmt: skip
        if self.options.words:
            about["options"] = self.options.words.split()
        if self.options.optional:
            about["optional"] = True
        if self.options.refuse:
            return about | {"reference": "-"}
        about |= {"reference": reference_text, "exact": self.options.rel is None}
        tolerance = ({"rel": self.options.rel} if self.options.rel else {}) | ({"decoded": True} if self.options.decoded else {})
        if tolerance:
            about["tolerance"] = tolerance
        if self.options.note:
            about["note"] = self.options.note
        return about | {"expected": "expected.safetensors", "changed_tensors": len(self.touched)}

    def write(self, root):
        folder = root / self.id
        folder.mkdir(parents=True)
        for adapter in self.adapters:
            if adapter.blob:
                (folder / adapter.file).write_bytes(adapter.blob)
            else:
                tensors.write(folder / adapter.file, adapter.tensors, adapter.metadata)
        if not self.options.refuse:
            if self.options.diffusers:
                reference.compare_with_diffusers(self, folder, self.options.sizes)
            self.write_expected(folder)
        (folder / "case.json").write_text(json.dumps(self.describe(), indent=1, ensure_ascii=False) + "\n")

    def write_expected(self, folder):
        changed = {}
        for file, name in sorted(self.touched):
            value = self.stored[file, name]
            if not np.isfinite(value).all():
                raise AssertionError(f"{self.id}: {name} is not finite")
            narrow = np.array_equal(value.astype(np.float32).astype(np.float64), value)
            if value.shape == self.base.stored[file, name].shape and np.array_equal(value, self.base.stored[file, name]):
                raise AssertionError(f"{self.id}: {name} does not change")
            changed[f"{file}|{name}" if file else name] = Tensor(value, "F32" if narrow else "F64")
        tensors.write(folder / "expected.safetensors", changed)
