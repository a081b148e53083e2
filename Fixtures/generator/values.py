"""Random numbers that depend on a label alone, and what is put into models and adapters."""

import re
import zlib

import numpy as np
import torch
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

SEED = 20240601
WEIGHT_STD = 0.05  # of base weights; a delta is about a tenth of it
FACTOR_A_STD = 0.1
TORCH_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def normal(label, shape, deviation):
    """Normal numbers that depend on the label alone."""
    generator = np.random.default_rng([SEED, zlib.crc32(label.encode())])
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32) * np.float32(deviation))


def fill(model, label):
    """Random numbers for everything the adapter trains; deltas of about a tenth of the weights."""
    label = f"adapter {label} "
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]
    for name, module in layers:
        rank, scale = module.r["default"], abs(module.scaling["default"])
        deviation_b = 0.1 * WEIGHT_STD / (FACTOR_A_STD * scale * rank**0.5)
        for part, parameter in module.named_parameters():
            if part.startswith(("lora_A", "lora_embedding_A")):
                parameter.data = normal(label + name + part, parameter.shape, FACTOR_A_STD)
            elif part.startswith("lora_B") and part.endswith("bias"):
                parameter.data = normal(label + name + part, parameter.shape, 0.2 * WEIGHT_STD / scale)
            elif part.startswith(("lora_B", "lora_embedding_B")):
                parameter.data = normal(label + name + part, parameter.shape, deviation_b)
    for name, parameter in model.named_parameters():
        is_factor = re.search(r"\.lora_(embedding_)?[AB]\b", name)
        if parameter.requires_grad and not is_factor:  # magnitudes, biases, whole modules
            parameter.data += normal(label + name, parameter.shape, 0.2 * WEIGHT_STD).to(parameter.dtype)


def rewrite_tensors(folder, change):
    path = folder / "adapter_model.safetensors"
    save_file(dict(change(*item) for item in load_file(path).items()), path, metadata={"format": "pt"})
