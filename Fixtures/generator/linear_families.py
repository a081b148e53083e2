"""Writes Sources/MergePlanning/Orientation/TransformersFamilies.swift: every model type of the installed transformers.

Stops if the modules of transformers that hold a Conv1D are others than OrientationFamilies.swift says, so that a release
with a new one is seen.
"""
import glob
import os
import re

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

EXPECTED = {"clvp", "decision_transformer", "gpt2", "imagegpt", "openai"}
TARGET = os.path.join(
    os.path.dirname(__file__), "..", "..", "Sources", "MergePlanning", "Orientation", "TransformersFamilies.swift")


def main():
    models = os.path.join(os.path.dirname(transformers.__file__), "models")
    holders, types = set(), set(CONFIG_MAPPING_NAMES)
    for path in glob.glob(os.path.join(models, "*", "modeling_*.py")):
        if re.search(r"(?<![A-Za-z])Conv1D\(", open(path).read()):
            holders.add(os.path.basename(os.path.dirname(path)))
    for path in glob.glob(os.path.join(models, "*", "configuration_*.py")):
        types |= set(re.findall(r'^\s+model_type = "([^"]+)"', open(path).read(), re.M))
    if holders != EXPECTED:
        raise SystemExit(f"Conv1D is in {sorted(holders)}, expected in {sorted(EXPECTED)}")
    lines, line = [], ""
    for name in sorted(types):
        if len(line) + len(name) > 108:
            lines.append(line)
            line = ""
        line += ("" if not line else " ") + name
    lines.append(line)
    with open(TARGET, "w") as file:
        file.write(
            "// Made by Fixtures/generator/linear_families.py.\n\n"
            f"/// The model types of transformers {transformers.__version__}.\n"
            "enum TransformersFamilies {\n"
            "  static let all = Set(text.split(whereSeparator: \\.isWhitespace).map(String.init))\n\n"
            "  private static let text = \"\"\"\n"
            + "".join(f"    {line}\n" for line in lines) + "    \"\"\"\n}\n")


main()
