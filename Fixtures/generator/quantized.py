"""Makes the bases with quantized weights in the folder quantized, and what the reference implementations decode them to.

    python quantized.py [CASE...]

Needs torch, transformers, bitsandbytes, compressed-tensors and torchao. Each case is a folder with a base, and decoded.safetensors:
the same tensors with every quantized weight as numbers. NaN is written as the positive quiet one.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "quantized"
ROWS, COLUMNS = 136, 144
NAMES = ["model.layers.0.proj", "model.layers.1.proj"]


def plain(dtype):
    """What no method quantizes."""
    return {
        "lm_head.weight": torch.randn(8, COLUMNS).to(dtype),
        "model.norm.weight": torch.randn(COLUMNS).to(dtype),
    }


def settled(tensor):
    """One NaN for all."""
    return torch.where(tensor.isnan(), torch.full_like(tensor, torch.nan).abs(), tensor)


def write(name, shards, decoded, dtype, quantization, metadata={}, **fields):
    folder = HERE / name
    base = folder / "base"
    base.mkdir(parents=True, exist_ok=True)
    names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    if len(shards) == 1:
        names = ["model.safetensors"]
    for file, tensors in zip(names, shards):
        save_file({key: value.contiguous() for key, value in tensors.items()}, base / file, metadata | {"format": "pt"})
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


def packed(name, args, scale_dtype, columns, block):
    """Integers of 4 bits of compressed-tensors."""
    from compressed_tensors.compressors import PackedQuantizationCompressor
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    torch.manual_seed(len(name))
    dtype = torch.bfloat16
    tensors = plain(dtype)
    decoded = dict(tensors)
    args = {"num_bits": 4, "type": "int", **args}
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**args))
    rows = ROWS - 1
    for module in NAMES:
        codes = torch.randint(-8, 8, (rows, columns), dtype=torch.int8)
        groups = -(-columns // block)
        scales = hostile(torch.rand(rows, groups) * 0.01).to(scale_dtype)
        state = {"weight_packed": pack_to_int32(codes, 4), "weight_scale": scales,
                 "weight_shape": torch.tensor([rows, columns])}
        if not args["symmetric"]:
            zeros = torch.randint(-8, 8, (rows, groups), dtype=torch.int8)
            state["weight_zero_point"] = pack_to_int32(zeros, 4, packed_dim=0).contiguous()
        tensors.update({f"{module}.{key}": value for key, value in state.items()})
        decoded[f"{module}.weight"] = PackedQuantizationCompressor.decompress(state, scheme)["weight"].to(
            dtype if scale_dtype == torch.float32 else scale_dtype)
    quantization = {"quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head"],
                    "config_groups": {"group_0": {"targets": ["Linear"], "weights": args}}}
    write(name, [tensors], decoded, dtype, quantization)


def case_packed_group():
    packed("packed-group", {"strategy": "group", "group_size": 48, "symmetric": True}, torch.bfloat16, COLUMNS, 48)


def case_packed_zeros():
    packed("packed-zeros", {"strategy": "group", "group_size": 36, "symmetric": False}, torch.float16, COLUMNS, 36)


def case_packed_channel():
    packed("packed-channel", {"strategy": "channel", "symmetric": True}, torch.float32, COLUMNS - 3, COLUMNS - 3)


def case_compressed_int8():
    from compressed_tensors.quantization import QuantizationArgs
    from compressed_tensors.quantization.lifecycle.forward import dequantize

    torch.manual_seed(11)
    dtype = torch.bfloat16
    tensors = plain(dtype)
    decoded = dict(tensors)
    args = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True}
    for module in NAMES:
        codes = every_code(ROWS, COLUMNS, torch.int8)
        scales = hostile(torch.rand(ROWS, 1) * 0.01).to(dtype)
        tensors[f"{module}.weight"] = codes
        tensors[f"{module}.weight_scale"] = scales
        decoded[f"{module}.weight"] = dequantize(codes, scales, args=QuantizationArgs(**args)).to(dtype)
    quantization = {"quant_method": "compressed-tensors", "format": "int-quantized", "ignore": ["lm_head"],
                    "config_groups": {"group_0": {"targets": ["Linear"], "weights": args}}}
    write("compressed-int8", [tensors], decoded, dtype, quantization)


def case_nvfp4():
    from compressed_tensors.compressors import NVFP4PackedCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    torch.manual_seed(12)
    dtype = torch.bfloat16
    tensors = plain(dtype)
    decoded = dict(tensors)
    args = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16, "symmetric": True}
    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**args))
    for module, scale in zip(NAMES, [1536.0, 3e-36]):
        state = {"weight_packed": every_code(ROWS, COLUMNS // 2, torch.uint8),
                 "weight_scale": every_code(ROWS, COLUMNS // 16, torch.float8_e4m3fn),
                 "weight_global_scale": torch.tensor([scale])}
        tensors.update({f"{module}.{key}": value for key, value in state.items()})
        decoded[f"{module}.weight"] = NVFP4PackedCompressor.decompress(state, scheme)["weight"]
    quantization = {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "ignore": ["lm_head"],
                    "config_groups": {"group_0": {"targets": ["Linear"], "weights": args}}}
    write("nvfp4", [tensors], decoded, dtype, quantization)


def words(codes, places, dim):
    """Eight codes along a dimension in one word of 32 bits."""
    codes = codes.movedim(dim, -1).to(torch.int64)
    codes = codes.reshape(*codes.shape[:-1], -1, 8)
    shifts = 4 * torch.tensor(places)
    packed = (codes << shifts).sum(-1)
    packed = torch.where(packed >= 1 << 31, packed - (1 << 32), packed).to(torch.int32)
    return packed.movedim(-1, dim).contiguous()


AWQ_PLACES = [0, 4, 1, 5, 2, 6, 3, 7]


def columns_of_words(name, method, dtype, group, order=None, **config):
    """`scales[g_idx] * (code - zero)` in the scales' dtype, transposed: `dequantize_weight` of GPTQModel and
    `dequantize_gemm` of AutoAWQ, which unpack and multiply like this."""
    torch.manual_seed(len(name))
    tensors = plain(dtype)
    decoded = dict(tensors)
    rows = ROWS
    groups = -(-COLUMNS // group)
    for module in NAMES:
        codes = torch.randint(0, 16, (COLUMNS, rows))
        zeros = torch.randint(1, 16, (groups, rows))
        scales = hostile(torch.rand(groups, rows) * 0.01).to(dtype)
        index = torch.arange(COLUMNS) // group
        if order:
            index = index[torch.randperm(COLUMNS)]
        weight = scales[index] * (codes - zeros[index]).to(dtype)
        if method == "gptq":
            tensors[f"{module}.qweight"] = words(codes, range(8), 0)
            stored = zeros if config.get("checkpoint_format") == "gptq_v2" else zeros - 1
            tensors[f"{module}.qzeros"] = words(stored, range(8), 1)
            tensors[f"{module}.g_idx"] = index.to(torch.int32)
        else:
            tensors[f"{module}.qweight"] = words(codes, AWQ_PLACES, 1)
            tensors[f"{module}.qzeros"] = words(zeros, AWQ_PLACES, 1)
        tensors[f"{module}.scales"] = scales
        decoded[f"{module}.weight"] = weight.T.contiguous()
    write(name, [tensors], decoded, dtype, {"quant_method": method, "bits": 4, "group_size": group, **config})


def case_gptq():
    columns_of_words("gptq", "gptq", torch.float16, 32, order=True, desc_act=True, sym=False)


def case_gptq_v2():
    columns_of_words("gptq-v2", "gptq", torch.bfloat16, 48, desc_act=False, sym=False, checkpoint_format="gptq_v2")


def case_awq():
    columns_of_words("awq", "awq", torch.float16, 48, zero_point=True, version="gemm")


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


def torchao(name, make, dtype, config, is_elsewhere=False):
    """`dequantize` of torchao's own classes, in the layout that transformers has of torchao for safetensors."""
    from torchao.core.config import config_to_dict
    from torchao.prototype.safetensors.safetensors_support import flatten_tensor_state_dict

    torch.manual_seed(len(name))
    tensors = plain(dtype)
    weights = {f"{module}.weight": make() for module in NAMES}
    flat, metadata = flatten_tensor_state_dict(tensors | weights)
    decoded = tensors | {key: weight.dequantize() for key, weight in weights.items()}
    quantization = {"quant_method": "torchao", "quant_type": {"default": config_to_dict(config)},
                    "modules_to_not_convert": None, "include_input_output_embeddings": False}
    shards = [flat]
    if is_elsewhere:
        shards = [{k: v for k, v in flat.items() if k.endswith("_scale") == scales} for scales in (False, True)]
    write(name, shards, decoded, dtype, quantization, metadata)


def case_torchao_int8():
    from torchao.quantization import Int8Tensor, Int8WeightOnlyConfig

    def make():
        zeros = torch.randint(-128, 128, (ROWS, 1), dtype=torch.int8)
        return Int8Tensor(every_code(ROWS, COLUMNS, torch.int8), hostile(torch.rand(ROWS, 1) * 0.01), [1, COLUMNS],
                          torch.bfloat16, zero_point=zeros)

    torchao("torchao-int8", make, torch.bfloat16, Int8WeightOnlyConfig(), is_elsewhere=True)


def case_torchao_intx():
    from torchao.quantization import IntxUnpackedToInt8Tensor, IntxWeightOnlyConfig, PerGroup

    def make():
        scales = hostile(torch.rand(ROWS, COLUMNS // 48) * 0.01).to(torch.float16)
        zeros = torch.randint(-8, 8, scales.shape, dtype=torch.int8)
        codes = torch.randint(-8, 8, (ROWS, COLUMNS), dtype=torch.int8)
        return IntxUnpackedToInt8Tensor(codes, scales, zeros, torch.int4, [1, 48], torch.float16, None)

    torchao("torchao-intx", make, torch.float16, IntxWeightOnlyConfig(torch.int4, PerGroup(48)))


def case_torchao_float8():
    from torchao.quantization import Float8Tensor, Float8WeightOnlyConfig

    def make():
        scales = hostile(torch.rand(ROWS // 8, COLUMNS // 16) * 0.01)
        return Float8Tensor(every_code(ROWS, COLUMNS, torch.float8_e4m3fn), scales, [8, 16], dtype=torch.bfloat16)

    torchao("torchao-float8", make, torch.bfloat16, Float8WeightOnlyConfig())


def case_torchao_float8_tensor():
    from torchao.quantization import Float8Tensor, Float8WeightOnlyConfig

    def make():
        return Float8Tensor(every_code(ROWS, COLUMNS, torch.float8_e5m2), torch.rand(1, 1), [ROWS, COLUMNS],
                            dtype=torch.float32)

    torchao("torchao-float8-tensor", make, torch.float32, Float8WeightOnlyConfig())


if __name__ == "__main__":
    cases = {name.removeprefix("case_"): make for name, make in globals().items() if name.startswith("case_")}
    for case in sys.argv[1:] or cases:
        cases[case.replace("-", "_")]()
