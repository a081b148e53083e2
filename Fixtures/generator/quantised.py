"""Makes the bases with quantised weights in the folder quantised, and what the reference implementations decode them to.

    python quantised.py [CASE...]

Needs torch, transformers, bitsandbytes and compressed-tensors. Each case is a folder with a base, and decoded.safetensors:
the same tensors with every quantised weight as numbers. NaN is written as the positive quiet one.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "quantised"
ROWS, COLUMNS = 136, 144
NAMES = ["model.layers.0.proj", "model.layers.1.proj"]


def plain(dtype):
    """What no method quantises."""
    return {
        "lm_head.weight": torch.randn(8, COLUMNS).to(dtype),
        "model.norm.weight": torch.randn(COLUMNS).to(dtype),
    }


def settled(tensor):
    """One NaN for all."""
    return torch.where(tensor.isnan(), torch.full_like(tensor, torch.nan).abs(), tensor)


def write(name, shards, decoded, dtype, quantization, **fields):
    folder = HERE / name
    base = folder / "base"
    base.mkdir(parents=True, exist_ok=True)
    names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    if len(shards) == 1:
        names = ["model.safetensors"]
    for file, tensors in zip(names, shards):
        save_file({key: value.contiguous() for key, value in tensors.items()}, base / file, {"format": "pt"})
    if len(shards) > 1:
        size = sum(t.numel() * t.element_size() for tensors in shards for t in tensors.values())
        weight_map = {key: file for file, tensors in zip(names, shards) for key in tensors}
        index = {"metadata": {"total_size": size}, "weight_map": weight_map}
        (base / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    config = {"dtype": str(dtype).removeprefix("torch."), "quantization_config": quantization, **fields}
    (base / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    decoded = {key: settled(value).contiguous() for key, value in decoded.items()}
    save_file(decoded, folder / "decoded.safetensors", {"format": "pt"})


def every_code(rows, columns, dtype):
    """All 256 codes and random ones."""
    codes = torch.randint(0, 256, (rows * columns,), dtype=torch.uint8)
    codes[:256] = torch.arange(256, dtype=torch.uint8)
    return codes.reshape(rows, columns).view(dtype)


def hostile(scales):
    """Zero, a subnormal, and numbers whose products are subnormal or infinite in 16 bits."""
    flat = scales.flatten()
    for place, value in enumerate([0.0, 1e-44, 3e-41, 1e38]):
        if place + 1 < flat.numel():
            flat[place + 1] = value
    return flat.reshape(scales.shape)


def fp8_reference(codes, scales, block, dtype):
    """`Fp8Dequantize` of transformers; a ragged last block is filled up first and cut off afterwards, as the kernels of
    DeepSeek mask it."""
    from transformers.integrations.finegrained_fp8 import Fp8Dequantize

    rows, columns = codes.shape
    grown = [-(-size // step) * step for size, step in zip(codes.shape, block)]
    padded = torch.zeros(grown, dtype=torch.uint8)
    padded[:rows, :columns] = codes.view(torch.uint8)
    return Fp8Dequantize(None)._dequantize_one(padded.view(codes.dtype), scales, dtype)[:rows, :columns]


def fp8(name, codes_dtype, block, dtype, scale, is_elsewhere=False, configured=True):
    torch.manual_seed(len(name))
    first, second, decoded = plain(dtype), {}, plain(dtype)
    decoded.update(first)
    step = block or (ROWS, COLUMNS)
    grid = [-(-size // s) for size, s in zip((ROWS, COLUMNS), step)]
    for module in NAMES:
        codes = every_code(ROWS, COLUMNS, codes_dtype)
        scales = scale(grid)
        first[f"{module}.weight"] = codes
        (second if is_elsewhere else first)[f"{module}.weight_scale_inv"] = scales if block else scales.reshape(())
        decoded[f"{module}.weight"] = fp8_reference(codes, scales, step, dtype)
    quantization = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": block}
    write(name, [first, second] if is_elsewhere else [first], decoded, dtype, quantization)


def float_scales(grid):
    return hostile(torch.rand(grid) * 0.01)


def case_fp8_block():
    fp8("fp8-block", torch.float8_e4m3fn, [128, 128], torch.bfloat16, float_scales, is_elsewhere=True)


def case_fp8_small_block():
    fp8("fp8-small-block", torch.float8_e5m2, [16, 48], torch.float16, float_scales)


def case_fp8_tensor():
    fp8("fp8-tensor", torch.float8_e5m2, None, torch.float32, lambda grid: torch.rand(grid))


def case_fp8_e8m0():
    def scale(grid):
        exponents = torch.randint(100, 140, grid, dtype=torch.uint8)
        exponents.flatten()[:3] = torch.tensor([0, 254, 1], dtype=torch.uint8)
        return exponents.view(torch.float8_e8m0fnu)

    fp8("fp8-e8m0", torch.float8_e4m3fn, [128, 128], torch.bfloat16, scale)


def case_mxfp8():
    def scale(grid):
        exponents = torch.randint(100, 140, grid, dtype=torch.uint8)
        exponents.flatten()[:4] = torch.tensor([0, 255, 254, 1], dtype=torch.uint8)
        return exponents

    fp8("mxfp8", torch.float8_e4m3fn, [1, 16], torch.bfloat16, scale)


def case_fbgemm():
    torch.manual_seed(1)
    dtype = torch.bfloat16
    tensors = plain(dtype)
    decoded = dict(tensors)
    for module in NAMES:
        codes = every_code(ROWS, COLUMNS, torch.float8_e4m3fn)
        scales = hostile(torch.rand(ROWS, 1) * 0.01)
        tensors[f"{module}.weight"] = codes
        tensors[f"{module}.weight_scale"] = scales
        tensors[f"{module}.input_scale_ub"] = torch.tensor([1200.0])
        decoded[f"{module}.weight"] = (codes.to(torch.float32) * scales).to(dtype)
    quantization = {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"]}
    write("fbgemm", [tensors], decoded, dtype, quantization)


def compressed(name, strategy, shape, scale_dtype, block=None):
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import dequantize

    torch.manual_seed(len(name))
    dtype = torch.bfloat16
    tensors = plain(dtype)
    decoded = dict(tensors)
    args = {"num_bits": 8, "type": "float", "strategy": strategy, "symmetric": True}
    if block:
        args["block_structure"] = block
    for module in NAMES:
        codes = every_code(ROWS, COLUMNS, torch.float8_e4m3fn)
        scales = hostile(torch.rand(shape) * 0.01).to(scale_dtype)
        tensors[f"{module}.weight"] = codes
        tensors[f"{module}.weight_scale"] = scales
        decoded[f"{module}.weight"] = dequantize(codes, scales, args=QuantizationArgs(**args)).to(dtype)
    quantization = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": args}},
    }
    write(name, [tensors], decoded, dtype, quantization)


def case_compressed_channel():
    compressed("compressed-channel", "channel", (ROWS, 1), torch.bfloat16)


def case_compressed_tensor():
    compressed("compressed-tensor", "tensor", (1,), torch.float32)


def halves_reference(codes, absmax, code, block, shape, dtype):
    """`number(code) * absmax` in fp32, rounded once: `dDequantizeNF4(code) * local_abs_max` of bitsandbytes' kernels."""
    flat = codes.reshape(-1).to(torch.int64)
    numbers = code[torch.stack([flat >> 4, flat & 15], 1).flatten()][: shape.numel()]
    scales = absmax.repeat_interleave(block)[: shape.numel()]
    return (numbers * scales).reshape(shape).to(dtype)


def bitsandbytes_halves(name, quant_type, dtype, nested, block):
    import bitsandbytes.functional as F
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute

    torch.manual_seed(len(name))
    tensors = plain(dtype)
    decoded = dict(tensors)
    for module in NAMES:
        weight = torch.randn(ROWS - 1, COLUMNS).to(dtype)
        weight[0, :block] = 0
        weight[1, :block] *= 1e-6
        codes, state = F.quantize_4bit(weight, blocksize=block, quant_type=quant_type, compress_statistics=nested)
        codes.flatten()[:16] = torch.arange(0, 256, 17, dtype=torch.uint8)
        tensors[f"{module}.weight"] = codes
        for key, value in state.as_dict(packed=True).items():
            tensors[f"{module}.weight.{key}"] = value
        absmax = state.absmax
        if nested:
            absmax = F.dequantize_blockwise(state.absmax, state.state2) + state.offset
        decoded[f"{module}.weight"] = halves_reference(codes, absmax, state.code, block, weight.shape, dtype)
        # The compiled kernel for processors takes other blocks where a row is not whole blocks, which neither the plain
        # implementation nor the one for GPUs does; elsewhere the three agree.
        plain_result = _dequantize_4bit_compute(codes.reshape(-1), absmax, state.code, block, weight.shape, dtype)
        assert torch.equal(plain_result, decoded[f"{module}.weight"])
        whole = weight.flatten()[: 32 * block].reshape(32, block).contiguous()
        codes, state = F.quantize_4bit(whole, blocksize=block, quant_type=quant_type)
        assert torch.equal(
            F.dequantize_4bit(codes, state),
            halves_reference(codes, state.absmax, state.code, block, whole.shape, dtype))
    quantization = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": quant_type,
                    "bnb_4bit_use_double_quant": nested, "llm_int8_skip_modules": None}
    write(name, [tensors], decoded, dtype, quantization)


def case_nf4():
    bitsandbytes_halves("nf4", "nf4", torch.bfloat16, False, 64)


def case_nf4_nested():
    bitsandbytes_halves("nf4-nested", "nf4", torch.bfloat16, True, 64)


def case_nf4_large_block():
    bitsandbytes_halves("nf4-large-block", "nf4", torch.float32, False, 512)


def case_fp4_nested():
    bitsandbytes_halves("fp4-nested", "fp4", torch.float16, True, 32)


def case_int8():
    import bitsandbytes.functional as F

    torch.manual_seed(3)
    dtype = torch.float16
    tensors = plain(dtype)
    decoded = dict(tensors)
    for module in NAMES:
        codes = every_code(ROWS, COLUMNS, torch.int8)
        scales = hostile(torch.rand(ROWS))
        tensors[f"{module}.weight"] = codes
        tensors[f"{module}.SCB"] = scales
        tensors[f"{module}.weight_format"] = torch.tensor(0, dtype=torch.uint8)
        decoded[f"{module}.weight"] = F.int8_vectorwise_dequant(codes, scales).to(dtype)
    quantization = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    write("int8", [tensors], decoded, dtype, quantization)


def case_mxfp4():
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    torch.manual_seed(4)
    dtype = torch.bfloat16
    tensors = plain(dtype)
    decoded = dict(tensors)
    for layer in range(2):
        for name, out, groups in [("gate_up_proj", 40, 3), ("down_proj", 96, 2)]:
            key = f"model.layers.{layer}.mlp.experts.{name}"
            blocks = torch.randint(0, 256, (3, out, groups, 16), dtype=torch.uint8)
            scales = torch.randint(100, 140, (3, out, groups), dtype=torch.uint8)
            scales[0, 0, 0], scales[0, 1, 0], scales[1, 2, 1] = 0, 255, 254
            tensors[f"{key}_blocks"] = blocks
            tensors[f"{key}_scales"] = scales
            tensors[f"{key}_bias"] = torch.randn(3, out).to(dtype)
            decoded[f"{key}_bias"] = tensors[f"{key}_bias"]
            decoded[key] = convert_moe_packed_tensors(blocks, scales, dtype=dtype)
    quantization = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
    write("mxfp4", [tensors], decoded, dtype, quantization, model_type="gpt_oss")


if __name__ == "__main__":
    cases = {name.removeprefix("case_"): make for name, make in globals().items() if name.startswith("case_")}
    for case in sys.argv[1:] or cases:
        cases[case.replace("-", "_")]()
