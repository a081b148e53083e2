"""Makes more bases for the folder quantized, as quantized.py does: formats of which a base may hold several, and formats of other
writers than transformers.

    python quantized_more.py [CASE...]

Of compressed-tensors its own package decodes. The others follow what their packages do, in torch: GPTQModel 7.7
(`convert_gptq_v1_to_v2_format_module`, `dequantize_weight`), mlx (`dequantize`, whose product and sum are each rounded), Model
Optimizer (`NVFP4QTensor.dequantize`), and the FP4 experts of DeepSeek-V4.
"""

import json
import sys

import torch
from quantized import COLUMNS, HERE, NAMES, ROWS, every_code, hostile, plain, write

E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def start(seed, dtype):
    torch.manual_seed(seed)
    tensors = plain(dtype)
    return tensors, dict(tensors)


def halves(codes):
    """Two numbers of E2M1 a byte, the first in the lower half."""
    codes = codes.view(torch.uint8)
    pairs = torch.stack([codes & 15, codes >> 4], -1).reshape(codes.shape[0], -1)
    return E2M1[pairs.long()]


def by_group(numbers, scales, group):
    return (numbers.reshape(numbers.shape[0], -1, group) * scales[..., None]).reshape(numbers.shape)


def scheme_of(args):
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    return QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**args))


def integers(bits, group, scale_dtype, symmetric):
    """Packed integers of one module, and what compressed-tensors decodes them to."""
    from compressed_tensors.compressors import PackedQuantizationCompressor
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32

    low, high = -(1 << bits - 1), 1 << bits - 1
    codes = torch.randint(low, high, (ROWS, COLUMNS), dtype=torch.int8)
    scales = hostile(torch.rand(ROWS, COLUMNS // group) * 0.01).to(scale_dtype)
    args = {"num_bits": bits, "type": "int", "symmetric": symmetric,
            **({"strategy": "group", "group_size": group} if group < COLUMNS else {"strategy": "channel"})}
    state = {"weight_packed": pack_to_int32(codes, bits), "weight_scale": scales,
             "weight_shape": torch.tensor([ROWS, COLUMNS])}
    if not symmetric:
        zeros = torch.randint(low, high, (ROWS, COLUMNS // group), dtype=torch.int8)
        state["weight_zero_point"] = pack_to_int32(zeros, bits, packed_dim=0).contiguous()
    return args, state, PackedQuantizationCompressor.decompress(dict(state), scheme_of(args))["weight"]


def compressed(name, dtype, modules, whole):
    """A base whose modules are each of a scheme of their own: (format, args, tensors, numbers)."""
    tensors, decoded = start(len(name), dtype)
    groups = {}
    for number, (module, (format, args, state, weight)) in enumerate(zip(NAMES, modules)):
        tensors.update({f"{module}.{key}": value for key, value in state.items()})
        decoded[f"{module}.weight"] = weight
        groups[f"group_{number}"] = {"targets": [f"re:.*layers.{number}.*"], "weights": args, "format": format}
    write(name, [tensors], decoded, dtype,
          {"quant_method": "compressed-tensors", "format": whole, "ignore": ["lm_head"], "config_groups": groups})


def packed(*arguments):
    return ("pack-quantized", *integers(*arguments))


def case_packed_8bit():
    torch.manual_seed(1)
    compressed("packed-8bit", torch.bfloat16, [packed(8, 48, torch.float16, False), packed(8, 48, torch.float16, True)],
               "pack-quantized")


def case_packed_groups():
    torch.manual_seed(2)
    compressed("packed-groups", torch.bfloat16,
               [packed(4, 48, torch.bfloat16, True), packed(8, COLUMNS, torch.bfloat16, True)], "pack-quantized")


def case_packed_2bit():
    torch.manual_seed(3)
    compressed("packed-2bit", torch.bfloat16, [packed(2, 16, torch.bfloat16, False), packed(2, 48, torch.bfloat16, True)],
               "pack-quantized")


def case_compressed_mixed():
    from compressed_tensors.compressors import NVFP4PackedCompressor
    from compressed_tensors.quantization.lifecycle.forward import dequantize

    torch.manual_seed(4)
    int8 = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": False}
    state = {"weight": every_code(ROWS, COLUMNS, torch.int8),
             "weight_scale": hostile(torch.rand(ROWS, 1) * 0.01).to(torch.bfloat16),
             "weight_zero_point": torch.randint(-128, 128, (ROWS, 1), dtype=torch.int8)}
    first = ("naive-quantized", int8, state,
             dequantize(state["weight"], state["weight_scale"], state["weight_zero_point"], args=scheme_of(int8).weights))
    fp4 = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16, "symmetric": True}
    state = {"weight_packed": every_code(ROWS, COLUMNS // 2, torch.uint8),
             "weight_scale": every_code(ROWS, COLUMNS // 16, torch.float8_e4m3fn),
             "weight_global_scale": torch.tensor([77.0])}
    second = ("nvfp4-pack-quantized", fp4, state, NVFP4PackedCompressor.decompress(dict(state), scheme_of(fp4))["weight"])
    compressed("compressed-mixed", torch.bfloat16, [first, second], "mixed-precision")


def case_compressed_mx():
    from compressed_tensors.compressors import MXFP4PackedCompressor, MXFP8QuantizationCompressor

    torch.manual_seed(5)

    def exponents(group):
        scales = torch.randint(100, 150, (rows, columns // group), dtype=torch.uint8)
        scales.flatten()[:2] = torch.tensor([1, 250], dtype=torch.uint8)
        return scales

    rows, columns = ROWS, 160
    fp4 = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32, "symmetric": True,
           "scale_dtype": "torch.uint8"}
    state = {"weight_packed": every_code(rows, columns // 2, torch.uint8), "weight_scale": exponents(32)}
    first = ("mxfp4-pack-quantized", fp4, state, MXFP4PackedCompressor.decompress(dict(state), scheme_of(fp4))["weight"])
    fp8 = fp4 | {"num_bits": 8}
    state = {"weight": every_code(rows, columns, torch.float8_e4m3fn), "weight_scale": exponents(32)}
    second = ("mxfp8-quantized", fp8, state, MXFP8QuantizationCompressor.decompress(dict(state), scheme_of(fp8))["weight"])
    compressed("compressed-mx", torch.bfloat16, [first, second], "mixed-precision")


def columns_of_words(name, bits, group, stored_zeros, low, **config):
    """GPTQ: words along the columns; `stored_zeros` makes the words of zero points from the packed ones."""
    dtype = torch.float16
    tensors, decoded = start(len(name), dtype)
    count = 32 // bits

    def pack(codes, dim):
        codes = codes.movedim(dim, -1).to(torch.int64)
        codes = codes.reshape(*codes.shape[:-1], -1, count)
        return (codes << bits * torch.arange(count)).sum(-1).movedim(-1, dim)

    def words(values):
        return torch.where(values >= 1 << 31, values - (1 << 32), values).to(torch.int32).contiguous()

    rows = -(-ROWS // 16) * 16
    for module in NAMES:
        codes = torch.randint(0, 1 << bits, (COLUMNS, rows))
        groups = COLUMNS // group
        zeros = torch.randint(low, 1 << bits, (groups, rows))
        scales = hostile(torch.rand(groups, rows) * 0.01).to(dtype)
        index = torch.arange(COLUMNS) // group
        tensors[f"{module}.qweight"] = words(pack(codes, 0))
        tensors[f"{module}.qzeros"] = words(stored_zeros(pack(zeros, 1)))
        tensors[f"{module}.g_idx"] = index.to(torch.int32)
        tensors[f"{module}.scales"] = scales
        decoded[f"{module}.weight"] = (scales[index] * (codes - zeros[index]).to(dtype)).T.contiguous()
    write(name, [tensors], decoded, dtype,
          {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": False, "sym": False, **config})


def less_one(bits):
    """As GPTQModel writes version 1: one is taken from every place of the whole word."""
    ones = 0xFFFFFFFF // ((1 << bits) - 1)
    return lambda words: (words - ones) % (1 << 32)


WRITER = {"checkpoint_format": "gptq", "meta": {"quantizer": ["gptqmodel:7.7.0"]}}


def case_gptq_8bit():
    columns_of_words("gptq-8bit", 8, 48, lambda words: words, 0, checkpoint_format="gptq_v2")


def case_gptq_2bit():
    columns_of_words("gptq-2bit", 2, 48, lambda words: words, 0, checkpoint_format="gptq_v2")


def case_gptq_zero():
    columns_of_words("gptq-zero", 4, 48, less_one(4), 0, **WRITER)


def case_gptq_8bit_zero():
    columns_of_words("gptq-8bit-zero", 8, 48, less_one(8), 0, **WRITER)


def case_modelopt_nvfp4():
    tensors, decoded = start(6, torch.bfloat16)
    for module, scale in zip(NAMES, [1 / 1536, 3e30]):
        codes = every_code(ROWS, COLUMNS // 2, torch.uint8)
        scales = every_code(ROWS, COLUMNS // 16, torch.float8_e4m3fn)
        tensors[f"{module}.weight"] = codes
        tensors[f"{module}.weight_scale"] = scales
        tensors[f"{module}.weight_scale_2"] = torch.tensor(scale)
        tensors[f"{module}.input_scale"] = torch.tensor(0.5)
        decoded[f"{module}.weight"] = by_group(halves(codes), scales.float() * scale, 16).bfloat16()
    write("modelopt-nvfp4", [tensors], decoded, torch.bfloat16,
          {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"],
           "producer": {"name": "modelopt", "version": "0.25.0"}})


def case_deepseek_fp4():
    tensors, decoded = start(7, torch.bfloat16)
    columns = 160
    exponents = torch.randint(100, 140, (ROWS, columns // 32), dtype=torch.uint8)
    codes = every_code(ROWS, columns // 2, torch.int8)
    scales = exponents.view(torch.float8_e8m0fnu)
    tensors[f"{NAMES[0]}.weight"], tensors[f"{NAMES[0]}.scale"] = codes, scales
    decoded[f"{NAMES[0]}.weight"] = by_group(halves(codes), scales.float(), 32).bfloat16()
    codes = every_code(ROWS, columns, torch.float8_e4m3fn)
    scales = torch.randint(100, 140, (2, 2), dtype=torch.uint8).view(torch.float8_e8m0fnu)
    tensors[f"{NAMES[1]}.weight"], tensors[f"{NAMES[1]}.scale"] = codes, scales
    grown = scales.float().repeat_interleave(128, 0).repeat_interleave(128, 1)[:ROWS, :columns]
    decoded[f"{NAMES[1]}.weight"] = (codes.float() * grown).bfloat16()
    write("deepseek-fp4", [tensors], decoded, torch.bfloat16,
          {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "scale_fmt": "ue8m0",
           "weight_block_size": [128, 128]}, expert_dtype="fp4")


def case_mlx():
    dtype = torch.bfloat16
    tensors, decoded = start(8, dtype)
    columns = 128
    for module, bits, group in zip(NAMES, [4, 8], [64, 32]):
        codes = torch.randint(0, 256, (ROWS, columns * bits // 8), dtype=torch.uint8)
        scales = (torch.randn(ROWS, columns // group) * 0.01).to(dtype)
        biases = (torch.randn(ROWS, columns // group) * 0.1).to(dtype)
        numbers = codes if bits == 8 else torch.stack([codes & 15, codes >> 4], -1).reshape(ROWS, columns)
        tensors[f"{module}.weight"] = codes.view(torch.int32).view(torch.uint32)
        tensors[f"{module}.scales"], tensors[f"{module}.biases"] = scales, biases
        product = numbers.to(dtype).reshape(ROWS, -1, group) * scales[..., None]
        decoded[f"{module}.weight"] = (product + biases[..., None]).reshape(ROWS, columns)
    scheme = {"group_size": 64, "bits": 4, "mode": "affine", NAMES[1]: {"group_size": 32, "bits": 8}}
    write("mlx", [tensors], decoded, dtype, scheme)
    # mlx-lm writes it under both keys.
    path = HERE / "mlx" / "base" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"quantization": scheme}, indent=2) + "\n")


def case_fp8_plain():
    tensors, decoded = start(9, torch.bfloat16)
    for module, dtype in zip(NAMES, [torch.float8_e4m3fn, torch.float8_e5m2]):
        codes = every_code(ROWS, COLUMNS, dtype)
        tensors[f"{module}.weight"] = codes
        decoded[f"{module}.weight"] = codes.bfloat16()
    write("fp8-plain", [tensors], decoded, torch.bfloat16, None)


if __name__ == "__main__":
    cases = {name.removeprefix("case_"): make for name, make in globals().items() if name.startswith("case_")}
    for case in sys.argv[1:] or cases:
        cases[case.replace("-", "_")]()
