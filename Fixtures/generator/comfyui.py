"""Makes FP8 checkpoints as ComfyUI reads them, and merges into them, in the folder comfyui.

    python comfyui.py [CASE...]

Needs torch. Each case is a folder with base.safetensors, an adapter for some of its layers, and what torch makes of the merge:

- requantized.safetensors: changed layers in their own format again, by ComfyUI's rule (QUANTIZATION.md): scale = max|W| / 448,
  code = (W / scale).to(float8_e4m3fn); of FP8 without scales the code is W.to(float8_e4m3fn);
- decoded.safetensors: the whole file in BF16, W rounded once;
- numbers.json: for each layer that is FP8 again what is lost, in double: the error in units of the delta, how many codes
  changed, and how many deltas are at least half a step of their codes.

W = code * scale + delta in float32. Factors are multiples of 1/64 with few digits, so the delta has no rounding, whatever the
order of its sum.
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent / "comfyui"
RANK, ALPHA = 2, 4
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
PREFIX = "model.diffusion_model."


def text(value):
    return torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)


def quantize(value, dtype=E4M3):
    largest = value.abs().max()
    scale = largest / torch.finfo(dtype).max if largest > 0 else torch.ones(())
    return (value / scale).to(dtype), scale


def factors(generator, rows, columns):
    draw = lambda *shape: torch.randint(-16, 17, shape, generator=generator).float() / 64
    return draw(RANK, columns), draw(rows, RANK)


def loss(before, old_codes, delta, codes, scale):
    change = delta.double()
    lost = codes.double() * float(scale) - before.double() - change
    bits, old = codes.view(torch.uint8), old_codes.view(torch.uint8)
    half = torch.exp2((bits >> 3 & 15).clamp(min=1).double() - 11) * float(scale)
    return {
        "error": (lost.pow(2).sum() / change.pow(2).sum()).sqrt().item(),
        "changed_codes": (bits != old).sum().item(),
        "half_steps": ((change.abs() >= half) & (change != 0)).sum().item(),
    }


class Case:
    def __init__(self, name):
        self.name, self.folder = name, HERE / name
        self.generator = torch.Generator().manual_seed(sum(name.encode()))
        self.base, self.metadata, self.adapter = {}, {}, {}
        self.changed, self.decoded, self.dropped, self.losses = {}, {}, set(), {}

    def random(self, *shape):
        return torch.randn(shape, generator=self.generator)

    def number(self, key, value):
        """A tensor of numbers, F8 or not."""
        self.base[key] = value
        self.decoded[key] = value.float()

    def layer(self, module, shape, dtype=E4M3, scale="scale_weight", scale_shape=(), more=(), value=None):
        """A layer with a scale."""
        value = self.random(*shape) * 0.3 if value is None else value
        if dtype == torch.int8:
            by_row = scale_shape != ()
            largest = value.abs().amax(1, keepdim=True) if by_row else value.abs().max()
            number = largest / 127
            codes = (value / number).round().to(torch.int8)
        else:
            codes, number = quantize(value, dtype)
        self.base[f"{module}.weight"] = codes
        self.base[f"{module}.{scale}"] = number.reshape(scale_shape)
        self.dropped |= {f"{module}.{scale}"} | {f"{module}.{leaf}" for leaf, _ in more}
        self.base |= {f"{module}.{leaf}": part.clone() for leaf, part in more}
        self.decoded[f"{module}.weight"] = codes.float() * number
        return f"{module}.{scale}"

    def change(self, module, scale=None, leaves=False):
        """Trains the layer; `scale` is the key of its scale, nil of one without, `leaves`: it becomes 16 bits."""
        key = f"{module}.weight"
        before = self.decoded[key]
        rows, columns = before.shape[0], before[0].numel()
        a, b = factors(self.generator, rows, columns)
        if before.dim() == 4:
            a, b = a.reshape(RANK, *before.shape[1:]), b.reshape(rows, RANK, 1, 1)
        self.adapter[f"base_model.model.{module}.lora_A.weight"] = a
        self.adapter[f"base_model.model.{module}.lora_B.weight"] = b
        delta = (b.reshape(rows, RANK) @ a.reshape(RANK, columns)) * (ALPHA / RANK)
        delta = delta.reshape(before.shape)
        value, old = before + delta, self.base[key]
        self.decoded[key] = value
        if leaves:
            self.changed[key] = value.to(torch.bfloat16)
        elif scale:
            codes, number = quantize(value)
            self.changed |= {key: codes, scale: number.reshape(self.base[scale].shape)}
            self.losses[key] = loss(before, old, delta, codes, number)
        else:
            self.changed[key] = value.to(old.dtype)
            if old.dtype == E4M3:
                self.losses[key] = loss(before, old, delta, self.changed[key], 1)

    def write(self, without=(), metadata=None):
        """`without`: tensors that leave with their layers; `metadata`: what the changed file has."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "adapter").mkdir(exist_ok=True)
        save_file(self.base, self.folder / "base.safetensors", {"format": "pt", **self.metadata})
        save_file(self.adapter, self.folder / "adapter" / "adapter_model.safetensors", {"format": "pt"})
        modules = sorted({key[len("base_model.model."):].rsplit(".lora_", 1)[0] for key in self.adapter})
        config = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "peft_version": "0.21.2", "target_modules": modules}
        (self.folder / "adapter" / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
        after = {key: value for key, value in {**self.base, **self.changed}.items() if key not in without}
        save_file(after, self.folder / "requantized.safetensors",
                  {"format": "pt", **(self.metadata if metadata is None else metadata)})
        (self.folder / "numbers.json").write_text(json.dumps(self.losses, indent=2) + "\n")
        decoded = {key: value.to(torch.bfloat16) for key, value in self.decoded.items() if key in self.base}
        kept = {key: value for key, value in self.metadata.items() if key != "_quantization_metadata"}
        save_file(decoded, self.folder / "decoded.safetensors", {"format": "pt", **kept})


def case_scaled():
    """The older form, with text encoders that have a marker of their own, a layer of zeros, and 16-bit layers."""
    case = Case("scaled")
    encoder = "text_encoders.t5xxl.transformer."
    case.base[PREFIX + "scaled_fp8"] = torch.empty(0, dtype=E4M3)
    case.base[encoder + "scaled_fp8"] = torch.zeros(2, dtype=E4M3)
    one = case.layer(PREFIX + "blocks.0.q", (300, 40), more=[("scale_input", torch.tensor(0.5))])
    case.layer(PREFIX + "blocks.0.k", (24, 40))
    zeros = case.layer(PREFIX + "blocks.0.v", (6, 10), scale_shape=(1,), value=torch.zeros(6, 10))
    other = case.layer(encoder + "encoder.block.0.o", (16, 12), scale_shape=(1,))
    case.number(PREFIX + "blocks.0.q.bias", case.random(300).to(torch.bfloat16))
    case.number(PREFIX + "blocks.0.norm.query_norm.scale", case.random(8).to(torch.bfloat16))
    case.number(PREFIX + "final.weight", case.random(8, 12).to(torch.bfloat16))
    case.change(PREFIX + "blocks.0.q", one)
    case.change(PREFIX + "blocks.0.v", zeros)
    case.change(encoder + "encoder.block.0.o", other)
    case.change(PREFIX + "final")
    case.write()


def case_described():
    """The newer form by tensors, with a convolution, and layers that leave: E5M2 and integers."""
    case = Case("described")
    fp8 = [("comfy_quant", text({"format": "float8_e4m3fn"}))]
    one = case.layer("blocks.0.q", (20, 16), scale="weight_scale",
                     more=[("comfy_quant", text({"format": "float8_e4m3fn", "full_precision_matrix_mult": True})),
                           ("input_scale", torch.tensor(2.0))])
    case.layer("blocks.0.k", (20, 16), scale="weight_scale", more=fp8)
    conv = case.layer("blocks.0.conv", (6, 4, 3, 3), scale="weight_scale", more=fp8)
    case.layer("blocks.0.e5", (10, 16), E5M2, "weight_scale", more=[("comfy_quant", text({"format": "float8_e5m2"}))])
    integers = [("comfy_quant", text({"format": "int8_tensorwise"}))]
    case.layer("blocks.0.i8", (10, 16), torch.int8, "weight_scale", more=integers)
    case.layer("blocks.0.rows", (10, 16), torch.int8, "weight_scale", (10, 1), more=integers)
    case.number("blocks.0.q.bias", case.random(20).to(torch.bfloat16))
    case.change("blocks.0.q", one)
    case.change("blocks.0.conv", conv)
    leaving = ["blocks.0.e5", "blocks.0.i8", "blocks.0.rows"]
    for module in leaving:
        case.change(module, leaves=True)
    case.write(without={f"{module}.{leaf}" for module in leaving for leaf in ("weight_scale", "comfy_quant")})


def case_metadata():
    """The newer form by metadata."""
    case = Case("metadata")
    layers = {"blocks.0.q": {"format": "float8_e4m3fn"}, "blocks.0.e5": {"format": "float8_e5m2"}}
    case.metadata = {"_quantization_metadata": json.dumps({"format_version": "1.0", "layers": layers}),
                     "modelspec.title": "x"}
    one = case.layer("blocks.0.q", (20, 16), scale="weight_scale")
    case.layer("blocks.0.e5", (10, 16), E5M2, "weight_scale")
    case.number("blocks.0.norm", case.random(16).to(torch.float16))
    case.number("blocks.0.other.weight", case.random(8, 16).to(torch.bfloat16))
    case.change("blocks.0.q", one)
    case.change("blocks.0.e5", leaves=True)
    kept = {"format_version": "1.0", "layers": {"blocks.0.q": {"format": "float8_e4m3fn"}}}
    case.write(without={"blocks.0.e5.weight_scale"},
               metadata={**case.metadata, "_quantization_metadata": json.dumps(kept, separators=(",", ":"))})


def case_plain():
    """FP8 that nothing scales, biases, norms and convolutions too."""
    case = Case("plain")
    for key, shape in [("blocks.0.q.weight", (300, 40)), ("blocks.0.q.bias", (300,)), ("blocks.0.k.weight", (24, 40)),
                       ("blocks.0.norm.scale", (8,)), ("conv.weight", (6, 4, 3, 3)), ("modulation", (1, 6, 8))]:
        case.number(key, case.random(*shape).to(E4M3))
    case.number("e5.weight", case.random(8, 6).to(E5M2))
    case.number("out.weight", case.random(8, 6).to(torch.float16))
    for module in ["blocks.0.q", "conv", "out"]:
        case.change(module)
    case.write()


if __name__ == "__main__":
    cases = {name[len("case_"):]: make for name, make in list(globals().items()) if name.startswith("case_")}
    for name in sys.argv[1:] or cases:
        cases[name]()
