"""The table of the cases of linear layers: bases of two layers, and adapters for them."""

import dataclasses

from transformers import GPT2Config, LlamaConfig, Qwen2Config

from .plain import BIAS_KEYS


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
    # Copied files.
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
