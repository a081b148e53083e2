"""A base on disk: files of tensors, and for every parameter, in either scheme of names, the rows of tensors that hold it."""

import json
from dataclasses import dataclass

import numpy as np

from generator.image_cases import models, names, tensors
from generator.image_cases.tensors import Tensor


@dataclass
class View:
    """A logical tensor: rows of stored tensors, one after another; the halves exchanged or the whole transposed."""

    parts: list
    swap: bool = False
    transposed: bool = False

    def read(self, stored):
        value = np.concatenate([stored[key][start:stop] for key, start, stop in self.parts])
        return self.turned(value)

    def turned(self, value):
        if self.swap:
            value = np.concatenate(np.split(value, 2)[::-1])
        return value.T if self.transposed else value

    def write(self, stored, value):
        value, place = self.turned(value), 0
        for key, start, stop in self.parts:
            if (start, stop) == (0, len(stored[key])) and len(self.parts) == 1:
                stored[key] = value.copy()  # may have another shape
            else:
                stored[key] = stored[key].copy()
                stored[key][start:stop] = value[place : place + stop - start]
            place += stop - start


@dataclass
class Component:
    """A part of a base: a kind of models.ARCHITECTURES, its prefix or folder, and how its tensors are named on disk."""

    kind: str
    place: str = ""
    spelling: str = "native"
    shards: int = 1
    #: Endings of the names of parameters that stay in another dtype, and that dtype.
    wide: tuple = ()


class Base:
    """What a case merges into. `stored` maps (file, tensor) to values; a single file has the name ""."""

    def __init__(self, name, dtype, components, folder=False, extra=None, metadata=None, variant="", fp8=None, bare=False):
        self.name, self.dtype, self.components, self.folder = name, dtype, components, folder
        self.metadata, self.variant, self.bare = metadata, variant, bare
        self.files = {}
        self.views = {}
        self.logical = {}
        self.fp8 = fp8
        for label, component in components.items():
            self.add(label, component)
        for key, tensor in (extra or {}).items():
            file, _, tensor_name = key.rpartition("|")
            self.files.setdefault(file, {})[tensor_name] = tensor
        self.stored = {(file, name): t.values for file, held in self.files.items() for name, t in held.items()}
        if fp8:
            fp8(self)

    # Names and files

    def add(self, label, component):
        # The weights depend on the kind alone: a file and a folder of one kind hold the same model.
        logical = models.filled(component.kind, f"{component.kind} {label}")
        dtype = {name: "F32" if name.endswith(component.wide) else self.dtype for name in logical}
        logical = {name: tensors.rounded(value, dtype[name]) for name, value in logical.items()}
        self.logical[label] = logical
        table = models.ARCHITECTURES[component.kind].table
        shapes = {name: value.shape for name, value in logical.items()}
        native = names.native_names(shapes, table) if table else {name: [(name, None)] for name in logical}
        if component.spelling in ("native", "comfy"):
            held = self.native_tensors(logical, native, dtype)
        else:
            held = {name: Tensor(value, dtype[name]) for name, value in logical.items()}
        rename = {name: self.on_disk(component, name) for name in held}
        files = self.file_names(component, list(held))
        for name, tensor in held.items():
            self.files.setdefault(files[name], {})[rename[name]] = tensor
        place = {name: (files[name], rename[name]) for name in held}
        self.views[label, "diffusers"], self.views[label, "native"] = {}, {}
        for name, parts in native.items():
            self.index(label, component, name, parts, place, logical)
        if component.kind == "hunyuan":
            spelled = {names.comfy_hunyuan(name): view for name, view in self.views[label, "native"].items()}
            self.views[label, "comfy"] = spelled

    def native_tensors(self, logical, native, dtype):
        held = {}
        for name, parts in native.items():
            pieces = [self.changed(logical[part], change) for part, change in parts]
            held[name] = Tensor(np.concatenate(pieces), dtype[parts[0][0]])
        return held

    @staticmethod
    def changed(value, change):
        if change == "swap":
            return np.concatenate(np.split(value, 2)[::-1])
        return value.T if change == "T" else value

    def index(self, label, component, name, parts, place, logical):
        """Registers the parameter `name` of the native scheme and those of diffusers that it is made of."""
        native, split = self.views[label, "native"], self.views[label, "diffusers"]
        change = parts[0][1]
        turned = {"swap": change == "swap", "transposed": change == "T"}
        if component.spelling in ("native", "comfy"):
            row = 0
            for part, _ in parts:
                rows = len(logical[part]) if change != "T" else logical[part].shape[1]
                split[part] = View([(place[name], row, row + rows)], **turned)
                row += rows
            native[name] = View([(place[name], 0, row)])
        else:
            whole = [(place[part], 0, len(logical[part])) for part, _ in parts]
            native[name] = View(whole, **turned)
            for part, _ in parts:
                split[part] = View([(place[part], 0, len(logical[part]))])

    def on_disk(self, component, name):
        if component.spelling == "comfy":
            name = names.comfy_hunyuan(name)
        if component.spelling == "short":
            name = name.removeprefix("text_model.")
        return name if self.folder else component.place + name

    def file_names(self, component, held):
        """{tensor: file}: shards of a folder take runs of tensors."""
        if not self.folder:
            return dict.fromkeys(held, "")
        encoder = component.place.startswith("text_encoder")
        stem = "model" if encoder else "diffusion_pytorch_model"
        prefix = f"{component.place}/" if component.place else ""
        ending = f".{self.variant}.safetensors" if self.variant else ".safetensors"
        if component.shards == 1:
            return dict.fromkeys(held, f"{prefix}{stem}{ending}")
        size, total = -(-len(held) // component.shards), component.shards
        return {
            name: f"{prefix}{stem}{'.' + self.variant if self.variant else ''}-{1 + i // size:05}-of-{total:05}.safetensors"
            for i, name in enumerate(held)
        }

    def view(self, label, scheme, parameter):
        found = self.views[label, scheme].get(parameter)
        if found is None:
            raise KeyError(f"{self.name}: {label} has no {parameter} ({scheme})")
        return found

    # Writing

    def path(self):
        return self.name if self.folder else self.name + ".safetensors"

    def write(self, root):
        for file, held in self.files.items():
            target = root / self.name / file if self.folder else root / self.path()
            tensors.write(target, held, {"format": "pt"} if self.folder else self.metadata)
        if self.folder:
            self.write_indexes(root / self.name)
            self.write_configs(root / self.name)

    def write_indexes(self, folder):
        for component in self.components.values():
            if component.shards == 1:
                continue
            own = {f: held for f, held in self.files.items() if f.startswith(component.place + "/") and "-of-" in f}
            size = sum(len(t.data()) for held in own.values() for t in held.values())
            weight_map = {name: file.split("/")[-1] for file, held in own.items() for name in sorted(held)}
            stem = "model" if component.place.startswith("text_encoder") else "diffusion_pytorch_model"
            middle = f".{self.variant}" if self.variant else ""
            path = folder / component.place / f"{stem}.safetensors.index{middle}.json"
            path.write_text(json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}, indent=2) + "\n")

    def write_configs(self, folder):
        """config.json of every part, as save_pretrained writes it, and model_index.json of a pipeline."""
        index = {}
        for component in self.components.values():
            model = models.small(models.ARCHITECTURES[component.kind].make())
            place = folder / component.place
            if hasattr(model, "save_config"):
                model.save_config(place)
                library = "diffusers"
            else:
                model.config.architectures = [type(model).__name__]
                model.config.save_pretrained(place)
                library = "transformers"
            index[component.place] = [library, type(model).__name__]
        if not self.bare:
            pipeline = models.ARCHITECTURES[self.components["dm"].kind].pipeline
            scheduler = folder / "scheduler" / "scheduler_config.json"
            scheduler.parent.mkdir(exist_ok=True)
            scheduler.write_text('{\n  "_class_name": "EulerDiscreteScheduler"\n}\n')
            index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
            text = {"_class_name": pipeline, "_diffusers_version": "0.42.1", **dict(sorted(index.items()))}
            (folder / "model_index.json").write_text(json.dumps(text, indent=2) + "\n")
