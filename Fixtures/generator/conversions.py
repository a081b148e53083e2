"""Writes Sources/MergePlanning/ConversionTable.swift: the renamings and conversions of the installed transformers.

    python generator/conversions.py             # writes the table
    python generator/conversions.py --check     # prints what differs from the table in the sources

Families are the lists of `conversion_mapping.py`, by model_type or class name. Where a class has models inside of it, which
bring lists of their own, a line says at which module path and by which key of config.json: found by building every
class of the Auto mappings from its default configuration on the meta device.
"""

import argparse
import contextlib
import io
import logging
import os
import pathlib
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
TABLE = pathlib.Path(__file__).resolve().parents[2] / "Sources/MergePlanning/ConversionTable.swift"

HEAD = '''/// Renamings and conversions of transformers {version}, from what lies on disk to the modules in memory.
///
/// Made by Fixtures/generator/conversions.py; what the lines mean: ``ConversionRules``.
enum ConversionTable {{
  static let version = "{version}"

  static let text = #"""
'''


def operation(op):
    name = type(op).__name__
    arguments = {k: v for k, v in vars(op).items() if v is not None}
    if name == "MergeModulelist" and op.dim == 0:
        return "stack"
    if name == "Concatenate" and getattr(op, "num_shards_attribute", None) is None:
        return f"join{op.dim}"
    if name == "Chunk" and getattr(op, "num_shards_attribute", None) is None:
        return f"chunk{op.dim}"
    if name == "Split":
        return f"split{op.dim}"
    if name == "Transpose":
        return f"transpose{op.dim0}{op.dim1}"
    if name == "Interleave" and not op.inverse:
        return f"interleave{op.dim}"
    if name == "ErnieFuseAndSplitTextVisionExperts" and (op.stack_dim, op.concat_dim) == (0, 1):
        return "divide"
    if name == "PermuteForRope" and not op.inverse:
        return f"rope({op.subconfig_key or ''};{','.join(op.permute_layer_names or [])})"
    return name


def line(transform):
    """One line for one transform of transformers."""
    sources, targets = " ".join(transform.source_patterns), " ".join(transform.target_patterns)
    kind = type(transform).__name__
    if kind == "WeightConverter":
        return f"{'+'.join(operation(op) for op in transform.operations)}: {sources} > {targets}"
    if kind in ("WeightRenaming", "PrefixChange"):
        return f"{sources} > {targets}"
    return f"{kind}: {sources} > {targets}"


def families():
    from transformers import conversion_mapping

    table = conversion_mapping._build_checkpoint_conversion_mapping()
    lists = {}
    for name, transforms in table.items():
        lists.setdefault(tuple(line(t) for t in transforms), []).append(name)
    return {tuple(names): lines for lines, names in lists.items() if lines}


def shrink(config, depth=0):
    for name in ("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "decoder_layers", "depth", "n_layers"):
        if isinstance(getattr(config, name, None), int) and getattr(config, name) > 4:
            with contextlib.suppress(Exception):
                setattr(config, name, 4)
    for value in list(vars(config).values()):
        if hasattr(value, "model_type") and depth < 3:
            shrink(value, depth + 1)


def complete(config, depth=0):
    """Gives sizes that have no default one."""
    sizes = {"pad_token_id": 0, "vocab_size": 32, "head_dim": 16, "num_key_value_heads": 2, "indexer_n_heads": 2,
             "indexer_kv_heads": 2, "indexer_head_dim": 16, "indexer_budget": 64, "indexer_compress_ratio": 4}
    for name, value in sizes.items():
        if hasattr(config, name) and getattr(config, name) is None:
            with contextlib.suppress(Exception):
                setattr(config, name, value)
    size, heads = getattr(config, "hidden_size", None), getattr(config, "num_attention_heads", None)
    if isinstance(size, int) and isinstance(heads, int) and size % heads:
        config.num_attention_heads = 8
    if getattr(config, "layer_types", 0) is None and isinstance(getattr(config, "num_hidden_layers", None), int):
        config.layer_types = ["full_attention"] * config.num_hidden_layers
    if getattr(config, "vocabulary_map", 0) is None:
        config.vocabulary_map = {"<image>": 1}
    for value in list(vars(config).values()):
        if hasattr(value, "model_type") and depth < 3:
            complete(value, depth + 1)


def config_keys(config, path="", depth=0):
    """Sub-configurations by identity."""
    found = {id(config): path}
    for name, value in vars(config).items():
        if hasattr(value, "model_type") and depth < 3:
            found |= config_keys(value, f"{path}.{name}" if path else name, depth + 1)
    return found


def models(known):
    """For each class that has models inside of it: its base_model_prefix, and module path, key and class of each."""
    import torch
    from transformers import CONFIG_MAPPING, PreTrainedModel, conversion_mapping
    from transformers.models.auto import modeling_auto

    classes = {}
    for name, mapping in vars(modeling_auto).items():
        if name.endswith("_MAPPING_NAMES"):
            for model_type, names in mapping.items():
                for cls in names if isinstance(names, (list, tuple)) else [names]:
                    classes.setdefault(cls, model_type)
    import transformers

    lines = []
    for name, model_type in sorted(classes.items()):
        cls = getattr(transformers, name, None)
        if cls is None or model_type not in CONFIG_MAPPING or not isinstance(cls, type):
            continue
        if not issubclass(cls, PreTrainedModel):
            continue
        model = None
        for change in (shrink, complete, lambda config: None):
            try:
                config = (cls.config_class or CONFIG_MAPPING[model_type])()
                change(config)
                with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
                    model = cls(config)
                break
            except Exception as problem:
                reason = f"{type(problem).__name__} {problem}".split("\n")[0]
        if model is None:
            print(f"skipped {name}: {reason}"[:150], file=sys.stderr)
            continue
        keys = config_keys(config)
        parts = []
        for path, module in model.named_modules():
            if not path or not isinstance(module, PreTrainedModel):
                continue
            key = keys.get(id(module.config))
            inner, inner_type = type(module).__name__, module.config.model_type
            # A part with its own configuration may be of any family; one without matters if its class has a list.
            if not key and inner not in known:
                continue
            scope = path.removeprefix(model.base_model_prefix).removeprefix(".")
            if not scope and inner not in known:
                continue
            parts.append(f"{path}:{key or '.'}:{inner}:{inner_type}")
        if parts:
            lines.append(f"model {name} {model.base_model_prefix or '.'} {' '.join(parts)}")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import transformers

    lists = families()
    known = {name for names in lists for name in names}
    lines = []
    for names, entries in sorted(lists.items()):
        lines.append("family " + " ".join(names))
        lines += entries
    lines += models(known)
    if any('"""#' in text for text in lines):
        raise SystemExit("a line ends the literal")
    text = HEAD.format(version=transformers.__version__) + "".join(f"    {text}\n" for text in lines) + '    """#\n}\n'
    if arguments.check:
        old = TABLE.read_text().splitlines()
        new = text.splitlines()
        for text in [f"+ {x.strip()}" for x in new if x not in set(old)] + [
            f"- {x.strip()}" for x in old if x not in set(new)
        ]:
            print(text)
        return
    TABLE.write_text(text)
    print(f"{TABLE}: {len(lines)} lines")


if __name__ == "__main__":
    main()
