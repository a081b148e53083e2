"""Checkpoints in float8_e4m3fn: ComfyUI's scaled files, its newer quantization per layer, and weights without scales."""

import json

import numpy as np

from generator.image_cases.tensors import FP8, Tensor

#: The linear layers of the blocks; the others stay in 16 bits.
BLOCKS = ("double_blocks.", "single_blocks.")


def quantized_names(base):
    prefix = base.components["dm"].place
    return [
        name for name, tensor in base.files[""].items()
        if name.removeprefix(prefix).startswith(BLOCKS) and name.endswith(".weight") and tensor.values.ndim == 2
    ]  # fmt: skip


def encode(base, scale_of):
    """Replaces the weights by codes and their logical values by those that codes and scales give."""
    for number, name in enumerate(quantized_names(base)):
        held, scale = base.files[""], scale_of(number)
        held[name] = Tensor(held[name].values / scale, "F8_E4M3")
        base.stored["", name] = held[name].values * scale
        yield name, scale
    for label in base.components:
        base.logical[label] = {n: view.read(base.stored) for n, view in base.views[label, "diffusers"].items()}


def plain(base):
    for _ in encode(base, lambda number: 1.0):
        pass


def scaled(base):
    """`scale_weight` beside every layer and the marker `scaled_fp8`; half the layers have `scale_input` too."""
    prefix = base.components["dm"].place
    for number, (name, scale) in enumerate(encode(base, lambda number: 2.0 ** (-4 - number % 3))):
        module = name.removesuffix("weight")
        add(base, module + "scale_weight", Tensor([scale] if number % 2 else scale, "F32"))
        if number % 2:
            add(base, module + "scale_input", Tensor(1.5, "F32"))
    add(base, prefix + "scaled_fp8", Tensor(np.zeros(2), "F8_E4M3"))


FORMAT = {"format": "float8_e4m3fn"}


def described(base):
    """`weight_scale` beside every layer, and one description of all layers in the metadata."""
    layers = {}
    for name, scale in encode(base, lambda number: 2.0 ** (-5 - number % 2)):
        add(base, name.removesuffix("weight") + "weight_scale", Tensor(scale, "F32"))
        layers[name.removesuffix(".weight")] = FORMAT
    base.metadata = {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers})}


def quantized(base):
    """`weight_scale` and the description `comfy_quant`, a JSON text in bytes, beside every layer."""
    text = np.frombuffer(json.dumps(FORMAT).encode(), np.uint8)
    for name, scale in encode(base, lambda number: 2.0 ** (-5 + number % 2)):
        module = name.removesuffix("weight")
        add(base, module + "weight_scale", Tensor(scale, "F32"))
        add(base, module + "comfy_quant", Tensor(text, "U8"))


def add(base, name, tensor):
    base.files[""][name] = tensor
    base.stored["", name] = tensor.values


assert FP8[126] == 448
