"""The second implementation of a merge of linear layers: numpy, without torch and PEFT."""

import json
import re

import numpy as np

BIAS_KEYS = (".lora_B.bias", ".lora_bias")


def read_safetensors(path):
    """Name -> (dtype, shape, bytes)."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = entry["dtype"], tuple(entry["shape"]), data[start + begin : start + end]
    return tensors


def read_checkpoint(folder):
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return read_safetensors(folder / "model.safetensors")
    shards = set(json.loads(index.read_text())["weight_map"].values())
    return {name: tensor for shard in sorted(shards) for name, tensor in read_safetensors(folder / shard).items()}


def widen(tensor):
    """The values of a tensor in fp32: exact for all three dtypes."""
    dtype, shape, data = tensor
    if dtype == "BF16":
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)
    return values.reshape(shape)


def narrow(values, dtype):
    """Bytes of `values` (fp32, finite), rounded to nearest even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(values).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return values.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def fma(a, b, c):
    """fp32 fused multiply-add, rounded once.

    The product of two fp32 numbers is exact in double. The sum may not be, and rounding it first to
    double and then to fp32 could round twice. So the double sum is rounded to odd: TwoSum gives its
    error exactly, and if there is one, an even last bit is stepped towards it. An odd-rounded number
    of 53 bits, rounded to 24 bits, is the exact sum rounded once (53 >= 24 + 2).
    """
    product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    step = (error != 0) & (total.view(np.int64) & 1 == 0)
    return np.where(step, np.nextafter(total, np.copysign(np.inf, error)), total).astype(np.float32)


def product_in_order(b, a):
    """B A as a chain of fused multiply-adds over k, in order, from zero."""
    total = np.zeros((b.shape[0], a.shape[1]), np.float32)
    for k in range(a.shape[0]):
        total = fma(b[:, k : k + 1], a[k : k + 1, :], total)
    return total


def product_in_blocks(b, a):
    """B A as MKL's AVX2 kernels sum it at ranks from 193 to 384: blocks of r // 2, each a chain."""
    size = a.shape[0] // 2
    total = product_in_order(b[:, :size], a[:size])
    for start in range(size, a.shape[0], size):
        total = total + product_in_order(b[:, start : start + size], a[start : start + size])
    return total


def look_up(patterns, module, default):
    """The first key, in the file's order, that matches the module."""
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module)), default)


def scaling(config, module):
    rank = look_up(config["rank_pattern"], module, config["r"])
    alpha = look_up(config["alpha_pattern"], module, config["lora_alpha"])
    return rank, np.float32(alpha / np.sqrt(np.float64(rank)) if config["use_rslora"] else alpha / rank)


def expected_checkpoint(base, adapter):
    """Base and adapter folder -> name -> (dtype, shape, bytes) of the merged checkpoint."""
    config = json.loads((adapter / "adapter_config.json").read_text())
    factors = read_safetensors(adapter / "adapter_model.safetensors")
    merged = read_checkpoint(base)
    for key in [key for key in factors if key.endswith(".lora_A.weight")]:
        path = key.removesuffix(".lora_A.weight")
        module = path.removeprefix("base_model.model.")
        a, b = widen(factors.pop(key)), widen(factors.pop(f"{path}.lora_B.weight"))
        rank, scale = scaling(config, module)
        assert rank == a.shape[0] == b.shape[1], key
        product = product_in_order(b, a) if rank <= 192 else product_in_blocks(b, a)
        dtype, shape, _ = weight = merged[f"{module}.weight"]
        merged[f"{module}.weight"] = dtype, shape, narrow(widen(weight) + product * scale, dtype)
        for suffix in BIAS_KEYS:
            if bias_factor := factors.pop(path + suffix, None):
                dtype, shape, _ = bias = merged[f"{module}.bias"]
                merged[f"{module}.bias"] = dtype, shape, narrow(widen(bias) + widen(bias_factor) * scale, dtype)
    assert not factors, f"unused: {sorted(factors)}"
    return merged
