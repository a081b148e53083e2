"""The tiny models of the second part: `bases/tiny-*`."""

import functools
import pathlib
import re
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

from .places import base_folder
from .values import TORCH_DTYPES, WEIGHT_STD, normal

SIZES = dict(vocab_size=32, hidden_size=16)
TOKENS = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)


class Convolutions(nn.Module):
    """No transformers model: its checkpoint has no config.json."""

    def __init__(self):
        super().__init__()
        self.line = nn.Conv1d(16, 14, 3, padding=1)
        self.plane = nn.Conv2d(16, 12, (3, 2), bias=False)
        self.point = nn.Conv2d(12, 16, 1)
        self.space = nn.Conv3d(16, 12, (2, 1, 2))
        self.narrow = nn.Conv1d(6, 12, 3)  # under 16 channels torch multiplies with another kernel
        self.grouped = nn.Conv2d(12, 16, 3, groups=4)


class Square(nn.Module):
    """BOFT adapts convolutions whose kernels are square alone."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(4, 6, 3, padding=1)
        self.small = nn.Conv2d(6, 5, 1)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.output = nn.Linear(16, 12)


def llama(layers=1, **rest):
    return transformers.LlamaConfig(
        intermediate_size=20, num_hidden_layers=layers, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        max_position_embeddings=32, **SIZES, **TOKENS, **rest,
    )  # fmt: skip


CONFIGURATIONS = {
    "tiny-llama": lambda: llama(tie_word_embeddings=False),
    "tiny-llama-layers": lambda: llama(2, tie_word_embeddings=False),
    "tiny-tied": lambda: llama(tie_word_embeddings=True),
    "tiny-gpt2": lambda: transformers.GPT2Config(
        n_embd=16, n_inner=24, n_layer=1, n_head=2, n_positions=8, vocab_size=32, bos_token_id=1, eos_token_id=2
    ),
    "tiny-gpt2-untied": lambda: transformers.GPT2Config(
        n_embd=16, n_inner=24, n_layer=1, n_head=2, n_positions=8, vocab_size=32, bos_token_id=1, eos_token_id=2,
        tie_word_embeddings=False,
    ),
    "tiny-qwen2": lambda: transformers.Qwen2Config(
        intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=32, tie_word_embeddings=False, **SIZES, **TOKENS,
    ),
    "tiny-bert": lambda: transformers.BertConfig(
        intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=8, **SIZES
    ),
    "tiny-mixtral": lambda: transformers.MixtralConfig(
        intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        num_local_experts=3, num_experts_per_tok=2, max_position_embeddings=32, tie_word_embeddings=False,
        **SIZES, **TOKENS,
    ),
    "tiny-gpt-oss": lambda: transformers.GptOssConfig(
        intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
        num_local_experts=3, num_experts_per_tok=2, max_position_embeddings=32, tie_word_embeddings=False,
        layer_types=["full_attention"], **SIZES, **TOKENS,
    ),
}  # fmt: skip
CUSTOM = {"tiny-conv": Convolutions, "tiny-attention": Attention, "tiny-square": Square}
CLASSES = {
    "causal": transformers.AutoModelForCausalLM,
    "pretraining": transformers.AutoModelForPreTraining,
    "sequence": transformers.AutoModelForSequenceClassification,
    "token": transformers.AutoModelForTokenClassification,
}


def split(base):
    """`tiny-llama-bf16` -> family and dtype."""
    family, _, dtype = base.rpartition("-")
    return family, dtype.upper()


def randomize(model, family):
    for name, parameter in model.named_parameters():
        values = normal(f"{family} {name}", parameter.shape, WEIGHT_STD)
        is_norm = re.search(r"norm|ln_|LayerNorm", name) and name.endswith("weight")
        parameter.data = values + 1 if is_norm else values


@functools.cache
def make_base(base):
    family, dtype = split(base)
    folder = base_folder(base)
    shutil.rmtree(folder, ignore_errors=True)
    if family in CUSTOM:
        model = CUSTOM[family]()
    else:
        kind = CLASSES["pretraining" if family == "tiny-bert" else "causal"]
        model = kind.from_config(CONFIGURATIONS[family](), dtype=torch.float32)
    randomize(model, family)
    model = model.to(TORCH_DTYPES[dtype])
    if base == "tiny-gpt-oss-f16":  # transformers keeps its norms in F32 when it loads it as F16
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.data = parameter.data.float()
    save(model, folder)


def load(base, kind="causal", **options):
    family, dtype = split(base)
    if family in CUSTOM:
        model = CUSTOM[family]().to(TORCH_DTYPES[dtype])
        model.load_state_dict(load_file(base_folder(base) / "model.safetensors"))
        return model
    return CLASSES[kind].from_pretrained(base_folder(base), dtype=TORCH_DTYPES[dtype], **options)


def save(model, folder, only_weights=False):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, transformers.PreTrainedModel):
        model.save_pretrained(folder, save_original_format=False)
    else:
        save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    for path in folder.iterdir():
        if only_weights and path.name != "model.safetensors":
            path.unlink()
