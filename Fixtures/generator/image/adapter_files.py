"""Makes adapters that are one file, with small bases and the right results, in the folder image/files.

    python generator/image/adapter_files.py [CASE...]

Needs torch and lycoris-lora 4.1.3. Each case is a folder with base.safetensors, adapter.safetensors and expected.safetensors: the
changed tensors in F32, computed in double by the functional forms of LyCORIS where it has one, otherwise by the formula.
Modules of the base have the names that the adapter has.
"""

import json
import math
import pathlib
import sys
import zlib

import numpy as np
import torch
from lycoris.functional import boft, diag_oft, locon, loha, lokr
from lycoris.functional.general import weight_decompose
from lycoris.modules.glora import _glora_weight
from lycoris.modules.ia3 import _ia3_weight
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent.parent / "image" / "files"


def numbers(label, *shape, deviation=0.5):
    """Multiples of 1/64 that depend on the label alone."""
    generator = np.random.default_rng([20261130, zlib.crc32(label.encode())])
    values = np.round(generator.standard_normal(shape) * deviation * 64) / 64
    return torch.from_numpy(values)


class Case:
    """One adapter, module by module."""

    def __init__(self, name, metadata=None, dtype=torch.float32):
        self.name, self.metadata, self.dtype = name, metadata, dtype
        self.base, self.adapter, self.expected = {}, {}, {}

    def values(self, label, *shape):
        return numbers(f"{self.name} {label}", *shape)

    def weight(self, module, *shape, leaf="weight"):
        name = f"{module}.{leaf}"
        self.base[name] = self.values(name, *shape)
        return self.base[name]

    def put(self, module, **tensors):
        """Adapter tensors, with '__' for the dots in the ends of their names."""
        for name, tensor in tensors.items():
            self.adapter[f"{module}.{name.replace('__', '.')}"] = tensor

    def result(self, module, value, leaf="weight"):
        self.expected[f"{module}.{leaf}"] = value.reshape(self.base[f"{module}.{leaf}"].shape)

    def write(self):
        folder = HERE / self.name
        folder.mkdir(parents=True, exist_ok=True)

        def plain(tensors, dtype):
            return {
                name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().clone()
                for name, tensor in tensors.items()
            }

        save_file(plain(self.base, torch.float32), folder / "base.safetensors")
        save_file(plain(self.adapter, self.dtype), folder / "adapter.safetensors", metadata=self.metadata)
        save_file(plain(self.expected, torch.float32), folder / "expected.safetensors")


def scalar(value, dtype=torch.float64):
    return torch.tensor(value, dtype=dtype)


def lora(name, spelling, alphas=True, metadata=None, prefix=""):
    """LoRA of a linear layer, convolutions of one and two dimensions, and a linear one on a convolution of one position."""
    down, up = spelling
    case = Case(name, metadata)
    for module, shape, kernel, rank, alpha in [
        ("linear", (6, 4), (), 3, 1.5), ("conv", (4, 3), (3, 2), 2, 8), ("line", (3, 4), (3,), 2, 1), ("point", (5, 4), (1, 1), 4, 2),
    ]:
        module = prefix + module
        weight = case.weight(module, *shape, *kernel)
        is_flat = kernel == (1, 1)
        a = case.values(module + " a", rank, shape[1], *(() if is_flat else kernel))
        b = case.values(module + " b", shape[0], rank, *(() if is_flat else (1 for _ in kernel)))
        case.put(module, **{down: a, up: b})
        if alphas:
            case.put(module, alpha=scalar(alpha))
        scale = alpha / rank if alphas else 1
        case.result(module, weight + locon.diff_weight(a, b, None, gamma=scale, backend="torch").reshape(weight.shape))
    return case


def tucker():
    case = Case("tucker")
    for module, kernel, rank in [("conv", (3, 3), 3), ("line", (3,), 2)]:
        weight = case.weight(module, 5, 4, *kernel)
        ones = [1 for _ in kernel]
        a, b = case.values(module + " a", rank, 4, *ones), case.values(module + " b", 5, rank, *ones)
        mid = case.values(module + " mid", rank, rank, *kernel)
        case.put(module, lora_down__weight=a, lora_up__weight=b, lora_mid__weight=mid, alpha=scalar(1.5))
        case.result(module, weight + locon.diff_weight(a, b, mid, gamma=1.5 / rank, backend="torch"))
    return case


def loha_case():
    case = Case("loha")
    for module, kernel, has_core in [("linear", (), False), ("conv", (3, 2), False), ("core", (3, 3), True)]:
        weight = case.weight(module, 6, 4, *kernel)
        rank, alpha, tensors = 2, 3, {}
        for side in "12":
            if has_core:
                tensors[f"hada_t{side}"] = case.values(f"{module} t{side}", rank, rank, *kernel)
                tensors[f"hada_w{side}_a"] = case.values(f"{module} a{side}", rank, 6)
                tensors[f"hada_w{side}_b"] = case.values(f"{module} b{side}", rank, 4)
            else:
                tensors[f"hada_w{side}_a"] = case.values(f"{module} a{side}", 6, rank)
                tensors[f"hada_w{side}_b"] = case.values(f"{module} b{side}", rank, 4 * math.prod(kernel))
        case.put(module, **tensors, alpha=scalar(alpha))
        parts = [tensors.get(name) for name in ("hada_w1_b", "hada_w1_a", "hada_w2_b", "hada_w2_a", "hada_t1", "hada_t2")]
        delta = loha.diff_weight(*parts, gamma=alpha / rank, backend="torch")
        case.result(module, weight + delta.reshape(weight.shape))
    return case


def lokr_case():
    case = Case("lokr")
    for module, kernel, first, second, alpha in [
        ("both", (), "full", "full", 1e10), ("right", (), "full", "low", 3), ("left", (), "low", "full", 3),
        ("low", (), "low", "low", 3), ("conv", (3, 2), "full", "full", 7), ("line", (3,), "full", "full", 7),
        ("flat", (3, 2), "full", "low", 3), ("core", (3, 3), "full", "core", 3),
    ]:
        weight = case.weight(module, 6, 8, *kernel)
        (o1, i1), (o2, i2), tensors = (2, 4), (3, 2), {}
        if first == "full":
            tensors["lokr_w1"] = case.values(module + " w1", o1, i1)
        else:
            tensors["lokr_w1_a"], tensors["lokr_w1_b"] = case.values(module + " w1a", o1, 1), case.values(module + " w1b", 1, i1)
        if second == "full":
            tensors["lokr_w2"] = case.values(module + " w2", o2, i2, *kernel)
        elif second == "low":
            tensors["lokr_w2_a"] = case.values(module + " w2a", o2, 2)
            tensors["lokr_w2_b"] = case.values(module + " w2b", 2, i2 * math.prod(kernel))
        else:
            tensors["lokr_t2"] = case.values(module + " t2", 2, 2, *kernel)
            tensors["lokr_w2_a"], tensors["lokr_w2_b"] = case.values(module + " w2a", 2, o2), case.values(module + " w2b", 2, i2)
        case.put(module, **tensors, alpha=scalar(alpha))
        rank = 2 if second != "full" else 1
        scale = 1 if (first, second) == ("full", "full") else alpha / rank
        roles = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
        parts = {role: tensors.get(role) for role in roles}
        if module == "line":
            # torch.kron would put the missing dimension of w1 first.
            parts["lokr_w1"] = parts["lokr_w1"].unsqueeze(2)
        if second == "core":
            core = torch.einsum("pqij,po,qk->okij", parts["lokr_t2"], parts["lokr_w2_a"], parts["lokr_w2_b"])
            parts.update(lokr_w2=core, lokr_w2_a=None, lokr_w2_b=None, lokr_t2=None)
        if second == "low" and kernel:
            product = (parts["lokr_w2_a"] @ parts["lokr_w2_b"]).reshape(o2, i2, *kernel)
            parts.update(lokr_w2=product, lokr_w2_a=None, lokr_w2_b=None)
        delta = lokr.kron_weight(*(parts[role] for role in roles), scale=scale, backend="torch")
        case.result(module, weight + delta.reshape(weight.shape))
    return case


def dora():
    """Norms of rows and of columns, of linear layers and convolutions; PEFT's names; LoHa with norms."""
    case = Case("dora")
    for module, shape, kernel, on_rows in [
        ("rows", (6, 4), (), True), ("columns", (6, 4), (), False), ("square", (4, 4), (), False),
        ("conv_rows", (5, 4), (3, 2), True), ("conv_columns", (5, 4), (3, 2), False),
    ]:
        weight = case.weight(module, *shape, *kernel)
        a = case.values(module + " a", 2, shape[1], *kernel)
        b = case.values(module + " b", shape[0], 2, *(1 for _ in kernel))
        ones = [1 for _ in kernel]
        norms = case.values(module + " m", *((shape[0], 1) if on_rows else (1, shape[1])), *ones).abs() + 1
        case.put(module, lora_down__weight=a, lora_up__weight=b, dora_scale=norms, alpha=scalar(1))
        value = weight + locon.diff_weight(a, b, None, gamma=0.5, backend="torch").reshape(weight.shape)
        case.result(module, weight_decompose(value, norms, 1, on_rows, backend="torch"))
    weight = case.weight("peft", 6, 4)
    a, b, norms = case.values("peft a", 2, 4), case.values("peft b", 6, 2), case.values("peft m", 6).abs() + 1
    case.put("peft", lora_A__weight=a, lora_B__weight=b, lora_magnitude_vector=norms)
    value = weight + b @ a
    case.result("peft", value * (norms / value.norm(dim=1))[:, None])
    weight = case.weight("loha", 6, 4)
    parts = [case.values(f"loha {name}", *shape) for name, shape in [("1a", (6, 2)), ("1b", (2, 4)), ("2a", (6, 2)), ("2b", (2, 4))]]
    norms = case.values("loha m", 1, 4).abs() + 1
    case.put("loha", hada_w1_a=parts[0], hada_w1_b=parts[1], hada_w2_a=parts[2], hada_w2_b=parts[3], dora_scale=norms)
    value = weight + (parts[0] @ parts[1]) * (parts[2] @ parts[3])
    case.result("loha", weight_decompose(value, norms, 1, False, backend="torch"))
    return case


def differences():
    case = Case("differences")
    for module, shape in [("linear", (6, 4)), ("conv", (4, 3, 3, 2)), ("norm", (5,))]:
        case.weight(module, *shape)
        bias = case.weight(module, shape[0], leaf="bias")
        names = ("w_norm", "b_norm") if module == "norm" else ("diff", "diff_b")
        change, change_b = case.values(module + " d", *shape), case.values(module + " b", shape[0])
        case.put(module, **{names[0]: change, names[1]: change_b})
        case.result(module, case.base[module + ".weight"] + change)
        case.result(module, bias + change_b, leaf="bias")
    # A bias beside factors and alone, which alpha does not scale.
    weight, bias = case.weight("both", 6, 4), case.weight("both", 6, leaf="bias")
    a, b, change = case.values("both a", 2, 4), case.values("both b", 6, 2), case.values("both c", 6)
    case.put("both", lora_down__weight=a, lora_up__weight=b, alpha=scalar(8), diff_b=change)
    case.result("both", weight + 4 * (b @ a))
    case.result("both", bias + change, leaf="bias")
    bias, change = case.weight("alone", 6, leaf="bias"), case.values("alone c", 6)
    case.put("alone", diff_b=change)
    case.result("alone", bias + change, leaf="bias")
    value, change = case.weight("head", 1, 2, 5, leaf="modulation"), case.values("head c", 1, 2, 5)
    case.put("head", diff_m=change)
    case.result("head", value + change, leaf="modulation")
    return case


def ia3():
    case = Case("ia3")
    for module, shape, kernel, on_input in [
        ("rows", (6, 4), (), 0), ("columns", (6, 4), (), 1), ("conv_rows", (5, 4), (3, 2), 0), ("conv_columns", (5, 4), (3, 2), 1),
    ]:
        weight = case.weight(module, *shape, *kernel)
        count = shape[1] if on_input else shape[0]
        vector = case.values(module + " w", *((1, count, 1, 1) if kernel else (count,)))
        case.put(module, weight=vector, on_input=torch.tensor(on_input))
        case.result(module, _ia3_weight(weight, vector, bool(on_input), 1, False))
    return case


def alphas():
    """Alphas of every dtype that trainers write."""
    case = Case("alphas")
    for dtype in [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8]:
        module = str(dtype).split(".")[1]
        weight = case.weight(module, 4, 4)
        a, b = case.values(module + " a", 2, 4), case.values(module + " b", 4, 2)
        case.put(module, lora_down__weight=a, lora_up__weight=b)
        case.adapter[module + ".alpha"] = torch.tensor([3], dtype=dtype)
        case.result(module, weight + 1.5 * (b @ a))
    return case


def stated():
    """What diffusers saves as lora_adapter_metadata, with patterns and rank-stabilized scaling."""
    fields = {
        "unet.r": 4, "unet.lora_alpha": 2, "unet.rank_pattern": {"down.0.narrow": 2}, "unet.alpha_pattern": {"strong": 8},
        "unet.peft_type": "LORA", "unet.target_modules": ["plain", "narrow", "strong"], "text_encoder.r": 4,
        "text_encoder.lora_alpha": 8, "text_encoder.use_rslora": True, "text_encoder.peft_type": "LORA",
    }
    case = Case("stated", {"format": "pt", "lora_adapter_metadata": json.dumps(fields, indent=2, sort_keys=True)})
    for module, rank, scale in [
        ("unet.plain", 4, 0.5), ("unet.down.0.narrow", 2, 1), ("unet.strong", 4, 2), ("text_encoder.layer", 4, 4),
    ]:
        weight = case.weight(module, 6, 4)
        a, b = case.values(module + " a", rank, 4), case.values(module + " b", 6, rank)
        case.put(module, lora_A__weight=a, lora_B__weight=b)
        case.result(module, weight + scale * (b @ a))
    return case


def rotation(blocks, unit=None, constraint=0):
    """`get_r` of LyCORIS, whose inverse is in fp32, in double."""
    q = blocks - blocks.transpose(-1, -2)
    norm = q.norm() + 1e-8
    if constraint and norm > constraint:
        q = q * constraint / norm
    unit = torch.eye(blocks.shape[-1], dtype=torch.float64)
    return (unit + q) @ torch.linalg.inv(unit - q)


diag_oft.get_r = boft.get_r = rotation


def orthogonal():
    """diag-OFT and BOFT with and without a bound and scales, and the OFT of kohya."""
    case = Case("orthogonal")
    for module, shape, kernel, blocks, bound, has_scales in [
        ("plain", (6, 4), (), (2, 3, 3), 0, False), ("bounded", (6, 4), (), (2, 3, 3), 0.05, False),
        ("scaled", (6, 4), (), (3, 2, 2), 0, True), ("conv", (6, 2), (3, 2), (2, 3, 3), 0, True),
        ("stages", (16, 4), (), (3, 4, 4, 4), 0, True), ("stages_bounded", (8, 4), (), (3, 4, 2, 2), 0.1, False),
        ("stages_conv", (8, 2), (3,), (2, 2, 4, 4), 0, False),
    ]:
        weight = case.weight(module, *shape, *kernel)
        values = case.values(module + " blocks", *blocks) / 4
        scales = case.values(module + " scales", shape[0], 1, *(1 for _ in kernel)).abs() + 0.5 if has_scales else None
        case.put(module, oft_blocks=values, **({"rescale": scales} if has_scales else {}), alpha=scalar(bound))
        bound = bound * shape[0]
        if len(blocks) == 3:
            delta = diag_oft._diff_weight(weight, values, scales, bound)
        else:
            delta = boft._diff_weight(weight, values, scales, bound, 1)
        case.result(module, weight + delta)
    # Q is scaled whatever its norm is.
    for module, alpha in [("oft_unet_short", 1e-3), ("oft_unet_long", 10.0)]:
        weight = case.weight(module, 6, 4)
        values = case.values(module + " blocks", 2, 3, 3) / 4
        case.put(module, oft_blocks=values, alpha=scalar(alpha, torch.float32))
        q = values - values.transpose(-1, -2)
        limit = float(torch.tensor(alpha, dtype=torch.float32)) * 6
        q = q * (min(float(q.norm()), limit) + 1e-8) / (q.norm() + 1e-8)
        unit = torch.eye(3, dtype=torch.float64)
        r = (unit + q) @ torch.linalg.inv(unit - q)
        case.result(module, torch.einsum("kni,knm->kim", r, weight.reshape(2, 3, 4)).reshape(6, 4))
    return case


def glora():
    """Both forms, the older with the factors of each product exchanged, and a convolution of one position."""
    case = Case("glora")
    for module, shape, kernel in [("linear", (6, 4), ()), ("square", (5, 5), ()), ("point", (3, 4), (1, 1))]:
        weight = case.weight(module, *shape, *kernel)
        rank, ones = 2, [1 for _ in kernel]
        a1, a2 = case.values(module + " a1", shape[1], rank, *ones), case.values(module + " a2", rank, shape[1], *ones)
        b1, b2 = case.values(module + " b1", shape[0], rank, *ones), case.values(module + " b2", rank, shape[1], *ones)
        case.put(module, a1__weight=a1, a2__weight=a2, b1__weight=b1, b2__weight=b2, alpha=scalar(3))
        case.result(module, weight + _glora_weight(weight, a1, a2, b1, b2, None, 1.5))
    weight = case.weight("older", 6, 4)
    a, b = case.values("older a", 4, 2), case.values("older b", 2, 4)
    c, d = case.values("older c", 6, 2), case.values("older d", 2, 4)
    case.put("older", a2__weight=a, a1__weight=b, b2__weight=c, b1__weight=d, alpha=scalar(1))
    case.result("older", weight + 0.5 * (c @ d + weight @ a @ b))
    return case


def cases():
    yield lora("kohya", ("lora_down__weight", "lora_up__weight"), prefix="lora_unet_")
    yield lora("peft", ("lora_A__weight", "lora_B__weight"), alphas=False, prefix="transformer.")
    yield lora("diffusers", ("lora__down__weight", "lora__up__weight"), alphas=False, prefix="unet.")
    yield from (tucker(), loha_case(), lokr_case(), dora(), differences(), ia3(), alphas(), stated(), orthogonal(), glora())


def main():
    for case in cases():
        if not sys.argv[1:] or case.name in sys.argv[1:]:
            case.write()


main()
