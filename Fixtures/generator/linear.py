"""Makes the cases of linear layers, and compares what PEFT makes of them with the second implementation in plain.py."""

import functools
import json
import re
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from .linear_table import BASES, CASES, configuration
from .places import as_json, base_folder, case_folder
from .plain import expected_checkpoint, read_checkpoint, read_safetensors
from .values import TORCH_DTYPES, WEIGHT_STD, fill, normal, rewrite_tensors


def adapter_folder(name):
    case = CASES[name]
    shared = case.shares and not case.rename
    return case_folder(case.shares if shared else name) / "adapter"


def merged_file(name):
    return case_folder(CASES[name].shares or name) / "merged" / "model.safetensors"


def origin(name):
    """The case whose configuration and factors `name` uses."""
    return CASES[CASES[name].shares or name]


def mixed_dtype(name):
    """The dtypes of the mixed base."""
    if "norm" in name or name == "model.layers.1.self_attn.q_proj.weight":
        return torch.float32
    return torch.float16 if name == "model.layers.0.mlp.down_proj.weight" else torch.bfloat16


def cast(model, dtype):
    for name, parameter in model.named_parameters():
        parameter.data = parameter.data.to(mixed_dtype(name) if dtype == "mixed" else TORCH_DTYPES[dtype])
    return model


@functools.cache
def make_base(name):
    base, folder = BASES[name], base_folder(name)
    shutil.rmtree(folder, ignore_errors=True)
    model = AutoModelForCausalLM.from_config(configuration(base.family), dtype=torch.float32)
    for parameter_name, parameter in model.named_parameters():
        values = normal(f"{base.family} {parameter_name}", parameter.shape, WEIGHT_STD)
        is_norm = re.search(r"norm|ln_", parameter_name) and parameter_name.endswith("weight")
        parameter.data = values + 1 if is_norm else values
    cast(model, base.dtype).save_pretrained(folder, max_shard_size=base.max_shard_size)
    if base.side_files:
        write_side_files(folder)


def tokenizer_files(owner, words):
    """Two valid JSON files that say whose they are; no tokenizer that anything could use."""
    vocabulary = {word: number for number, word in enumerate(words)}
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"}
    return {
        "tokenizer.json": as_json({"version": "1.0", "added_tokens": [], "model": model}),
        "tokenizer_config.json": as_json({"tokenizer_class": "PreTrainedTokenizerFast", "owner": owner}),
    }


def write_files(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_side_files(folder):
    write_files(
        folder,
        tokenizer_files("base", ["<unk>", "<s>", "</s>"])
        | {
            "special_tokens_map.json": as_json({"unk_token": "<unk>"}),
            "LICENSE": "The license of the base, to be copied.\n",
            "README.md": "# A tiny Llama\n\nThe card of the base, not to be copied.\n",
            "chat_template.jinja": "{% for message in messages %}{{ message.content }}{% endfor %}\n",
            "additional_chat_templates/x.jinja": "{{ messages[0].content }}\n",
            "training_args.bin": "not a pickle, not to be copied\n",
            "pytorch_model.bin": "not a pickle, not to be copied\n",
        },
    )


def load_base(name):
    """The base in its own dtypes. transformers loads into one dtype, so the mixed base is cast back (exactly)."""
    dtype = BASES[name].dtype
    loaded = AutoModelForCausalLM.from_pretrained(
        base_folder(name), dtype=torch.float32 if dtype == "mixed" else TORCH_DTYPES[dtype]
    )
    return cast(loaded, dtype) if dtype == "mixed" else loaded


def make_adapter(name, folder):
    case = CASES[name]
    # PEFT keeps the configuration's dictionaries: give it copies.
    config = LoraConfig(task_type="CAUSAL_LM", **json.loads(json.dumps(case.lora)))
    model = get_peft_model(load_base(case.base), config)
    fill(model, case.label or name)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()

    # PEFT writes target_modules in the order of a set, and sorts the patterns.
    path = folder / "adapter_config.json"
    written = json.loads(path.read_text())
    for key, value in written.items():
        if key in ("target_modules", "modules_to_save") and value:
            written[key] = sorted(value)
        elif case.keep_pattern_order and key in ("rank_pattern", "alpha_pattern"):
            written[key] = case.lora.get(key, {})
    path.write_text(json.dumps(written, indent=2))

    if case.factors != "F32":
        rewrite_tensors(folder, lambda key, tensor: (key, tensor.to(TORCH_DTYPES[case.factors])))
    if case.tokenizer:
        write_files(folder, tokenizer_files("adapter", ["<unk>", "<s>", "</s>", "<tool>"]))


def merge(base, adapter, folder):
    """What PEFT's defaults make of base and adapter: the weights alone."""
    model = PeftModel.from_pretrained(load_base(base), adapter).merge_and_unload()
    model.save_pretrained(folder)
    for path in folder.iterdir():
        if path.name != "model.safetensors":
            path.unlink()


def check_merged(name):
    """Compares PEFT's merged file with the second implementation, and says how much the merge changed."""
    base, found = read_checkpoint(base_folder(CASES[name].base)), read_safetensors(merged_file(name))
    expected = expected_checkpoint(base_folder(CASES[name].base), adapter_folder(name))
    assert found.keys() == expected.keys(), f"{name}: {sorted(found.keys() ^ expected.keys())}"
    for tensor in found:
        assert found[tensor] == expected[tensor], f"{name}: {tensor} differs from the second implementation"
    changed = [tensor for tensor in found if found[tensor] != base[tensor]]
    assert changed, f"{name}: the merge changed nothing"
    return f"{len(changed)} of {len(found)} tensors changed"


def check_ranks(name):
    adapter = read_safetensors(adapter_folder(name) / "adapter_model.safetensors")
    found = {
        tensor[1][0] for key, tensor in adapter.items() if key.endswith((".lora_A.weight", ".lora_embedding_A"))
    }
    assert found == set(origin(name).ranks), f"{name}: ranks {found}"


@functools.cache
def make(name):
    case, folder = CASES[name], case_folder(name)
    make_base(case.base)
    shutil.rmtree(folder, ignore_errors=True)
    if case.shares:
        make(case.shares)
        # PEFT must give the shared file from this base too.
        again = case_folder(name) / "merged"
        merge(case.base, adapter_folder(case.shares), again)
        assert read_safetensors(again / "model.safetensors") == read_safetensors(merged_file(name)), name
        shutil.rmtree(folder)
        if case.rename:
            shutil.copytree(adapter_folder(case.shares), adapter_folder(name))
            rewrite_tensors(adapter_folder(name), lambda key, tensor: (key.replace(*case.rename), tensor))
    else:
        make_adapter(name, adapter_folder(name))
        if not case.feature:
            merge(case.base, adapter_folder(name), folder / "merged")
    check_ranks(name)
    return f"an adapter ({case.feature})" if case.feature else check_merged(name)


FEATURES = {  # of the names that begin so
    "linear": "linear", "sharded": "linear", "rslora": "scaling", "pattern": "scaling", "rank": "rank",
    "lora-bias": "lora-bias", "adapter-with": "side-files",
}  # fmt: skip


def describe(name):
    case, source = CASES[name], origin(name)
    return {
        "name": name,
        "tuner": "lora",
        "feature": next(feature for start, feature in FEATURES.items() if name.startswith(start)),
        "covers": case.covers,
        "base": str(base_folder(case.base)),
        "adapters": [str(adapter_folder(name))],
        "merged": str(merged_file(name)),
        "correct": None,
        "match": "exact" if max(source.ranks) <= 192 else "close",  # see README.md
        "partial": False,
        "base_dtype": BASES[case.base].dtype,
        "factor_dtype": source.factors,
        "ranks": list(source.ranks),
        "refused": None,
    }
