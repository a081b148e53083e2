"""Compares the native names and tensors of a base with diffusers' converter for single files."""

import inspect
import re

import numpy as np
import torch
from diffusers.loaders import single_file_utils

from generator.image_cases import models


def converter(case):
    """The function of single_file_utils, with the sizes of the tiny model in place of those of the real one."""
    function = getattr(single_file_utils, case.converter)
    source = inspect.getsource(function)
    for old, new in case.sizes.items():
        source = re.sub(rf"\b{old}\b", str(new), source)
    scope = dict(vars(single_file_utils))
    exec(source, scope)
    return scope[case.converter]


#: Kinds of models.ARCHITECTURES: the case of image_models.py that has the converter.
CONVERTERS = {
    "sd1": "sd1", "inpainting": "sd1", "sd2": "sd1", "sdxl": "sdxl", "refiner": "sdxl-refiner", "ssd1b": "sdxl",
    "flux": "flux1", "chroma": "chroma", "flux2": "flux2", "sd3": "sd3", "wan": "wan", "wan22": "wan", "wan-vace": "wan-vace",
    "z-image": "z-image", "lumina2": "lumina2", "hunyuan": "hunyuan-video", "ltx": "ltx-video", "aura-flow": "aura-flow",
    "sana": "sana", "clip-projection": "open-clip",
}  # fmt: skip


def names(base):
    """Every part of the base that has native names."""
    for label, component in base.components.items():
        if component.kind in CONVERTERS and component.spelling == "native":
            certify(base, label, component)


def certify(base, label, component):
    kind = models.image_models.CASES[CONVERTERS[component.kind]]()
    native = {name: torch.from_numpy(view.read(base.stored).copy()) for name, view in base.views[label, "native"].items()}
    prefixed = {kind.prefix + name: value for name, value in native.items()} | kind.extra(native)
    function = converter(kind)
    if "unet" in kind.converter:
        found = function(prefixed, dict(models.ARCHITECTURES[component.kind].make().config))
    else:
        found = kind.convert(function, prefixed)
    for name, expected in base.logical[label].items():
        if not np.array_equal(found[name].numpy(), expected):
            raise AssertionError(f"{base.name}: {name} is not what {kind.converter} gives")
    extra = set(found) - set(base.logical[label]) - set(kind.ignored) - {"text_model.embeddings.position_ids"}
    if extra:
        raise AssertionError(f"{base.name}: {kind.converter} also gives {sorted(extra)[:3]}")
