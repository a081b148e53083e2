"""Models and folders for tests."""

import json
import os
import pathlib
import struct
import tempfile
import unittest
from typing import Dict, List, Tuple

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Fixtures"
BASE = FIXTURES / "bases/llama-bf16"
ADAPTER = FIXTURES / "lora/linear/bf16/adapter"
MERGED = FIXTURES / "lora/linear/bf16/merged"


class FolderTestCase(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="safemerge-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "merged"


def write_tensors(path: pathlib.Path, tensors: Dict[str, Tuple[str, List[int]]], pattern: bytes) -> None:
    """Writes a safetensors file whose data repeats a pattern."""
    sizes = {"BF16": 2, "F32": 4}
    header: Dict[str, object] = {}
    place = 0
    for name, (dtype, shape) in tensors.items():
        size = sizes[dtype]
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for start in range(0, place, len(pattern)):
            file.write(pattern[:place - start])


def write_slow_merge(folder: pathlib.Path, layers: int = 10) -> Tuple[str, str]:
    """Writes a model and an adapter whose merge takes some seconds with portable code and one thread."""
    rows, columns, rank = 2048, 1024, 128
    base, adapter = folder / "base", folder / "adapter"
    base.mkdir()
    adapter.mkdir()
    factors = {}
    weight_map = {}
    # BF16 numbers near 1/64, and F32 numbers near 1/1000.
    weights = struct.pack("<4096H", *(0x3C80 + number % 7 for number in range(4096)))
    updates = struct.pack("<4096f", *((number % 11 - 5) / 1000 for number in range(4096)))
    for layer in range(layers):
        module = f"model.layers.{layer}.mlp.up_proj"
        shard = f"model-{layer + 1:05}-of-{layers:05}.safetensors"
        weight_map[f"{module}.weight"] = shard
        write_tensors(base / shard, {f"{module}.weight": ("BF16", [rows, columns])}, weights * 256)
        factors[f"base_model.model.{module}.lora_A.weight"] = ("F32", [rank, columns])
        factors[f"base_model.model.{module}.lora_B.weight"] = ("F32", [rows, rank])
    index = {"metadata": {"total_size": layers * rows * columns * 2}, "weight_map": weight_map}
    (base / "model.safetensors.index.json").write_text(json.dumps(index))
    write_tensors(adapter / "adapter_model.safetensors", factors, updates * 64)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": ["up_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    return os.fspath(base), os.fspath(adapter)
