"""The table of the cases of "all of LoRA"."""

import json
import pathlib
import re

import torch
from safetensors.torch import load_file, save_file

from . import linear_table, special
from .all_lora import case, edit_config  # noqa: F401
from .values import normal, rewrite_tensors

QV = ["q_proj", "v_proj"]
THREE = ("f32", "bf16", "f16")


def dtypes(name, base, *arguments, which=THREE, **options):
    """One case for each dtype of the base."""
    for dtype in which:
        case(f"{name}-{dtype}", f"{base}-{dtype}", *arguments, **options)


def check_flag(folder, wanted):
    assert json.loads((folder / "adapter_config.json").read_text())["fan_in_fan_out"] is wanted


def whole(key):
    return not re.search(r"lora_|trainable_tokens", key)


def perturb(folder, ending):
    """Other values for the tensors whose key ends so."""
    rewrite_tensors(folder, lambda key, value: (key, value * 1.25 + 0.01 if key.endswith(ending) else value))


def scaled_whole(folder):
    rewrite_tensors(folder, lambda key, value: (key, (value * 1.25 + 0.01) if whole(key) else value))


def precise_whole(folder):
    """Whole tensors in F32, with digits that a 16-bit type cannot hold."""
    rewrite_tensors(folder, lambda key, value: (key, value.float() * 1.2345 + 0.01 if whole(key) else value))


def precise_rows(folder):
    """Rows with digits that a 16-bit type cannot hold."""
    rewrite_tensors(folder, lambda key, value: (key, value.float() * 1.2345 + 0.01 if "trainable" in key else value))


def different_whole(folder):
    """The members of a tied pair differ."""
    rewrite_tensors(
        folder,
        lambda key, value: (key, value + normal(key, value.shape, 0.02).to(value.dtype) if whole(key) else value),
    )


def into_sub_folder(folder):
    for path in list(folder.iterdir()):
        (folder / "mine").mkdir(exist_ok=True)
        path.rename(folder / "mine" / path.name)


CONFIGURATION = """{
  "architectures": ["TinyVisionForConditionalGeneration"],
  "image_token_index": 31,
  "text_config": {
    "model_type": "llama",  "hidden_size": 16,
    "num_hidden_layers": 1,
    "vocab_size":32,
    "tie_word_embeddings": true,
    "dtype": "bfloat16", "torch_dtype": "bfloat16"
  },
  "vision_config": {"model_type": "tiny_vision_tower", "hidden_size": 16, "vocab_size": 99, "dtype": "bfloat16"},
  "note": "\\"vocab_size\\": 32 and \\"tie_word_embeddings\\": true in a string stay",
  "model_type": "tiny_vision",
  "tie_word_embeddings": true,
  "torch_dtype": "bfloat16",
  "vocab_size" : 32
}
"""
SIZE = re.compile(r'(?<!\\\\)("vocab_size" ?: ?)32\b')
TIE = re.compile(r'(?<!\\\\)("tie_word_embeddings" ?: ?)true\b')


def configurations():
    """config.json with the size of the vocabulary nested, and the same edited as text."""
    resized = SIZE.sub(r"\g<1>37", CONFIGURATION)
    assert json.loads(resized)["note"] == json.loads(CONFIGURATION)["note"] and resized.count("37") == 2
    untied = TIE.sub(r"\1false", CONFIGURATION)
    assert json.loads(untied)["note"] == json.loads(CONFIGURATION)["note"] and untied.count("false") == 2
    folder = pathlib.Path("configs")
    folder.mkdir(exist_ok=True)
    for name, text in {"nested": CONFIGURATION, "nested-resized": resized, "nested-untied": untied}.items():
        (folder / f"{name}.json").write_text(text)


def mirror(folder):
    """The factors of a tied head: those of the embedding, transposed, as training with shared storage leaves them."""
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    embedding = "base_model.model.model.embed_tokens.lora_embedding_"
    for factor, other in ("AB", "BA"):
        tensors[f"base_model.model.lm_head.lora_{factor}.weight"] = tensors[embedding + other].T.contiguous()
    save_file(tensors, path, metadata={"format": "pt"})


def rename_keys(folder, change, originals=False):
    path = folder / "adapter_model.safetensors"
    tensors = {}
    for key, value in load_file(path).items():
        tensors[change(key)] = value
        if originals and ".modules_to_save." in change(key):
            tensors[re.sub(r"\.modules_to_save\.default\.", ".original_module.", change(key))] = torch.zeros_like(value)
    save_file(tensors, path, metadata={"format": "pt"})


EXPERTS_HERE = 3


def swap_experts(folder, version):
    """Exchanges the parts of A and B: rows of A are (expert, rank), columns of B (rank, expert)."""
    path = folder / "adapter_model.safetensors"
    tensors = load_file(path)
    for key in [key for key in tensors if ".experts." in key and "lora_A" in key]:
        other = key.replace("lora_A", "lora_B")
        a, b = tensors[key], tensors[other]
        rank = a.shape[0] // EXPERTS_HERE
        by_expert = b.reshape(b.shape[0], rank, EXPERTS_HERE).permute(2, 1, 0).reshape(-1, b.shape[0])
        by_rank = a.reshape(EXPERTS_HERE, rank, a.shape[1]).permute(2, 1, 0).reshape(a.shape[1], -1)
        tensors[key], tensors[other] = by_expert.contiguous(), by_rank.contiguous()
    save_file(tensors, path, metadata={"format": "pt"})
    edit_config(folder, peft_version=version)
    if version is None:
        edit_config(folder, without="peft_version")


def group_experts(folder, marked):
    rewrite_tensors(
        folder,
        lambda key, value: (
            key,
            value.reshape(value.shape[0], -1, EXPERTS_HERE).permute(0, 2, 1).reshape(value.shape).contiguous()
            if ".experts." in key and "lora_B" in key
            else value,
        ),
    )
    if marked:
        edit_config(folder, lora_B_layout="grouped_by_expert")


# 1. GPT-2.
GPT2 = ["c_attn", "c_proj", "c_fc"]
dtypes("gpt2", "tiny-gpt2", "conv1d-transposed", "weights stored (in, out), one of them square", dict(r=3, lora_alpha=7, target_modules=GPT2, fan_in_fan_out=True))  # fmt: skip
dtypes("gpt2-mixed-flag", "tiny-gpt2-untied", "conv1d-transposed", "lm_head is targeted too: PEFT's flag is that of the last layer, and wrong for the others", dict(r=2, lora_alpha=3, target_modules=[*GPT2, "lm_head"], fan_in_fan_out=True), edit=lambda folder: check_flag(folder, False))  # fmt: skip
dtypes("gpt2-wrong-flag", "tiny-gpt2", "conv1d-transposed", "fan_in_fan_out edited to false, against the weights", shares="gpt2-bf16", rename=lambda folder: edit_config(folder, fan_in_fan_out=False), which=("bf16",))  # fmt: skip

# 2. Embeddings.
EMBEDDING = dict(r=3, lora_alpha=5, target_modules=["embed_tokens", "q_proj"])
dtypes("embedding", "tiny-llama", "embedding", "lora_embedding_A/B, and embed_tokens.base_layer.weight equal to the base", EMBEDDING)  # fmt: skip
dtypes("embedding-rslora", "tiny-llama", "embedding", "alpha / sqrt(r)", EMBEDDING | dict(use_rslora=True))  # fmt: skip
dtypes("embedding-other-base", "tiny-llama", "base-layer", "embed_tokens.base_layer.weight differs from the base: it replaces it, then the delta is added", EMBEDDING, edit=lambda folder: perturb(folder, "base_layer.weight"))  # fmt: skip
dtypes("lm-head", "tiny-llama", "base-layer", "lm_head as a target: lm_head.base_layer.weight in the adapter differs from the base", dict(r=2, lora_alpha=5, target_modules=["lm_head"]), edit=lambda folder: perturb(folder, "base_layer.weight"))  # fmt: skip
dtypes("embedding-factors-f16", "tiny-llama", "embedding", "factors and embed_tokens.base_layer.weight in F16", EMBEDDING, factors="F16", which=("bf16",))  # fmt: skip
dtypes("gpt2-wte", "tiny-gpt2-untied", "embedding", "wte and wpe, whose base PEFT does not save", dict(r=2, lora_alpha=5, target_modules=["wte", "wpe"]))  # fmt: skip

# 7. What replaces.
BIASED = dict(r=2, lora_alpha=5, target_modules=["query", "value"])
BERT_CLASSES = dict(num_labels=3)
dtypes("bias-lora-only", "tiny-qwen2", "bias-lora-only", "base_layer.bias of the targeted modules", dict(r=2, lora_alpha=5, target_modules=QV, bias="lora_only"))  # fmt: skip
dtypes("bias-all", "tiny-qwen2", "bias-all", "base_layer.bias of the targeted modules, plain biases of the others", dict(r=2, lora_alpha=5, target_modules=QV, bias="all"))  # fmt: skip
dtypes("bias-all-and-lora-bias", "tiny-qwen2", "bias-all", "a bias is replaced, then lora_B.bias is added", dict(r=2, lora_alpha=5, target_modules=QV, bias="all", lora_bias=True))  # fmt: skip
dtypes("bias-all-head", "tiny-bert", "bias-all", "LayerNorm biases, a new head, and the junk keys of bias=\"all\" beside modules_to_save", BIASED | dict(bias="all"), task="SEQ_CLS", kind="sequence", options=BERT_CLASSES, more={"new_tensors": ["classifier.weight", "classifier.bias"]})  # fmt: skip
dtypes("modules-to-save", "tiny-llama", "modules-to-save", "lm_head and the last norm replaced", dict(r=2, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["lm_head", "model.norm"]), edit=scaled_whole)  # fmt: skip
dtypes("modules-to-save-other-dtype", "tiny-llama", "modules-to-save", "whole tensors in F32 for a 16-bit base: rounded to the dtype of the base", dict(r=2, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["lm_head", "model.norm"]), edit=precise_whole, which=("bf16", "f16"))  # fmt: skip
dtypes("modules-to-save-norm", "tiny-llama", "modules-to-save", "\"norm\" without a dot: PEFT takes every module whose name ends so", dict(r=2, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["norm"]), edit=scaled_whole)  # fmt: skip
dtypes("modules-to-save-old-keys", "tiny-llama", "modules-to-save", "keys with .modules_to_save., as old releases wrote them", shares="modules-to-save-bf16", rename=lambda folder: rename_keys(folder, lambda key: re.sub(r"(lm_head|model\.norm)\.weight$", r"\1.modules_to_save.weight", key)), check=False, which=("bf16",))  # fmt: skip
dtypes("modules-to-save-default-keys", "tiny-llama", "modules-to-save", "keys with .modules_to_save.default., and the originals beside them", shares="modules-to-save-bf16", rename=lambda folder: rename_keys(folder, lambda key: re.sub(r"(lm_head|model\.norm)\.weight$", r"\1.modules_to_save.default.weight", key), originals=True), check=False, which=("bf16",))  # fmt: skip

# 6. DoRA.
DORA = dict(r=3, lora_alpha=5, use_dora=True)
dtypes("dora-linear", "tiny-llama", "dora", "every linear layer", DORA | dict(target_modules="all-linear"))  # fmt: skip
dtypes("dora-rslora-patterns", "tiny-llama", "dora", "rsLoRA with rank_pattern and alpha_pattern", DORA | dict(use_rslora=True, target_modules=QV, rank_pattern={"layers.0.self_attn.q_proj": 2}, alpha_pattern={"v_proj": 9}))  # fmt: skip
dtypes("dora-embedding", "tiny-llama", "dora", "an embedding: the norm of each column over the vocabulary", DORA | dict(target_modules=["embed_tokens"]))  # fmt: skip
dtypes("dora-gpt2", "tiny-gpt2", "dora", "weights stored (in, out)", DORA | dict(target_modules=GPT2, fan_in_fan_out=True))  # fmt: skip
dtypes("dora-conv", "tiny-conv", "dora", "Conv1d, Conv2d and Conv3d: norms over all axes but the first", DORA | dict(target_modules=["line", "plane", "point", "space"]), task=None)  # fmt: skip
dtypes("dora-twice", "tiny-llama", "dora", "two DoRA adapters, one after the other: the second's norm is of the base without the first", DORA | dict(target_modules=QV), second=DORA | dict(r=2, lora_alpha=3, target_modules=QV), more={"combine": "sequential"})  # fmt: skip

dtypes("dora-factors-bf16", "tiny-llama", "dora", "factors and magnitudes in BF16", DORA | dict(target_modules=["q_proj", "down_proj"]), factors="BF16", which=("f32", "f16"))  # fmt: skip
dtypes("dora-after-plain", "tiny-llama", "dora", "a plain adapter, then DoRA: its norm is of the base without the plain one", dict(r=2, lora_alpha=5, target_modules=QV), second=DORA | dict(r=2, lora_alpha=3, target_modules=QV), more={"combine": "sequential"})  # fmt: skip
dtypes("sequential", "tiny-llama", "several", "two plain adapters, one after the other: PEFT rounds after each", dict(r=2, lora_alpha=5, target_modules=QV), second=dict(r=3, lora_alpha=-4, use_rslora=True, target_modules=["v_proj", "o_proj"]), more={"combine": "sequential"})  # fmt: skip

# 3. Convolutions.
CONV = dict(r=3, lora_alpha=5, target_modules=["line", "plane", "point", "space"])
dtypes("conv", "tiny-conv", "conv", "Conv1d, Conv2d 3x2, Conv2d 1x1, Conv3d; a base without config.json", CONV, task=None)  # fmt: skip
dtypes("conv-lora-bias", "tiny-conv", "conv", "lora_B.bias of convolutions, with rsLoRA", dict(r=2, lora_alpha=5, use_rslora=True, lora_bias=True, target_modules=["line", "point"]), task=None)  # fmt: skip
dtypes("conv-narrow", "tiny-conv", "conv", "6 input channels: torch sums without fused operations", CONV | dict(target_modules=["narrow"]), task=None, note="below 16 input channels PEFT's product is a sum of rounded products; the F32 bits show it")  # fmt: skip
dtypes("conv-grouped", "tiny-conv", "conv", "groups=4: PEFT cannot merge it", dict(r=4, lora_alpha=5, target_modules=["grouped"]), task=None, merge=False, refused="grouped_conv", which=("bf16",))  # fmt: skip

# 4. MultiheadAttention.
dtypes("attention", "tiny-attention", "mha", "in_proj and out_proj, where PEFT adds the delta twice", dict(r=3, lora_alpha=5, target_modules=["attention", "output"]), task=None, note="PEFT <= 0.21.2 adds the delta of out_proj twice (W + 2 delta)")  # fmt: skip
dtypes("attention-patterns", "tiny-attention", "mha", "the patterns of out_proj are those of the attention module", dict(r=3, lora_alpha=5, target_modules=["attention"], rank_pattern={"attention": 2}, alpha_pattern={"attention": 7, "out_proj": 40}), task=None, note="PEFT <= 0.21.2 adds the delta of out_proj twice (W + 2 delta)")  # fmt: skip

# 5. Parameters.
EXPERTS = ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
dtypes("experts", "tiny-mixtral", "target-parameters", "stacked experts (E, out, in): gate_up_proj is nested in down_proj", dict(r=2, lora_alpha=5, target_parameters=EXPERTS))  # fmt: skip
dtypes("experts-order", "tiny-mixtral", "target-parameters", "the configuration names down_proj first: the nesting is still that of registration", dict(r=2, lora_alpha=5, target_parameters=EXPERTS[::-1]), which=("bf16",))  # fmt: skip
dtypes("experts-gate-up", "tiny-mixtral", "target-parameters", "only gate_up_proj: no nesting", dict(r=2, lora_alpha=5, target_parameters=EXPERTS[:1], use_rslora=True))  # fmt: skip
dtypes("experts-down", "tiny-mixtral", "target-parameters", "only down_proj, with modules of attention", dict(r=2, lora_alpha=5, target_modules=QV, target_parameters=EXPERTS[1:]))  # fmt: skip
dtypes("experts-patterns", "tiny-mixtral", "target-parameters", "patterns on names of parameters; the router, a parameter of two dimensions", dict(r=2, lora_alpha=5, target_parameters=[*EXPERTS, "mlp.gate.weight"], rank_pattern={"experts.down_proj": 3, "mlp.gate.weight": 1}, alpha_pattern={"gate_up_proj": 3, "mlp.gate.weight": 2}))  # fmt: skip
dtypes("experts-transposed", "tiny-gpt-oss", "target-parameters", "gpt-oss, experts (E, in, out); down_proj is square, so that shapes do not tell", dict(r=2, lora_alpha=5, target_parameters=EXPERTS))  # fmt: skip
dtypes("experts-transposed-down", "tiny-gpt-oss", "target-parameters", "gpt-oss, only the square down_proj, with a module and patterns", dict(r=2, lora_alpha=5, target_modules=["q_proj"], target_parameters=EXPERTS[1:], rank_pattern={"down_proj": 3}))  # fmt: skip
dtypes("experts-factors-bf16", "tiny-mixtral", "target-parameters", "factors in BF16", dict(r=2, lora_alpha=5, target_parameters=EXPERTS), factors="BF16", which=("f16",))  # fmt: skip
PACKED = dict(shares="experts-bf16", which=("bf16",))
dtypes("experts-0.18", "tiny-mixtral", "target-parameters", "as PEFT 0.17 and 0.18 wrote it: A and B the reverse; down_proj is square", rename=lambda folder: swap_experts(folder, "0.18.1"), **PACKED)  # fmt: skip
dtypes("experts-0.17", "tiny-mixtral", "target-parameters", "the same from 0.17, which did not write its version", rename=lambda folder: swap_experts(folder, None), **PACKED)  # fmt: skip
dtypes("experts-0.19.0", "tiny-gpt-oss", "target-parameters", "gpt-oss as 0.19.0 wrote it: the reverse, the square down_proj too", rename=lambda folder: swap_experts(folder, "0.19.0"), shares="experts-transposed-bf16", which=("bf16",))  # fmt: skip
dtypes("experts-rank-major", "tiny-mixtral", "target-parameters", "lora_B_layout says what PEFT does", rename=lambda folder: edit_config(folder, lora_B_layout="rank_major"), **PACKED)  # fmt: skip
dtypes("experts-grouped", "tiny-mixtral", "target-parameters", "lora_B_layout of Unsloth: the columns of B are expert-major", rename=lambda folder: group_experts(folder, True), **PACKED)  # fmt: skip
dtypes("experts-grouped-unmarked", "tiny-mixtral", "target-parameters", "the same without the marker: nothing tells", rename=lambda folder: group_experts(folder, False), check=False, more={"ambiguous": "lora_B_layout=grouped_by_expert gives the merged file; as it stands PEFT reads it otherwise"}, **PACKED)  # fmt: skip

# 8. Rows of tokens, and new heads.
TOKENS = dict(r=2, lora_alpha=5, target_modules=["q_proj"])
dtypes("tokens-list", "tiny-llama", "token-rows", "a list: rows of the input embedding replaced, not in ascending order", TOKENS | dict(trainable_token_indices=[5, 1, 30]), edit=precise_rows, note="the rows are absolute values, F32 in the adapter")  # fmt: skip
dtypes("tokens-dict", "tiny-llama", "token-rows", "a dictionary: rows of the embedding, and others of the head", TOKENS | dict(trainable_token_indices={"embed_tokens": [9, 3], "lm_head": [0, 31, 4]}))  # fmt: skip
dtypes("tokens-tied", "tiny-tied", "token-rows", "tied: only the embedding's rows are in the adapter", TOKENS | dict(trainable_token_indices=[5, 1, 30]))  # fmt: skip
dtypes("bert-sequence", "tiny-bert", "new-head", "sequence classification: a classifier that the base has not", BIASED, task="SEQ_CLS", kind="sequence", options=BERT_CLASSES, more={"new_tensors": ["classifier.weight", "classifier.bias"], "dropped_prefix": "cls."})  # fmt: skip
dtypes("bert-token", "tiny-bert", "new-head", "token classification: a classifier that the base has not", BIASED, task="TOKEN_CLS", kind="token", options=BERT_CLASSES, more={"new_tensors": ["classifier.weight", "classifier.bias"], "dropped_prefix": "cls."})  # fmt: skip
dtypes("llama-sequence", "tiny-llama", "new-head", "sequence classification of a causal model: score.weight, without lm_head", TOKENS, task="SEQ_CLS", kind="sequence", options=dict(num_labels=3), more={"new_tensors": ["score.weight"], "dropped_prefix": "lm_head."})  # fmt: skip

# 10. Tied embeddings.
WRONG = "PEFT adds the delta to the shared tensor; the forward pass only uses it on one side"
TIED = {"lm_head.weight": "model.embed_tokens.weight"}
tied = dict(targets=TIED)
dtypes("tied-embedding", "tiny-tied", "tied", "LoRA on embed_tokens of a tied model: the head must stay", dict(r=2, lora_alpha=5, target_modules=["embed_tokens", "q_proj"]), wrong=WRONG, correct=special.untied, **tied)  # fmt: skip
dtypes("tied-head", "tiny-tied", "tied", "LoRA on lm_head of a tied model: the embedding must stay", dict(r=2, lora_alpha=5, target_modules=["lm_head", "q_proj"]), wrong=WRONG, correct=special.untied, **tied)  # fmt: skip
dtypes("tied-both", "tiny-tied", "tied", "LoRA on both, with different factors", dict(r=2, lora_alpha=5, target_modules=["lm_head", "embed_tokens"]), wrong="PEFT adds both deltas to the shared tensor", correct=special.untied, **tied)  # fmt: skip
dtypes("tied-ensured", "tiny-tied", "tied", "LoRA on both with ensure_weight_tying: the same delta, to be added once", dict(r=2, lora_alpha=5, target_modules=["lm_head", "embed_tokens"], ensure_weight_tying=True), edit=mirror, wrong="PEFT adds the delta twice", correct=special.still_tied, **tied)  # fmt: skip
dtypes("tied-saved-head", "tiny-tied", "tied", "modules_to_save lm_head: unties", dict(r=2, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["lm_head"]), edit=scaled_whole)  # fmt: skip
dtypes("tied-saved-both", "tiny-tied", "tied", "modules_to_save of both: unties", dict(r=2, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"]), edit=different_whole)  # fmt: skip
dtypes("tied-saved-ensured", "tiny-tied", "tied", "modules_to_save of both with ensure_weight_tying: stays tied", dict(r=2, lora_alpha=5, target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"], ensure_weight_tying=True), edit=scaled_whole, targets=TIED)  # fmt: skip

# 9. Other numbers of rows.
RESIZED = dict(prepare=lambda model: model.resize_token_embeddings(37, mean_resizing=False))
dtypes("resized-vocab", "tiny-llama", "resized-vocab", "37 rows instead of 32: plain embed_tokens.weight and lm_head.weight in the adapter", TOKENS, more={"vocab_size": 37}, **RESIZED)  # fmt: skip
dtypes("resized-vocab-target", "tiny-llama", "resized-vocab", "the same with both as targets: base_layer.weight and factors of 37 rows", dict(r=2, lora_alpha=5, target_modules=["embed_tokens", "lm_head"]), more={"vocab_size": 37}, **RESIZED)  # fmt: skip
dtypes("resized-vocab-saved", "tiny-llama", "resized-vocab", "the same with both in modules_to_save", TOKENS | dict(modules_to_save=["embed_tokens", "lm_head"]), more={"vocab_size": 37}, **RESIZED)  # fmt: skip
dtypes("resized-vocab-tied", "tiny-tied", "resized-vocab", "37 rows in a tied model", TOKENS, more={"vocab_size": 37}, targets=TIED, **RESIZED)  # fmt: skip

# 11. Copied layers.
dtypes("replicated", "tiny-llama-layers", "layer-replication", "layers 0, 1, 1: three layers, each with its own factors", TOKENS | dict(target_modules=QV, layer_replication=[[0, 2], [1, 2]]), custom=special.replicate, wrong="PEFT adds every copy's delta to one shared tensor", more={"layers": [0, 1, 1], "num_hidden_layers": 3})  # fmt: skip

# 14. Keys in the wild.
dtypes("keys", "tiny-llama", "linear", "the adapter whose keys the other cases spell otherwise", dict(r=2, lora_alpha=5, target_modules=QV))  # fmt: skip
KEYS = {
    "no-prefix": ("no base_model.model.", lambda key: key.removeprefix("base_model.model.")),
    "doubled-prefix": ("base_model.model. twice", lambda key: "base_model.model." + key),
    "default": ("lora_A.default.weight", lambda key: re.sub(r"(lora_[AB])", r"\1.default", key)),
    "other-name": ("lora_A.mine.weight: the adapter's name", lambda key: re.sub(r"(lora_[AB])", r"\1.mine", key)),
    "compiled": ("_orig_mod.", lambda key: key.replace("base_model.model.", "base_model.model._orig_mod.")),
    "compiled-inside": ("_orig_mod. in the middle", lambda key: key.replace(".self_attn.", "._orig_mod.self_attn.")),
    "fsdp": ("_fsdp_wrapped_module.", lambda key: key.replace("layers.0.", "layers.0._fsdp_wrapped_module.")),
    "parallel": ("module. in front", lambda key: "module." + key),
}
for spelling, (text, change) in KEYS.items():
    case(f"keys-{spelling}-bf16", "tiny-llama-bf16", "keys", text, check=False, shares="keys-bf16", rename=lambda folder, change=change: rename_keys(folder, change))  # fmt: skip
for spelling, ending in {"weight": "weight", "default": "default.weight"}.items():
    case(f"keys-dora-{spelling}-bf16", "tiny-llama-bf16", "keys", f"lora_magnitude_vector.{ending}", check=False, shares="dora-rslora-patterns-bf16", rename=lambda folder, ending=ending: rename_keys(folder, lambda key: re.sub("(lora_magnitude_vector)$", rf"\1.{ending}", key)))  # fmt: skip
case("keys-sub-folder-bf16", "tiny-llama-bf16", "keys", "the adapter lies in a sub-folder with its name", check=False, shares="keys-bf16", rename=into_sub_folder)  # fmt: skip

# 13. Variants.
VARIANT = dict(r=2, lora_alpha=5, target_modules=QV)
dtypes("velora", "tiny-llama", "velora", "VeLoRA: plain at merge, with keys to ignore", VARIANT | dict(velora_config={}))  # fmt: skip
dtypes("monteclora", "tiny-llama", "monteclora", "MonteCLoRA: plain at merge, with keys to ignore", VARIANT | dict(monteclora_config={}))  # fmt: skip
dtypes("bdlora", "tiny-llama", "bdlora", "BD-LoRA: block-diagonal A of v_proj, block-diagonal B of q_proj", VARIANT | dict(r=4, use_bdlora=dict(target_modules_bd_a=["v_proj"], target_modules_bd_b=["q_proj"], nblocks=2)))  # fmt: skip
dtypes("kasa", "tiny-llama", "kasa", "KaSA: the base without its smallest singular values", VARIANT | dict(kasa_config={}), custom=special.kasa, note="needs an SVD of the base")  # fmt: skip
REFUSED = {
    "alora": ("alora_invocation_tokens", dict(alora_invocation_tokens=[1, 2]), "aLoRA"),
    "arrow": ("arrow_config", dict(arrow_config=dict(arrow_top_k=3, arrow_router_temperature=1.0)), "Arrow"),
    "qalora": ("use_qalora", dict(use_qalora=True, qalora_group_size=4), "QALoRA"),
    "pissa-niter": ("init_lora_weights", dict(init_lora_weights="pissa_niter_4"), "PiSSA by randomized SVD"),
    "corda": ("init_lora_weights", dict(init_lora_weights="corda"), "CorDA, not converted"),
    "loftq": ("init_lora_weights", dict(init_lora_weights="loftq", loftq_config=dict(loftq_bits=4, loftq_iter=1)), "LoftQ"),
    "lora-ga": ("init_lora_weights", dict(init_lora_weights="lora_ga"), "LoRA-GA, not converted"),
}  # fmt: skip
for variant, (field, changes, text) in REFUSED.items():
    case(f"refused-{variant}-bf16", "tiny-llama-bf16", variant, f"{text}: a plain adapter with an edited configuration", VARIANT, edit=lambda folder, changes=changes: edit_config(folder, **changes), merge=False, refused=field)  # fmt: skip

# 12. Initializations.
for kind in ("gaussian", "orthogonal", "mica", "eva"):
    extra = dict(edit=lambda folder: edit_config(folder, init_lora_weights="eva", rank_pattern={"model.layers.0.self_attn.q_proj": 2, "model.layers.0.self_attn.v_proj": 2}, alpha_pattern={"model.layers.0.self_attn.q_proj": 4, "model.layers.0.self_attn.v_proj": 6})) if kind == "eva" else {}  # fmt: skip
    text = "plain at merge, the delta rounded first" if kind == "mica" else "plain at merge"
    dtypes(f"init-{kind}", "tiny-llama", f"init-{kind}", text, VARIANT | ({} if kind == "eva" else dict(init_lora_weights=kind)), **extra)  # fmt: skip
for kind in ("pissa", "olora"):
    dtypes(f"init-{kind}-converted", "tiny-llama", f"init-{kind}-converted", "saved with conversion: plain LoRA of twice the rank", VARIANT | dict(init_lora_weights=kind), custom=special.converted)  # fmt: skip
    dtypes(f"init-{kind}", "tiny-llama", f"init-{kind}", "not converted: relative to the base without its leading part", VARIANT | dict(init_lora_weights=kind), custom=special.residual)  # fmt: skip
dtypes("init-olora-rslora-converted", "tiny-llama", "init-olora-converted", "with rsLoRA: alpha becomes sqrt(2) alpha", VARIANT | dict(init_lora_weights="olora", use_rslora=True), custom=special.converted)  # fmt: skip

# 15. Several adapters: two of rank 4, and one of rank 2.
dtypes("several-a", "tiny-llama", "several", "one of the adapters that the other cases combine", dict(r=4, lora_alpha=6, target_modules=["q_proj"]))  # fmt: skip
dtypes("several-b", "tiny-llama", "several", "one of the adapters that the other cases combine", dict(r=4, lora_alpha=3, target_modules=["q_proj"]))  # fmt: skip
dtypes("several-c", "tiny-llama", "several", "one of the adapters that the other cases combine", dict(r=2, lora_alpha=3, target_modules=["q_proj"]))  # fmt: skip
SEVERAL = {
    "linear": ("ab", dict(combine="linear", weights=[1.0, -0.5])),
    "cat": ("ac", dict(combine="cat", weights=[0.7, -1.5])),
    "ties": ("ab", dict(combine="ties", weights=[1.0, 0.5], density=0.5)),
    "ties-frequency": ("ab", dict(combine="ties", weights=[1.0, 0.5], density=0.7, majority_sign_method="frequency")),
    "svd": ("ac", dict(combine="svd", weights=[0.7, -1.5])),
    "ties-svd": ("ab", dict(combine="ties_svd", weights=[1.0, 0.5], density=0.5)),
    "prune-svd": ("ac", dict(combine="magnitude_prune_svd", weights=[1.0, -0.5], density=0.4)),
    # All of the density: nothing is random.
    "dare-linear-svd": ("ac", dict(combine="dare_linear_svd", weights=[1.0, 0.5], density=1.0)),
    "dare-ties-svd": ("ab", dict(combine="dare_ties_svd", weights=[1.0, 0.5], density=1.0)),
    "prune": ("ab", dict(combine="magnitude_prune", weights=[1.0, -0.5], density=0.4)),
    "dare-linear": ("ab", dict(combine="dare_linear", weights=[1.0, 0.5], density=0.6)),
    "dare-ties": ("ab", dict(combine="dare_ties", weights=[1.0, 0.5], density=0.6)),
}
for kind, (which, more) in SEVERAL.items():
    is_random = more.get("density", 1) < 1 and kind.startswith("dare")
    for dtype in THREE[:1] if is_random else THREE:
        sources = [f"several-{letter}-{dtype}" for letter in which]
        case(f"several-{kind}-{dtype}", f"tiny-llama-{dtype}", "several", f"add_weighted_adapter: {kind}", custom=special.several, more=more | {"from": sources})  # fmt: skip

# Adapters of linear_table.py, for models of two layers.
for name, other in linear_table.CASES.items():
    if other.feature:
        case(name, other.base, other.feature, other.covers, other.lora, custom=special.made)
