"""Makes the merges into FP8 and NF4 that are written in FP8 and NF4 again, in the folder written-back.

    python written_back.py [CASE...]

Needs torch, transformers, compressed-tensors and bitsandbytes. Each case is a folder with a base, an adapter for its first layer,
merged.safetensors: the base with the merged weight quantized by the reference implementation of the format, and
numbers.json: for each merged weight the error in units of the change, how many codes changed, and how many deltas are at
least half a step of their codes.
"""

import json
import pathlib
import sys
from types import SimpleNamespace

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "written-back"
RANK, ALPHA = 2, 4
E4M3 = torch.float8_e4m3fn


def quantize_as_transformers(value, block, scale_fmt=None):
    """`Fp8Quantize` of transformers; ragged last blocks are filled up with zeros and cut off again."""
    from transformers.integrations.finegrained_fp8 import Fp8Quantize

    rows, columns = value.shape[-2:]
    grown = [-(-size // step) * step for size, step in zip((rows, columns), block)]
    padded = torch.zeros(*value.shape[:-2], *grown)
    padded[..., :rows, :columns] = value
    config = SimpleNamespace(weight_block_size=list(block), scale_fmt=scale_fmt)
    quantizer = Fp8Quantize(SimpleNamespace(quantization_config=config))
    codes, scales = quantizer._quantize_one("x.weight", padded).values()
    return codes[..., :rows, :columns].contiguous(), scales


def quantize_as_compressed_tensors(value, strategy, dtype):
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import quantize
    from compressed_tensors.quantization.utils import calculate_qparams

    args = QuantizationArgs(num_bits=8, type="float", strategy=strategy, symmetric=True)
    dims = {"tensor": None, "channel": 1}[strategy]
    lowest, largest = (value.amin(), value.amax()) if dims is None else (
        value.amin(dims, keepdim=True), value.amax(dims, keepdim=True))
    scales, zeros = calculate_qparams(lowest, largest, args)
    # An epsilon stands for the scale of zeros.
    scales = torch.where(torch.maximum(largest, -lowest) == 0, torch.ones_like(scales), scales)
    scales = (scales.reshape(1) if dims is None else scales).to(dtype)
    return quantize(value, scales, zeros, args, dtype=E4M3), scales


def spread(scales, shape, block):
    """A scale for each element."""
    wide = scales.to(torch.float32)
    if wide.ndim < 2:
        return wide.reshape(-1, 1).expand(shape[-2], shape[-1]) if wide.numel() == shape[-2] else wide.expand(shape)
    wide = wide.repeat_interleave(block[0], -2).repeat_interleave(block[1], -1)
    return wide[..., : shape[-2], : shape[-1]]


def numbers(before, old_codes, delta, codes, scale):
    after = codes.to(torch.float32) * scale
    change = delta.double()
    lost = (after.double() - before.double()) - change
    exponent = codes.view(torch.uint8) >> 3 & 15
    half = torch.exp2(exponent.clamp(min=1).to(torch.float32) - 11) * scale
    return {
        "error": (lost.pow(2).sum().sqrt() / change.pow(2).sum().sqrt()).item(),
        "changed_codes": (codes.view(torch.uint8) != old_codes.view(torch.uint8)).sum().item(),
        "half_steps": (delta.abs() >= half).sum().item(),
    }


def write(name, shape, quantize, block, ending, quantization, scale_shape=None, size=0.03, experts=False):
    """`quantize` gives codes and scales; `size` is that of the factors' elements."""
    torch.manual_seed(len(name) + shape[-1])
    folder = HERE / name
    base, adapter = folder / "base", folder / "adapter"
    base.mkdir(parents=True, exist_ok=True)
    adapter.mkdir(exist_ok=True)
    leaf = "mlp.experts.gate_up_proj" if experts else "proj.weight"
    tensors = {"lm_head.weight": torch.randn(8, shape[-1]).to(torch.bfloat16)}
    for layer in range(2):
        value = torch.randn(shape) * 0.02
        if not experts:
            value[: block[0], : block[1]] *= 1e-3
            if block[0] < shape[0]:
                value[-(shape[0] % block[0] or block[0]) :, :] = 0
        codes, scales = quantize(value)
        key = f"model.layers.{layer}.{leaf}"
        tensors[key] = codes
        tensors[key + ending] = scales if scale_shape is None else scales.reshape(scale_shape)
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    config = {"dtype": "bfloat16", "quantization_config": quantization}
    (base / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    key = f"model.layers.0.{leaf}"
    old_codes, old_scales = tensors[key], tensors[key + ending]
    before = old_codes.to(torch.float32) * spread(old_scales, shape, block)
    count = shape[0] if experts else 1
    a = torch.randn(count * RANK, shape[-1]) * size
    b = torch.randn(shape[-2], count * RANK) * size
    if experts:
        parts = zip(a.reshape(count, RANK, -1), b.reshape(shape[-2], RANK, count).permute(2, 0, 1))
        product = torch.stack([right @ left for left, right in parts])
    else:
        if not before[-1].any():
            b[-(shape[0] % block[0] or block[0]) :] = 0
        product = b @ a
    module = "base_model.model.model.layers.0." + ("mlp.experts" if experts else "proj")
    save_file({f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}, adapter / "adapter_model.safetensors",
              {"format": "pt"})
    fields = {"target_parameters": ["mlp.experts.gate_up_proj"]} if experts else {"target_modules": ["proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "peft_version": "0.21.2", **fields}, indent=2) + "\n")

    delta = product * (ALPHA / RANK)
    codes, scales = quantize(before + delta)
    scales = scales if scale_shape is None else scales.reshape(scale_shape)
    found = numbers(before, old_codes, delta, codes, spread(scales, shape, block))
    save_file({**tensors, key: codes, key + ending: scales}, folder / "merged.safetensors", {"format": "pt"})
    (folder / "numbers.json").write_text(json.dumps({key: found}, indent=2) + "\n")


def fp8(block, **fields):
    return {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": block, **fields}


def case_block():
    block = (128, 128)
    write("block", (136, 144), lambda v: quantize_as_transformers(v, block), block, "_scale_inv", fp8([128, 128]))


def case_small_block():
    """Many blocks, some in a tile and some not."""
    block = (16, 32)
    write("small-block", (72, 80), lambda v: quantize_as_transformers(v, block), block, "_scale_inv", fp8([16, 32]))


def case_lost():
    """Deltas that are far below half a step."""
    block = (16, 32)
    write("lost", (32, 64), lambda v: quantize_as_transformers(v, block), block, "_scale_inv", fp8([16, 32]), size=1e-5)


def case_tensor():
    """More rows than are held at once."""
    shape = (300, 24)
    write("tensor", shape, lambda v: quantize_as_transformers(v, shape), shape, "_scale_inv", fp8(None),
          scale_shape=[])


def case_ue8m0():
    block = (32, 32)
    write("ue8m0", (48, 80), lambda v: quantize_as_transformers(v, block, "ue8m0"), block, "_scale_inv",
          fp8([32, 32], scale_fmt="ue8m0"))


def case_experts():
    block = (16, 16)
    write("experts", (3, 40, 48), lambda v: quantize_as_transformers(v, block), block, "_scale_inv", fp8([16, 16]),
          experts=True)


def case_rows():
    """fbgemm, whose rule for a row is that of transformers for a block."""
    block = (1, 48)
    write("rows", (40, 48), lambda v: quantize_as_transformers(v, block), block, "_scale",
          {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"]})


def compressed(strategy):
    return {"quant_method": "compressed-tensors", "format": "float-quantized", "quantization_status": "compressed",
            "ignore": ["lm_head"], "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
                "num_bits": 8, "type": "float", "strategy": strategy, "symmetric": True}}}}


def case_compressed_channel():
    write("compressed-channel", (40, 48), lambda v: quantize_as_compressed_tensors(v, "channel", torch.bfloat16),
          (1, 48), "_scale", compressed("channel"))


def case_compressed_tensor():
    shape = (300, 24)
    write("compressed-tensor", shape, lambda v: quantize_as_compressed_tensors(v, "tensor", torch.float32), shape,
          "_scale", compressed("tensor"))


class Halves:
    """A weight in NF4, as bitsandbytes quantizes it, but for nested scales: these are about a mean that is given."""

    def __init__(self, value, block, mean=None):
        from bitsandbytes import functional
        from qlora import through_codes

        self.shape, self.block = value.shape, block
        self.codes, state = functional.quantize_4bit(value, blocksize=block, quant_type="nf4")
        self.numbers = state.code
        self.scales = state.absmax
        self.parts = {"absmax": state.absmax}
        if mean is not None:
            map_ = functional.create_dynamic_map()
            differences = state.absmax - mean
            self.scales = through_codes(differences) + mean
            self.parts = {
                "absmax": torch.cat([(part[:, None] - map_ * row.abs().max()).abs().argmin(1).to(torch.uint8)
                                     for part, row in zip((self.scales - mean).split(256), differences.split(256))]),
                "nested_absmax": torch.stack([part.abs().max() for part in differences.split(256)]),
                "nested_quant_map": map_,
            }
        self.parts["quant_map"] = self.numbers

    def single(self):
        pairs = self.codes.reshape(-1)
        return torch.stack([pairs >> 4, pairs & 15], 1).reshape(-1)[: self.shape.numel()]

    def wide_scales(self):
        return self.scales.repeat_interleave(self.block)[: self.shape.numel()]

    def values(self):
        return (self.numbers[self.single().long()] * self.wide_scales()).reshape(self.shape)

    def tensors(self, key, mean):
        state = {"quant_type": "nf4", "blocksize": self.block, "dtype": "bfloat16", "shape": list(self.shape)}
        if mean is not None:
            state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": mean.item()}
        text = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
        return {key: self.codes, f"{key}.quant_state.bitsandbytes__nf4": text,
                **{f"{key}.{name}": part for name, part in self.parts.items()}}


def write_halves(name, shape, block, nested):
    from bitsandbytes import functional

    torch.manual_seed(len(name))
    folder = HERE / name
    base, adapter = folder / "base", folder / "adapter"
    base.mkdir(parents=True, exist_ok=True)
    adapter.mkdir(exist_ok=True)
    tensors = {"lm_head.weight": torch.randn(8, shape[-1]).to(torch.bfloat16)}
    weights = []
    for layer in range(2):
        value = torch.randn(shape) * 0.02
        value[2] = 0
        mean = functional.quantize_4bit(value, blocksize=block, quant_type="nf4")[1].absmax.mean() if nested else None
        weights.append((Halves(value, block, mean), mean))
        tensors |= weights[-1][0].tensors(f"model.layers.{layer}.proj.weight", mean)
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    quantization = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
                    "bnb_4bit_use_double_quant": nested, "llm_int8_skip_modules": None}
    (base / "config.json").write_text(
        json.dumps({"dtype": "bfloat16", "quantization_config": quantization}, indent=2) + "\n")
    old, mean = weights[0]
    a, b = torch.randn(RANK, shape[-1]) * 0.03, torch.randn(shape[0], RANK) * 0.03
    b[2] = 0
    module = "base_model.model.model.layers.0.proj"
    save_file({f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}, adapter / "adapter_model.safetensors",
              {"format": "pt"})
    (adapter / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "peft_version": "0.21.2", "target_modules": ["proj"]},
        indent=2) + "\n")
    delta = b @ a * (ALPHA / RANK)
    new = Halves(old.values() + delta, block, mean)
    key = "model.layers.0.proj.weight"
    save_file({**tensors, **new.tensors(key, mean)}, folder / "merged.safetensors", {"format": "pt"})
    steps = new.numbers.diff()
    least = torch.minimum(torch.cat([torch.tensor([torch.inf]), steps]), torch.cat([steps, torch.tensor([torch.inf])]))
    half = least[new.single().long()] / 2 * new.wide_scales().abs()
    change = delta.reshape(-1)
    lost = (new.values().double() - old.values().double()) - delta.double()
    (folder / "numbers.json").write_text(json.dumps({key: {
        "error": (lost.norm() / delta.double().norm()).item(),
        "changed_codes": (new.single() != old.single()).sum().item(),
        "half_steps": ((change.abs() >= half) & (change != 0)).sum().item(),
    }}, indent=2) + "\n")


def case_nf4():
    """Blocks that begin within rows."""
    write_halves("nf4", (50, 96), 64, nested=False)


def case_nf4_nested():
    write_halves("nf4-nested", (300, 96), 64, nested=True)


if __name__ == "__main__":
    cases = {name.removeprefix("case_"): make for name, make in globals().items() if name.startswith("case_")}
    for case in sys.argv[1:] or cases:
        cases[case.replace("-", "_")]()
