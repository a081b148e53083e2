"""Makes the tiny models and adapters of Fixtures, and the checkpoints that PEFT merges from them.

    python generator/generate.py [--output FOLDER] [CASE...]

Without CASE every case is made. Each merged checkpoint is compared, byte for byte, with a second
implementation in this file that knows neither PEFT nor torch: a case that differs is an error.
README.md says what the folders hold; cases.json lists the cases for the tests. all_lora.py has the cases of
every kind of LoRA, this file those of linear layers.
"""

import os

# Settled before torch is imported: one thread, one instruction set. MKL's AVX2 kernels sum a product
# of rank up to 192 as one chain of fused multiply-adds. (MKL on AMD takes them without being asked.)
os.environ.update(
    OMP_NUM_THREADS="1",
    MKL_NUM_THREADS="1",
    MKL_ENABLE_INSTRUCTIONS="AVX2",
    ATEN_CPU_CAPABILITY="avx2",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
)
os.environ.pop("MKL_CBWR", None)

import argparse
import dataclasses
import functools
import gc
import importlib.metadata
import json
import pathlib
import re
import shutil
import sys
import warnings
import zlib

HERE = pathlib.Path(__file__).resolve().parents[1]


def check_versions():
    """Refuses other versions than the pinned ones; a local part such as `+cpu` does not count."""
    for line in (HERE / "requirements.txt").read_text().split():
        package, wanted = line.split("==")
        found = importlib.metadata.version(package).split("+")[0]
        if found != wanted:
            sys.exit(f"{package} {wanted} is needed, {found} is installed; see requirements.txt")


check_versions()

import numpy as np
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen2Config

SEED = 20240601
WEIGHT_STD = 0.05  # of base weights; a delta is about a tenth of it
FACTOR_A_STD = 0.1
TORCH_DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


# ---------------------------------------------------------------------------------------------
# The table: bases and cases
# ---------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Base:
    """A checkpoint in `bases/`. Bases of one `family` hold the same values, rounded to their dtype."""

    family: str
    dtype: str  # F32, BF16, F16, or mixed
    max_shard_size: str = "50GB"
    side_files: bool = False


@dataclasses.dataclass(frozen=True)
class Case:
    """An adapter, and what merging it into `base` must give.

    `shares` names a case whose adapter and merged file this one uses with another base.
    `rename` moves the keys of `lora_B.bias` to an older spelling, after PEFT has merged the adapter.
    `feature` is set where the kind of adapter is beyond this file: all_lora.py merges and lists it.
    `label` seeds the random numbers; by default the name does.
    """

    base: str
    covers: str
    lora: dict = dataclasses.field(default_factory=dict)
    factors: str = "F32"
    ranks: tuple = (4,)
    keep_pattern_order: bool = False
    tokenizer: bool = False
    rename: tuple = ()
    shares: str = ""
    feature: str = ""
    label: str = ""


def configuration(family):
    """The model of a family: two layers, and sizes that are mostly no multiple of 16."""
    if family == "llama":
        return LlamaConfig(
            hidden_size=36, intermediate_size=43, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=10, vocab_size=64, max_position_embeddings=64,
            bos_token_id=1, eos_token_id=2, tie_word_embeddings=False,
        )  # fmt: skip
    if family == "qwen2":
        return Qwen2Config(
            hidden_size=36, intermediate_size=20, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=2, vocab_size=64, max_position_embeddings=64,
            bos_token_id=1, eos_token_id=2, tie_word_embeddings=True,
        )  # fmt: skip
    if family == "gpt2":
        return GPT2Config(
            n_embd=32, n_inner=50, n_layer=2, n_head=4, n_positions=32, vocab_size=64,
            bos_token_id=1, eos_token_id=2,
        )  # fmt: skip
    raise ValueError(family)


BASES = {
    "llama-f32": Base("llama", "F32"),
    "llama-bf16": Base("llama", "BF16", side_files=True),
    "llama-f16": Base("llama", "F16"),
    "llama-f32-sharded": Base("llama", "F32", max_shard_size="36KB"),
    "llama-bf16-sharded": Base("llama", "BF16", max_shard_size="15KB"),
    "llama-mixed": Base("llama", "mixed"),
    "qwen2-f32": Base("qwen2", "F32"),
    "qwen2-bf16": Base("qwen2", "BF16"),
    "qwen2-f16": Base("qwen2", "F16"),
    "gpt2-bf16": Base("gpt2", "BF16"),
}

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
LINEAR = dict(r=4, lora_alpha=7, target_modules=ALL_LINEAR)
RSLORA = dict(r=8, lora_alpha=6, use_rslora=True, target_modules=ALL_LINEAR)
PATTERNS = dict(
    r=4,
    lora_alpha=7,
    target_modules=ALL_LINEAR,
    rank_pattern={"layers.1.self_attn.q_proj": 3, "^model.layers.0.*down_proj": 5, "v_proj|o_proj": 2},
    alpha_pattern={"layers.1.self_attn.q_proj": 12, "^model.layers.0.*down_proj": -7, "v_proj|o_proj": 2.5},
)
# Both keys match layer 1: the first one in the file wins, so its scaling is 2/4 and not 20/4.
PATTERN_ORDER = dict(
    r=4, lora_alpha=7, target_modules=["q_proj"], alpha_pattern={"q_proj": 2, "layers.1.self_attn.q_proj": 20}
)
LORA_BIAS = dict(r=4, lora_alpha=10, lora_bias=True, target_modules=["q_proj", "k_proj", "v_proj"])
BIAS_KEYS = (".lora_B.bias", ".lora_bias")


def attention_only(rank, alpha, **rest):
    """Few modules, for the large ranks."""
    return dict(r=rank, lora_alpha=alpha, target_modules=["q_proj"], **rest)


CASES = {
    # Every base dtype with every factor dtype.
    "linear-f32": Case("llama-f32", "all linear layers", LINEAR),
    "linear-f32-factors-bf16": Case("llama-f32", "factors in BF16", LINEAR, "BF16"),
    "linear-f32-factors-f16": Case("llama-f32", "factors in F16", LINEAR, "F16"),
    "linear-bf16": Case("llama-bf16", "all linear layers", LINEAR),
    "linear-bf16-factors-bf16": Case("llama-bf16", "factors in BF16", LINEAR, "BF16"),
    "linear-bf16-factors-f16": Case("llama-bf16", "factors in F16", LINEAR, "F16"),
    "linear-f16": Case("llama-f16", "all linear layers", LINEAR),
    "linear-f16-factors-bf16": Case("llama-f16", "factors in BF16", LINEAR, "BF16"),
    "linear-f16-factors-f16": Case("llama-f16", "factors in F16", LINEAR, "F16"),
    "linear-mixed": Case("llama-mixed", "a BF16 checkpoint with some tensors in F32 and F16", LINEAR),
    # Sharded bases.
    "sharded-f32": Case("llama-f32-sharded", "several shards and an index", shares="linear-f32"),
    "sharded-bf16": Case("llama-bf16-sharded", "several shards and an index", shares="linear-bf16"),
    # Scaling.
    "rslora-f32": Case("llama-f32", "alpha / sqrt(r)", RSLORA, ranks=(8,)),
    "rslora-bf16": Case("llama-bf16", "alpha / sqrt(r)", RSLORA, ranks=(8,)),
    "patterns-f32": Case("llama-f32", "rank_pattern and alpha_pattern", PATTERNS, ranks=(2, 3, 4, 5)),
    "patterns-rslora-f16": Case(
        "llama-f16", "rank_pattern and alpha_pattern with rsLoRA", PATTERNS | {"use_rslora": True}, ranks=(2, 3, 4, 5)
    ),
    "pattern-order-bf16": Case(
        "llama-bf16", "two keys of alpha_pattern match, the first one wins", PATTERN_ORDER, keep_pattern_order=True
    ),
    # Ranks. Above 192 MKL sums in blocks, so PEFT's bits are no longer the normative ones.
    "rank1-f16": Case("llama-f16", "rank 1", dict(r=1, lora_alpha=3, target_modules=ALL_LINEAR), ranks=(1,)),
    "rank64-bf16": Case("llama-bf16", "rank 64", attention_only(64, 96), ranks=(64,)),
    "rank192-f32": Case("llama-f32", "rank 192", attention_only(192, 100, layers_to_transform=[1]), ranks=(192,)),
    "rank256-f32": Case("llama-f32", "rank 256", attention_only(256, 100, layers_to_transform=[1]), ranks=(256,)),
    "rank256-bf16": Case(
        "llama-bf16", "rank 256", attention_only(256, 100, layers_to_transform=[1]), "BF16", ranks=(256,)
    ),
    # Biases of the factors.
    "lora-bias-f32": Case("qwen2-f32", "lora_bias, tied embeddings", LORA_BIAS),
    "lora-bias-bf16": Case("qwen2-bf16", "lora_bias, tied embeddings", LORA_BIAS),
    "lora-bias-f16": Case("qwen2-f16", "lora_bias, tied embeddings", LORA_BIAS, "F16"),
    "lora-bias-renamed-bf16": Case(
        "qwen2-bf16", "lora_bias, spelled <module>.lora_bias", shares="lora-bias-bf16", rename=BIAS_KEYS
    ),
    # Side files.
    "adapter-with-tokenizer-bf16": Case(
        "llama-bf16", "tokenizer files beside the adapter", dict(r=2, lora_alpha=3, target_modules=["v_proj"]),
        ranks=(2,), tokenizer=True, label="adapter-with-tokenizer",
    ),
    # More than the product of two factors for a linear layer.
    "gpt2-layers-bf16": Case(
        "gpt2-bf16", "weights stored transposed (Conv1D)",
        dict(r=4, lora_alpha=7, target_modules=["c_attn"], fan_in_fan_out=True),
        feature="conv1d-transposed", label="refused-fan-in-fan-out",
    ),
    "dora-llama-bf16": Case(
        "llama-bf16", "DoRA", dict(r=4, lora_alpha=7, target_modules=["q_proj"], use_dora=True),
        feature="dora", label="refused-dora",
    ),
    "embedding-llama-bf16": Case(
        "llama-bf16", "an embedding as a target",
        dict(r=4, lora_alpha=7, target_modules=["embed_tokens", "q_proj"]),
        feature="embedding", label="refused-embedding",
    ),
    "modules-to-save-llama-bf16": Case(
        "llama-bf16", "a whole lm_head in the adapter",
        dict(r=4, lora_alpha=7, target_modules=["q_proj"], modules_to_save=["lm_head"]),
        feature="modules-to-save", label="refused-modules-to-save",
    ),
    "bias-all-qwen2-bf16": Case(
        "qwen2-bf16", "whole biases in the adapter",
        dict(r=4, lora_alpha=7, target_modules=["q_proj"], bias="all"), feature="bias-all", label="refused-bias-all",
    ),
}  # fmt: skip


def base_folder(name):
    return pathlib.Path("bases") / name


def case_folder(name):
    """`linear-bf16` lies in lora/linear/bf16, `linear-f32-factors-bf16` in lora/linear/f32-factors-bf16."""
    case, dtype = re.fullmatch(r"(.*?)-((?:f32|bf16|f16|mixed)(?:-factors-(?:bf16|f16))?)", name).groups()
    return pathlib.Path("lora") / case / dtype


def adapter_folder(name):
    case = CASES[name]
    shared = case.shares and not case.rename
    return case_folder(case.shares if shared else name) / "adapter"


def merged_file(name):
    return case_folder(CASES[name].shares or name) / "merged" / "model.safetensors"


def origin(name):
    """The case whose configuration and factors `name` uses."""
    return CASES[CASES[name].shares or name]


# ---------------------------------------------------------------------------------------------
# The second implementation: numpy only
# ---------------------------------------------------------------------------------------------


def read_safetensors(path):
    """Name -> (dtype, shape, bytes)."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = entry["dtype"], tuple(entry["shape"]), data[start + begin : start + end]
    return tensors


def read_checkpoint(folder):
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return read_safetensors(folder / "model.safetensors")
    shards = set(json.loads(index.read_text())["weight_map"].values())
    return {name: tensor for shard in sorted(shards) for name, tensor in read_safetensors(folder / shard).items()}


def widen(tensor):
    """The values of a tensor in fp32: exact for all three dtypes."""
    dtype, shape, data = tensor
    if dtype == "BF16":
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float32)
    return values.reshape(shape)


def narrow(values, dtype):
    """Bytes of `values` (fp32, finite), rounded to nearest even."""
    if dtype == "BF16":
        bits = np.ascontiguousarray(values).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
    return values.astype({"F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


def fma(a, b, c):
    """fp32 fused multiply-add, rounded once.

    The product of two fp32 numbers is exact in double. The sum may not be, and rounding it first to
    double and then to fp32 could round twice. So the double sum is rounded to odd: TwoSum gives its
    error exactly, and if there is one, an even last bit is stepped towards it. An odd-rounded number
    of 53 bits, rounded to 24 bits, is the exact sum rounded once (53 >= 24 + 2).
    """
    product, addend = a.astype(np.float64) * b.astype(np.float64), c.astype(np.float64)
    total = product + addend
    part = total - product
    error = (product - (total - part)) + (addend - part)
    step = (error != 0) & (total.view(np.int64) & 1 == 0)
    return np.where(step, np.nextafter(total, np.copysign(np.inf, error)), total).astype(np.float32)


def product_in_order(b, a):
    """B A as a chain of fused multiply-adds over k, in order, from zero."""
    total = np.zeros((b.shape[0], a.shape[1]), np.float32)
    for k in range(a.shape[0]):
        total = fma(b[:, k : k + 1], a[k : k + 1, :], total)
    return total


def product_in_blocks(b, a):
    """B A as MKL's AVX2 kernels sum it at ranks from 193 to 384: blocks of r // 2, each a chain."""
    size = a.shape[0] // 2
    total = product_in_order(b[:, :size], a[:size])
    for start in range(size, a.shape[0], size):
        total = total + product_in_order(b[:, start : start + size], a[start : start + size])
    return total


def look_up(patterns, module, default):
    """The first key, in the file's order, that matches the module."""
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module)), default)


def scaling(config, module):
    rank = look_up(config["rank_pattern"], module, config["r"])
    alpha = look_up(config["alpha_pattern"], module, config["lora_alpha"])
    return rank, np.float32(alpha / np.sqrt(np.float64(rank)) if config["use_rslora"] else alpha / rank)


def expected_checkpoint(base, adapter):
    """Base and adapter folder -> name -> (dtype, shape, bytes) of the merged checkpoint."""
    config = json.loads((adapter / "adapter_config.json").read_text())
    factors = read_safetensors(adapter / "adapter_model.safetensors")
    merged = read_checkpoint(base)
    for key in [key for key in factors if key.endswith(".lora_A.weight")]:
        path = key.removesuffix(".lora_A.weight")
        module = path.removeprefix("base_model.model.")
        a, b = widen(factors.pop(key)), widen(factors.pop(f"{path}.lora_B.weight"))
        rank, scale = scaling(config, module)
        assert rank == a.shape[0] == b.shape[1], key
        product = product_in_order(b, a) if rank <= 192 else product_in_blocks(b, a)
        dtype, shape, _ = weight = merged[f"{module}.weight"]
        merged[f"{module}.weight"] = dtype, shape, narrow(widen(weight) + product * scale, dtype)
        for suffix in BIAS_KEYS:
            if bias_factor := factors.pop(path + suffix, None):
                dtype, shape, _ = bias = merged[f"{module}.bias"]
                merged[f"{module}.bias"] = dtype, shape, narrow(widen(bias) + widen(bias_factor) * scale, dtype)
    assert not factors, f"unused: {sorted(factors)}"
    return merged


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


# ---------------------------------------------------------------------------------------------
# Models and adapters: torch, transformers, PEFT
# ---------------------------------------------------------------------------------------------


def normal(label, shape, deviation):
    """Normal numbers that depend on the label alone."""
    generator = np.random.default_rng([SEED, zlib.crc32(label.encode())])
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32) * np.float32(deviation))


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


def as_json(value):
    return json.dumps(value, indent=2) + "\n"


def load_base(name):
    """The base in its own dtypes. transformers loads into one dtype, so the mixed base is cast back (exactly)."""
    dtype = BASES[name].dtype
    loaded = AutoModelForCausalLM.from_pretrained(
        base_folder(name), dtype=torch.float32 if dtype == "mixed" else TORCH_DTYPES[dtype]
    )
    return cast(loaded, dtype) if dtype == "mixed" else loaded


def fill(model, label):
    """Random numbers for everything the adapter trains; deltas of about a tenth of the weights."""
    label = f"adapter {label} "
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]
    for name, module in layers:
        rank, scale = module.r["default"], abs(module.scaling["default"])
        deviation_b = 0.1 * WEIGHT_STD / (FACTOR_A_STD * scale * rank**0.5)
        for part, parameter in module.named_parameters():
            if part.startswith(("lora_A", "lora_embedding_A")):
                parameter.data = normal(label + name + part, parameter.shape, FACTOR_A_STD)
            elif part.startswith("lora_B") and part.endswith("bias"):
                parameter.data = normal(label + name + part, parameter.shape, 0.2 * WEIGHT_STD / scale)
            elif part.startswith(("lora_B", "lora_embedding_B")):
                parameter.data = normal(label + name + part, parameter.shape, deviation_b)
    for name, parameter in model.named_parameters():
        is_factor = re.search(r"\.lora_(embedding_)?[AB]\b", name)
        if parameter.requires_grad and not is_factor:  # magnitudes, biases, whole modules
            parameter.data += normal(label + name, parameter.shape, 0.2 * WEIGHT_STD).to(parameter.dtype)


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


def rewrite_tensors(folder, change):
    path = folder / "adapter_model.safetensors"
    save_file(dict(change(*item) for item in load_file(path).items()), path, metadata={"format": "pt"})


def merge(base, adapter, folder):
    """What PEFT's defaults make of base and adapter: the weights alone."""
    model = PeftModel.from_pretrained(load_base(base), adapter).merge_and_unload()
    model.save_pretrained(folder)
    for path in folder.iterdir():
        if path.name != "model.safetensors":
            path.unlink()


@functools.cache
def make_case(name):
    case, folder = CASES[name], case_folder(name)
    make_base(case.base)
    shutil.rmtree(folder, ignore_errors=True)
    if case.shares:
        make_case(case.shares)
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


# ---------------------------------------------------------------------------------------------
# The entries of cases.json, and the command line
# ---------------------------------------------------------------------------------------------


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


def write_list(made, describe_other, others):
    """Brings the entries of the cases in `made` up to date, in the order of the two tables."""
    path = pathlib.Path("cases.json")
    old = {entry["name"]: entry for entry in json.loads(path.read_text())} if path.exists() else {}
    entries = []
    for name in [name for name in CASES if name not in others] + list(others):
        if name in made:
            entries.append(describe_other(name) if name in others else describe(name))
        elif name in old:
            entries.append(old[name])
    path.write_text(as_json(entries))


def set_modes(folder):
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=HERE, help="folder to write to (default: this one)")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="cases to make (default: all)")
    arguments = parser.parse_args()
    from generator import all_lora  # the second part; it imports this file

    if unknown := set(arguments.cases) - CASES.keys() - all_lora.CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    # Known and harmless: a one-dimensional lora_B.bias, a targeted embedding, a renamed flag of transformers.
    for message in (".*invalid shape", "Setting `save_embedding_layers`", ".*is_gradient_checkpointing"):
        warnings.filterwarnings("ignore", message=message)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    arguments.output.mkdir(parents=True, exist_ok=True)
    os.chdir(arguments.output)  # the adapters name their base by the path given to transformers

    made = set()
    for name in arguments.cases or CASES | all_lora.CASES:
        said = all_lora.make(name) if name in all_lora.CASES else make_case(name)
        print(f"{name}: {said}", flush=True)
        made.add(name)
        write_list(made, all_lora.describe, all_lora.CASES)
        gc.collect()
    for folder in ("bases", "lora", "configs"):
        set_modes(pathlib.Path(folder))


if __name__ == "__main__":
    sys.modules["generate"] = sys.modules["__main__"]  # for the other files here
    sys.path.insert(0, str(HERE))
    main()
