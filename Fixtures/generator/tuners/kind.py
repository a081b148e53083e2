"""What a tuner is to the generator: its config, its cases, how its parameters are filled, and what a merge with it gives."""

import dataclasses
import json
import re

CONVOLUTIONS = ["line", "plane", "point", "grouped"]
TUNERS = {}


@dataclasses.dataclass(frozen=True)
class Case:
    tuner: str
    base: str
    covers: str
    config: dict
    match: str


@dataclasses.dataclass
class Tuner:
    """A file of this package makes one, and its cases.

    config: PEFT's class.
    prefixes: how the last parts of the names of its tensors begin.
    merged(part, weight, config, module[, shared]): the merged weight in double. `part` has the module's tensors by the last
        parts of their names, `shared` those of the model, if there are any; `config` is adapter_config.json.
    fill(name, shape, draw): values for a trained parameter, by `draw(deviation)`; None: a small change of its own values.
    others(part, config, module, expected): further tensors of a module that the merge changes, by name.
    finish(model): a change of the adapter before it is saved.
    after(folder): a change of the adapter's folder after the merge.
    sums: whether its deltas are sums, whose order in torch depends on the processor.
    needs_sizes: whether `merged` takes the most outputs and inputs of the modules, and their dtype, after `shared`, which may be
        empty.
    rounds_delta: whether PEFT rounds the delta to 16 bits before it adds it.
    rounds_factors: whether PEFT rounds the matrix to 16 bits that it multiplies the weight by.
    """

    name: str
    config: type
    prefixes: tuple
    merged: callable
    fill: callable = None
    others: callable = None
    finish: callable = None
    after: callable = None
    sums: bool = False
    rounds_delta: bool = False
    rounds_factors: bool = False
    needs_sizes: bool = False

    def __post_init__(self):
        self.cases = {}
        TUNERS[self.name] = self

    def case(self, name, base, covers, config, match="exact", match16=None):
        """A case for each dtype; `match16` is for those of 16 bits, where it is another."""
        for dtype in ("f32", "bf16", "f16"):
            found = match
            if dtype == "f32":
                # Two products of sums in fp32: torch's order at the edges of small matrices depends on the processor.
                found = "rounding" if self.sums and match != "decomposition" else match
            elif self.rounds_delta or self.rounds_factors:
                found = "peft"
            elif match16:
                found = match16
            self.cases[f"{self.name}-{name}-{dtype}"] = Case(self.name, f"{base}-{dtype}", covers, config, found)


def pattern(entries, module, default):
    """The value of the first pattern that a module's path ends in."""
    return next((value for key, value in entries.items() if re.match(rf"(.*\.)?({key})$", module)), default)


def is_stored_transposed(module):
    """Whether a layer of the bases is GPT-2's Conv1D."""
    return "c_attn" in module or "c_proj" in module


def read_config(folder):
    return json.loads((folder / "adapter_config.json").read_text())
