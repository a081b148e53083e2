"""Native names of a model's parameters and diffusers' names: which rows of which tensor are which parameter.

names.json lists rules [native, diffusers, part]: {i} and {j} are numbers, = marks the name of a parameter instead of a module.
A part is a slice of the native tensor's rows, in the order of the parts ("0/3", "h3:", "qkv:k"), "swap" (the halves of the
rows are exchanged), "swap_if_last" (in the last block alone) or "T" (transposed).
"""

import json
import pathlib
import re

TABLES = json.loads((pathlib.Path(__file__).parent / "names.json").read_text())

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
UNET = {
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2", "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip


def pattern(text):
    return re.compile(re.escape(text).replace(r"\{i\}", r"(?P<i>\d+)").replace(r"\{j\}", r"(?P<j>\d+)") + r"\Z")


def part_order(part):
    """Where a slice is among the slices of its tensor."""
    if part is None or part in ("swap", "T", "swap_if_last"):
        return 0
    return "qkv".index(part[-1]) if part.startswith("qkv:") else int(re.match(r"h?(\d+)", part)[1])


class Table:
    """The names of one architecture."""

    def __init__(self, table):
        self.identity = TABLES[table]["identity"] if table else True
        self.rules = [(native, pattern(name.lstrip("=")), part, name[0] == "=") for native, name, part in
                      (TABLES[table]["rules"] if table else [])]  # fmt: skip

    def native(self, name, last):
        """(native name, place among the slices, "swap", "T" or None) of a parameter that diffusers calls `name`."""
        module, _, leaf = name.rpartition(".")
        for native, expression, part, whole in self.rules:
            found = expression.match(name if whole else module)
            if found:
                numbers = found.groupdict()
                for key, value in numbers.items():
                    native = native.replace("{" + key + "}", value)
                change = part if part in ("swap", "T") else None
                if part == "swap_if_last" and int(numbers["i"]) == last:
                    change = "swap"
                target = native.lstrip("=") if native[0] == "=" else f"{native}.{leaf}"
                return target, part_order(part), change
        if self.identity:
            return name, 0, None
        raise KeyError(f"no rule for {name}")


class UNetTable:
    """The names of a UNet: its blocks' layers are numbered on, and a block's sampler counts as one."""

    def __init__(self, layers):
        self.layers = layers

    def native(self, name, attention):
        """`attention` holds the numbers of the up blocks that have attention."""
        module, leaf = name.rsplit(".", 1)
        parts = name.split(".")
        if module in UNET:
            return f"{UNET[module]}.{leaf}", 0, None
        if parts[0] == "mid_block":
            if parts[1] == "attentions":
                return f"middle_block.1.{'.'.join(parts[3:])}", 0, None
            return f"middle_block.{2 * int(parts[2])}.{RESNET[parts[3]]}.{leaf}", 0, None
        down, block, kind, layer = parts[0] == "down_blocks", int(parts[1]), parts[2], int(parts[3])
        stem = "input_blocks" if down else "output_blocks"
        number = (self.layers + 1) * block + layer + (1 if down else 0)
        if kind == "resnets":
            return f"{stem}.{number}.0.{RESNET[parts[4]]}.{leaf}", 0, None
        if kind == "attentions":
            return f"{stem}.{number}.1.{'.'.join(parts[4:])}", 0, None
        if kind == "downsamplers":
            return f"{stem}.{(self.layers + 1) * (block + 1)}.0.op.{leaf}", 0, None
        return f"{stem}.{(self.layers + 1) * block + self.layers}.{2 if block in attention else 1}.conv.{leaf}", 0, None


def comfy_hunyuan(name):
    """ComfyUI's name of a tensor of HunyuanVideo."""
    for old, new in TABLES["hunyuan_comfy"]["replace"]:
        name = name.replace(old, new)
    return name


def native_names(shapes, table):
    """{native name: [(diffusers name, "swap", "T" or None), in the order of rows]} of a model with these parameters."""
    if isinstance(table, UNetTable):
        state = {int(name.split(".")[1]) for name in shapes if name.startswith("up_blocks.") and ".attentions." in name}
    else:
        blocks = [int(name.split(".")[1]) for name in shapes if name.startswith("transformer_blocks.")]
        state = max(blocks, default=-1)
    found = {}
    for name in shapes:
        native, order, change = table.native(name, state)
        found.setdefault(native, []).append((order, name, change))
    return {native: [(name, change) for _, name, change in sorted(parts)] for native, parts in found.items()}
