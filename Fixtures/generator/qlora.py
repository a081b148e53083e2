"""Makes the merges into what NF4 left of a base in training, in the folder qlora.

    python qlora.py [CASE...]

Needs torch and bitsandbytes. Each case is a folder with a base of numbers, an adapter for some of its linear layers,
merged.safetensors: every linear layer's weight quantized and decoded by bitsandbytes, and the adapter's delta added and
rounded; and numbers.json with ||q|| / ||delta|| of the merged weights.

The mean of nested statistics is summed in fp64 here; bitsandbytes' own differs in its last bits. Their codes are the nearest, as
its kernels for GPUs and its plain implementation have them; its compiled kernel for processors is now and then a code
apart, which is checked.
"""

import json
import os
import pathlib
import sys

# Compiled, bitsandbytes' formulas might be fused.
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import torch
from bitsandbytes import functional
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "qlora"
RANK, ALPHA = 2, 4
LINEAR = {"self_attn.q_proj": (40, 96), "self_attn.o_proj": (24, 128), "mlp.down_proj": (136, 144)}
MERGED = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj"]


def through_codes(scales):
    """`quantize_blockwise` and `dequantize_blockwise` with blocks of 256."""
    numbers = functional.create_dynamic_map()
    bounds = (numbers[:-1] + numbers[1:]) / 2
    compiled, _ = functional.quantize_blockwise(scales, blocksize=256)
    result = []
    for part, others in zip(scales.split(256), compiled.split(256)):
        largest = part.abs().max()
        codes = torch.bucketize(torch.clamp(part * (1 / largest.clamp(min=1e-38)), -1, 1), bounds)
        assert (codes - others.int()).abs().max() <= 1 and (codes != others).sum() <= len(codes) // 32
        result.append(numbers[codes] * largest)
    return torch.cat(result)


def trained(weight, block, nested):
    codes, state = functional.quantize_4bit(weight, blocksize=block, compress_statistics=nested, quant_type="nf4")
    scales = state.absmax
    if nested:
        magnitudes = functional.quantize_4bit(weight, blocksize=block, quant_type="nf4")[1].absmax
        mean = magnitudes.double().mean().float()
        assert (mean - state.offset).abs() <= 4 * torch.finfo(torch.float32).eps * mean
        scales = through_codes(magnitudes - mean) + mean
    return _dequantize_4bit_compute(
        codes.reshape(-1), scales, functional.get_4bit_type("nf4", device="cpu"), block, weight.shape, weight.dtype)


def make(name, dtype, block, nested):
    torch.manual_seed(block)
    folder = HERE / name
    (folder / "base").mkdir(parents=True, exist_ok=True)
    (folder / "adapter").mkdir(exist_ok=True)
    tensors = {
        "model.embed_tokens.weight": torch.randn(8, 96), "lm_head.weight": torch.randn(8, 96),
        "model.norm.weight": torch.randn(96),
    }
    for layer in range(2):
        for leaf, shape in LINEAR.items():
            if layer == 1 and leaf == "mlp.down_proj":
                continue
            tensors[f"model.layers.{layer}.{leaf}.weight"] = torch.randn(shape) * 0.02
        tensors[f"model.layers.{layer}.mlp.gate.weight"] = torch.randn(4, 96)
    tensors["model.layers.1.self_attn.q_proj.weight"][3] = 0
    tensors = {key: value.to(dtype) for key, value in tensors.items()}
    save_file(tensors, folder / "base" / "model.safetensors", {"format": "pt"})
    (folder / "base" / "config.json").write_text('{"tie_word_embeddings": false}\n')
    factors, merged, numbers = {}, dict(tensors), {}
    for key, weight in tensors.items():
        module = key.removesuffix(".weight")
        if not any(module.endswith(leaf) for leaf in LINEAR):
            continue
        merged[key] = trained(weight, block, nested)
        if module not in MERGED:
            continue
        a, b = torch.randn(RANK, weight.shape[1]) * 0.03, torch.randn(weight.shape[0], RANK) * 0.03
        factors[f"base_model.model.{module}.lora_A.weight"] = a
        factors[f"base_model.model.{module}.lora_B.weight"] = b
        delta = b @ a * (ALPHA / RANK)
        change = (merged[key].double() - weight.double()).norm() / delta.double().norm()
        numbers[key] = change.item()
        merged[key] = (merged[key].float() + delta).to(dtype)
    save_file(factors, folder / "adapter" / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ["q_proj", "down_proj"]}, indent=2) + "\n")
    save_file(merged, folder / "merged.safetensors", {"format": "pt"})
    (folder / "numbers.json").write_text(json.dumps(numbers, indent=2) + "\n")


CASES = {
    "plain": (torch.bfloat16, 64, False), "double": (torch.bfloat16, 64, True),
    "large-block": (torch.float32, 256, False), "small-block-double": (torch.float16, 32, True),
}

if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        make(case, *CASES[case])
