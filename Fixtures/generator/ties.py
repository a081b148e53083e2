"""Writes Sources/MergePlanning/Ties/TieTable.swift: which parameters the classes of the installed transformers keep as one.

    python generator/ties.py             # writes the table
    python generator/ties.py --check     # prints what differs from the table in the sources

Every class that transformers exports is built from its default configuration on the meta device, with every tie asked for.
Groups are what its `_tied_weights_keys` make one parameter; a class that cannot be built from defaults has its own
`_tied_weights_keys`, as far as they are plain names. Switches of the configuration that the class's code asks for are turned
one at a time: where another model comes of it, that has a line of its own. What a configuration makes of `tie_word_embeddings` is asked of the
configuration itself, for every value that the key can have at the top and in the text model's section.
"""

import argparse
import contextlib
import dataclasses
import inspect
import io
import logging
import os
import pathlib
import re
import sys
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
TABLE = pathlib.Path(__file__).resolve().parents[2] / "Sources/MergePlanning/Ties/TieTable.swift"

HEAD = '''/// Which parameters the model classes of transformers {version} keep as one, and by which value of config.json.
///
/// Made by Fixtures/generator/ties.py; what the lines mean: ``TieRules``.
enum TieTable {{
  static let version = "{version}"

  static let text = #"""
'''


# Classes that compute their logits with the weight of the input embedding itself: that module, and the switch that makes them do
# so. It is not a parameter of another module, so that no tie shows it; check_ties.py does.
READS_EMBEDDING = {
    "PerceiverForMaskedLM": ("perceiver.input_preprocessor.embeddings", ""),
    "DebertaForMaskedLM": ("deberta.embeddings.word_embeddings", "!legacy"),
    "DebertaV2ForMaskedLM": ("deberta.embeddings.word_embeddings", "!legacy"),
}


def switches(cls):
    """(condition, key, value) of each switch of the configuration that the class's module asks for."""
    source = inspect.getsource(sys.modules[cls.__module__])
    lines = [*re.findall(r"^.*\b(?:if|not|is)\b.*config\..*$", source, re.M), inspect.getsource(cls.__init__)]
    asked = set(re.findall(r"\bconfig\.(\w+)", "\n".join(lines)))
    asked -= {"tie_word_embeddings", "use_cache", "return_dict", "output_hidden_states", "output_attentions"}
    for field in dataclasses.fields(cls.config_class) if dataclasses.is_dataclass(cls.config_class) else []:
        if field.name in asked and field.default is True:
            yield f"!{field.name}", field.name, False
        elif field.name in asked and (field.default is False or field.default == 0 and type(field.default) is int):
            yield field.name, field.name, True if field.default is False else 2


def built(cls, tie, switch=None):
    """A model on the meta device with its configuration; None if it cannot be built."""
    import torch
    from generator.conversions import complete, shrink

    def ask(config, depth=0):
        with contextlib.suppress(Exception):
            config.tie_word_embeddings = tie
        for value in list(vars(config).values()):
            if hasattr(value, "model_type") and depth < 3:
                ask(value, depth + 1)

    for change in (lambda config: (shrink(config), complete(config)), complete, lambda config: None):
        with contextlib.suppress(Exception):
            config = cls.config_class()
            change(config)
            if switch:
                setattr(config, *switch)
            ask(config)
            with torch.device("meta"), contextlib.redirect_stdout(io.StringIO()):
                model = cls(config)
                model.tie_weights()
            return model, config
    return None


def components(pairs):
    """Groups of names that pairs (name, source) connect, each with its source first."""
    groups = {}
    for name, source in sorted(pairs.items()):
        group = groups.get(source) or [source]
        other = groups.get(name) or [name]
        if group is not other:
            group += [entry for entry in other if entry not in group]
        for entry in group:
            groups[entry] = group
    return sorted({id(group): group for group in groups.values()}.values())


def describe(cls, condition="", *switch):
    """prefix, embedding, head, groups and parts of a class, as words of a line; None: nothing to say."""
    import torch
    from generator.conversions import config_keys
    from transformers import PreTrainedModel

    made = built(cls, True, switch)
    if made is None and switch:
        return None
    if made is None:
        pairs = cls._tied_weights_keys
        if not isinstance(pairs, dict) or not all(re.fullmatch(r"[\w.]+\.(weight|bias)", n) for n in [*pairs, *pairs.values()]):
            return None
        groups = components(pairs)
        weights = [group for group in groups if group[0].endswith(".weight")]
        embedding = weights[0][0].removesuffix(".weight") if weights else "."
        head = weights[0][-1].removesuffix(".weight") if weights else "."
        return cls.base_model_prefix or ".", embedding, head, groups, [], False
    model, config = made
    paths = {id(module): path for path, module in model.named_modules()}
    keys = config_keys(config)
    ends = []
    for get in (model.get_input_embeddings, model.get_output_embeddings):
        module = None
        with contextlib.suppress(Exception):
            module = get()
        ends.append(paths.get(id(module)) or ".")
    own, parts = {}, []
    for path, module in model.named_modules():
        if not isinstance(module, PreTrainedModel):
            continue
        pairs = module.get_expanded_tied_weights_keys(all_submodels=False)
        key = keys.get(id(module.config), "")
        if path and key:
            if pairs and not any(path.startswith(part.split(":")[0] + ".") for part in parts):
                parts.append(f"{path}:{key}:{type(module).__name__}")
        elif not any(path == part.split(":")[0] or path.startswith(part.split(":")[0] + ".") for part in parts):
            prefix = f"{path}." if path else ""
            own |= {prefix + name: prefix + source for name, source in pairs.items()}
    embeddings = {f"{path}.weight" for path, module in model.named_modules() if isinstance(module, torch.nn.Embedding)}
    ours = {f"{end}.{leaf}" for end in ends for leaf in ("weight", "bias")}
    groups = [group for group in components(own) if any(n in embeddings | ours for n in group)]
    others = any(not any(n in embeddings | ours for n in group) for group in components(own))
    # The forward pass may ask for the tie too, to scale the hidden states.
    others = others or "config.tie_word_embeddings" in inspect.getsource(inspect.unwrap(cls.forward))
    module, when = READS_EMBEDDING.get(cls.__name__, ("", None))
    if when == condition:
        ends, groups = [module, "."], [[f"{module}.weight"]]
    return model.base_model_prefix or ".", ends[0], ends[1], groups, parts, others


def words(cls, found):
    """The words of a line."""
    prefix, embedding, head, groups, parts, others = found
    marks = ["+"] if others else []
    if any(len(group) == 1 for group in groups):
        marks.append("=")
    return " ".join([prefix, embedding, head, *marks, *(",".join(group) for group in groups), *parts])


def rule(cls):
    """What becomes of tie_word_embeddings: for the key absent, true and false, by the text model's value of it."""
    values = []
    section = "text_config" if "text_config" in getattr(cls, "sub_configs", {}) else None
    for top in ({}, {"tie_word_embeddings": True}, {"tie_word_embeddings": False}):
        for inner in ({"tie_word_embeddings": False}, {"tie_word_embeddings": True}):
            sections = {}
            if section:
                own = cls.sub_configs[section]
                kind = getattr(own, "model_type", "")
                # A section of any family: one whose own default is no tie, so that the value is what is asked for.
                sections = {section: ({"model_type": kind} if kind else {"model_type": "llama"}) | inner}
            values.append(bool(getattr(cls.from_dict(top | sections), "tie_word_embeddings", False)))
    return "".join("1" if value else "0" for value in values)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import transformers
    from transformers import CONFIG_MAPPING, PreTrainedConfig, PreTrainedModel
    from transformers.models.auto import modeling_auto

    lines, configs = [], {}
    rows = {}
    for name in sorted(dir(transformers)):
        cls = None
        with contextlib.suppress(Exception):
            cls = getattr(transformers, name)
        if not inspect.isclass(cls):
            continue
        if issubclass(cls, PreTrainedConfig) and cls.model_type:
            configs.setdefault(cls.model_type, cls)
        if not issubclass(cls, PreTrainedModel) or cls.config_class is None or name.endswith("PreTrainedModel"):
            continue
        found = describe(cls)
        if found is None or (not found[3] and not found[4] and found[2] == "."):
            continue
        rows.setdefault(("class", words(cls, found)), []).append(name)
        for condition, *switch in switches(cls):
            other = describe(cls, condition, *switch)
            if other is not None and words(cls, other) != words(cls, found):
                rows.setdefault((f"class:{condition}", words(cls, other)), []).append(name)
    for model_type, cls in CONFIG_MAPPING.items():
        configs[model_type] = cls
    for (start, text), names in sorted(rows.items(), key=lambda row: (row[1], row[0])):
        lines.append(f"{start} {','.join(names)} {text}")
    rules = {}
    for model_type, cls in sorted(configs.items()):
        with contextlib.suppress(Exception):
            rules.setdefault(rule(cls), []).append(model_type)
    lines += [f"tie {values} {' '.join(names)}" for values, names in sorted(rules.items()) if values != "000000"]
    inner = {}
    for model_type, cls in sorted(configs.items()):
        kind = getattr(getattr(cls, "sub_configs", {}).get("text_config"), "model_type", "")
        if kind:
            inner.setdefault(kind, []).append(model_type)
    lines += [f"text {kind} {' '.join(names)}" for kind, names in sorted(inner.items())]
    for kind, mapping in (
        ("causal", modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
        ("seq2seq", modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES),
        ("sequence", modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES),
        ("token", modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES),
        ("question", modeling_auto.MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES),
    ):
        pairs = [f"{t}:{c if isinstance(c, str) else c[0]}" for t, c in sorted(mapping.items())]
        lines.append(f"auto {kind} {' '.join(pairs)}")
    text = HEAD.format(version=transformers.__version__) + "".join(f"    {text}\n" for text in lines) + '    """#\n}\n'
    if arguments.check:
        old, new = TABLE.read_text().splitlines(), text.splitlines()
        for text in [f"+ {x.strip()}" for x in new if x not in set(old)] + [f"- {x.strip()}" for x in old if x not in set(new)]:
            print(text)
        return
    TABLE.write_text(text)
    print(f"{TABLE}: {len(lines)} lines")


if __name__ == "__main__":
    main()
