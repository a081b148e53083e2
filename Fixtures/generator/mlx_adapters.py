#!/usr/bin/env python3
"""Writes the cases of Fixtures/mlx: adapters as mlx-lm saves them, with the weights that its `fuse` makes of a base.

    python mlx_adapters.py FOLDER [--only TEXT]

Needs mlx and mlx-lm (`pip install "mlx[cpu]" mlx-lm`); made with mlx 0.32.4 and mlx-lm 0.32.2. A case is a folder with `base` (the
path of the base in Fixtures, as text), `adapter/` and `fused.safetensors`, which holds the changed tensors under the base's names.
All random numbers come from numpy generators seeded by the case and the tensor.
"""
import argparse
import json
import pathlib

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent.parent
CASES = {
    # name: (base, type, rank, scale, layers, keys)
    "lora": ("tiny-llama-f32", "lora", 3, 2.5, -1, None),
    "lora-some": ("llama-f32", "lora", 4, 20.0, 1, ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"]),
    "lora-bf16": ("tiny-llama-bf16", "lora", 2, 0.7, -1, None),
    "dora": ("tiny-llama-f32", "dora", 3, 1.5, -1, None),
    "head": ("tiny-llama-f32", "lora", 2, 3.0, -1, ["lm_head", "model.embed_tokens"]),
    "tied": ("tiny-tied-f32", "lora", 2, 3.0, -1, ["model.embed_tokens", "self_attn.o_proj"]),
    "tied-dora": ("tiny-tied-f32", "dora", 2, 3.0, -1, ["model.embed_tokens"]),
    "experts": ("separate-experts", "lora", 2, 2.0, -1, None),
    "experts-old": ("separate-experts", "lora", 2, 2.0, -1, None),
    "experts-stacked": ("stacked-experts", "lora", 2, 2.0, -1, None),
}


MOE = {
    "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 12, "num_hidden_layers": 1,
    "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "num_experts": 3,
    "num_experts_per_tok": 2, "moe_intermediate_size": 6, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "rms_norm_eps": 1e-6, "vocab_size": 24, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "max_position_embeddings": 64, "norm_topk_prob": True,
}


def base_of_experts(folder, isolated):
    """A base of experts: as transformers' checkpoints have them, or stacked as mlx-lm saves a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(MOE, indent=2))
    from mlx_lm.models import qwen3_moe

    model = qwen3_moe.Model(qwen3_moe.ModelArgs.from_dict(MOE))
    tensors = {}
    for name, value in tree_flatten(model.parameters()):
        made = np.array(values("experts", name, value))
        tensors |= disk(name, made) if isolated else {name: made}
    save_file(tensors, str(folder / "model.safetensors"))


def values(case, name, like):
    generator = np.random.default_rng(list(f"{case} {name}".encode()))
    noise = (0.3 * generator.standard_normal(like.shape)).astype(np.float32)
    if name.endswith(".m"):
        return like.astype(mx.float32) * mx.array(1 + noise)
    return mx.array(noise)


def disk(name, value):
    """The tensors that a transformers checkpoint has in the place of one of MLX's."""
    if ".switch_mlp." not in name:
        return {name: value}
    head, tail = name.split(".switch_mlp.")
    return {f"{head}.experts.{e}.{tail}": value[e] for e in range(value.shape[0])}


def make(case, folder):
    base, kind, rank, scale, layers, keys = CASES[case]
    path = (folder if base.endswith("-experts") else HERE / "bases") / base
    model, _ = load_model(path)
    before = dict(tree_flatten(model.parameters()))
    model.freeze()
    parameters = {"rank": rank, "scale": scale, "dropout": 0.0, **({"keys": keys} if keys else {})}
    linear_to_lora_layers(model, layers, parameters, use_dora=kind == "dora")
    trained = {name: values(case, name, value) for name, value in tree_flatten(model.trainable_parameters())}
    adapter = folder / case / "adapter"
    adapter.mkdir(parents=True, exist_ok=True)
    config = {"fine_tune_type": kind, "num_layers": layers, "lora_parameters": parameters, "model": "mlx-community/tiny"}
    (adapter / "adapter_config.json").write_text(json.dumps(config, indent=4))
    mx.save_safetensors(str(adapter / "adapters.safetensors"), trained)

    model, _ = load_model(path)
    model = load_adapters(model, str(adapter))
    mx.eval(model.parameters())
    if case == "experts-old":
        # As mlx-lm saved stacks before 0.28.3; its `fuse` reads both.
        trained = {
            name: value.reshape(-1, value.shape[-1]) if name.endswith("lora_a") and value.ndim == 3 else value
            for name, value in trained.items()}
        mx.save_safetensors(str(adapter / "adapters.safetensors"), trained)
    fused = [(name, module.fuse()) for name, module in model.named_modules() if hasattr(module, "fuse")]
    model.update_modules(tree_unflatten(fused))
    result = {}
    for name, value in tree_flatten(model.parameters()):
        if mx.array_equal(value, before[name]).item():
            continue
        # numpy has no bfloat16.
        found = np.array(value.astype(mx.float32))
        result |= {name: found} if base == "stacked-experts" else disk(name, found)
    save_file(result, str(folder / case / "fused.safetensors"))
    (folder / case / "base").write_text(f"{'mlx' if base.endswith('-experts') else 'bases'}/{base}\n")
    print(f"{case}: {len(trained)} tensors, {len(result)} changed")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--only", default="")
    options = arguments.parse_args()
    base_of_experts(options.folder / "separate-experts", True)
    base_of_experts(options.folder / "stacked-experts", False)
    for name in CASES:
        if options.only in name:
            make(name, options.folder)
