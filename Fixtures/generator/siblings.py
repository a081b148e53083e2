"""Small models and adapters by transformers and PEFT, for square weights and for modules that are saved whole.

python generator/siblings.py OUTPUT writes OUTPUT/NAME/{base,adapter,merged}: what PEFT's merge_and_unload makes of the
adapter, before the base and the adapter were changed as the case says (a model_type that nobody knows, no config.json,
another fan_in_fan_out).
"""
import json
import os
import shutil
import sys

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers.pytorch_utils import Conv1D

WIDTH = 16


def fill(module, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(module.named_parameters()):
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)


class Block(torch.nn.Module):
    """Attention and MLP of one layer as a remote model has them."""

    def __init__(self, layer, bias, names):
        super().__init__()
        make = (lambda i, o: Conv1D(o, i)) if layer == "conv" else (lambda i, o: torch.nn.Linear(i, o, bias=bias))
        self.attn = torch.nn.Module()
        for name, scale in names:
            linear = make(WIDTH, scale * WIDTH)
            if not bias and layer == "conv":
                linear.bias = None
            setattr(self.attn, name, linear)


class Remote(torch.nn.Module):
    def __init__(self, layer, bias, names):
        super().__init__()
        self.h = torch.nn.ModuleList([Block(layer, bias, names)])


def gpt2(**kwargs):
    config = transformers.GPT2Config(
        vocab_size=20, n_positions=8, n_embd=WIDTH, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0, **kwargs)
    return transformers.GPT2LMHeadModel(config)


def bigcode():
    config = transformers.GPTBigCodeConfig(
        vocab_size=20, n_positions=8, n_embd=WIDTH, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    return transformers.GPTBigCodeForCausalLM(config)


def imagegpt():
    config = transformers.ImageGPTConfig(vocab_size=20, n_positions=8, n_embd=WIDTH, n_layer=1, n_head=2)
    return transformers.ImageGPTForCausalImageModeling(config)


def decision():
    config = transformers.DecisionTransformerConfig(
        state_dim=3, act_dim=2, hidden_size=WIDTH, max_ep_len=8, n_layer=1, n_head=2, n_positions=8)
    return transformers.DecisionTransformerModel(config)


def roberta():
    config = transformers.RobertaConfig(
        vocab_size=20, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=10, num_labels=3)
    return transformers.RobertaForSequenceClassification(config)


def llama_cls():
    config = transformers.LlamaConfig(
        vocab_size=20, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24, num_labels=3,
        pad_token_id=0)
    return transformers.LlamaForSequenceClassification(config)


def llama():
    config = transformers.LlamaConfig(
        vocab_size=20, hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2, intermediate_size=24,
        tie_word_embeddings=False)
    return transformers.LlamaForCausalLM(config)


# name: model, fields of LoraConfig, changes: model_type (None: no config.json), flag, extra tensors of the base
CASES = {
    # Square alone; the base's biases tell.
    "square-alone": (gpt2, dict(target_modules=["attn.c_proj"]), dict(type="jais", flag=False)),
    "square-no-config": (gpt2, dict(target_modules=["attn.c_proj"]), dict(type=None, flag=False)),
    "square-linear": (bigcode, dict(target_modules=["attn.c_proj"]), dict(type="codeshell", flag=True)),
    "square-linear-known": (bigcode, dict(target_modules=["attn.c_proj"]), dict(flag=True)),
    "square-imagegpt": (imagegpt, dict(target_modules=["attn.c_proj"]), dict(flag=False)),
    "square-decision": (decision, dict(target_modules=["attn.c_proj"]), dict(flag=False)),
    "square-dora": (gpt2, dict(target_modules=["attn.c_proj"], use_dora=True), dict(type="jais", flag=False)),
    # No bias; the width of the model tells, or the adapter's other modules.
    "square-width": (
        lambda: Remote("conv", False, [("c_attn", 3), ("c_proj", 1)]), dict(target_modules=["c_proj"]),
        dict(config={"model_type": "remote", "n_embd": WIDTH}, flag=False)),
    "square-block": (
        lambda: Remote("conv", False, [("qkv", 3), ("out", 1)]), dict(target_modules=["qkv", "out"]),
        dict(config={"model_type": "remote"}, flag=True)),
    "square-block-linear": (
        lambda: Remote("linear", False, [("qkv", 3), ("out", 1)]), dict(target_modules=["qkv", "out"]),
        dict(config={"model_type": "remote"}, flag=False)),
    # Nothing but squares.
    "square-conv-only": (
        lambda: Remote("conv", True, [("c_proj", 1)]), dict(target_modules=["c_proj"]),
        dict(config={"model_type": "remote"})),
    "square-undecided": (
        lambda: Remote("conv", True, [("c_proj", 1), ("q_attn", 1)]), dict(target_modules=["c_proj", "q_attn"]),
        dict(config={"model_type": "remote"}, flag=False)),
    # Modules that are saved.
    "saved-roberta-head": (
        roberta, dict(target_modules=["query", "dense", "out_proj"], modules_to_save=["classifier"]), {}),
    "saved-two-heads": (llama_cls, dict(target_modules=["q_proj"], task_type="SEQ_CLS"), {}),
    "saved-mtp": (
        llama, dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head", "input_layernorm"]),
        dict(extra={
            "model.layers.1.embed_tokens.weight": (20, WIDTH), "model.layers.1.eh_proj.weight": (WIDTH, 2 * WIDTH),
            "model.layers.1.input_layernorm.weight": (WIDTH,), "model.layers.1.shared_head.lm_head.weight": (20, WIDTH),
            "mtp.embed_tokens.weight": (20, WIDTH), "mtp.layers.0.input_layernorm.weight": (WIDTH,)})),
}


def make(name, folder):
    build, fields, changes = CASES[name]
    torch.manual_seed(0)
    model = build().eval()
    fill(model, len(name))
    base, adapter, merged = (os.path.join(folder, name, part) for part in ("base", "adapter", "merged"))
    shutil.rmtree(os.path.join(folder, name), ignore_errors=True)
    os.makedirs(base)
    state = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
    is_remote = isinstance(model, Remote)
    if is_remote:
        save_file(state, os.path.join(base, "model.safetensors"), metadata={"format": "pt"})
        json.dump(changes["config"], open(os.path.join(base, "config.json"), "w"))
    else:
        model.save_pretrained(base)
    peft = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, **fields)).eval()
    fill(torch.nn.ParameterList([p for n, p in peft.named_parameters() if "lora_" in n or p.requires_grad]), 7)
    peft.save_pretrained(adapter)
    os.makedirs(merged)
    result = {}
    if is_remote:
        done = peft.merge_and_unload()
        result = {k: v.contiguous() for k, v in done.state_dict().items()}
        save_file(result, os.path.join(merged, "model.safetensors"), metadata={"format": "pt"})
    else:
        again = PeftModel.from_pretrained(type(model).from_pretrained(base), adapter)
        done = again.merge_and_unload()
        done.save_pretrained(merged)
    for extra in ("README.md", "generation_config.json"):
        for part in (base, adapter, merged):
            if os.path.exists(os.path.join(part, extra)):
                os.remove(os.path.join(part, extra))
    if os.path.exists(os.path.join(merged, "config.json")):
        os.remove(os.path.join(merged, "config.json"))
    change(base, adapter, merged, changes)


def change(base, adapter, merged, changes):
    path = os.path.join(base, "config.json")
    if "type" in changes:
        if changes["type"] is None:
            os.remove(path)
        else:
            config = json.load(open(path))
            config["model_type"] = changes["type"]
            json.dump(config, open(path, "w"), indent=2)
    path = os.path.join(adapter, "adapter_config.json")
    config = json.load(open(path))
    if "flag" in changes:
        config["fan_in_fan_out"] = changes["flag"]
    config["base_model_name_or_path"] = None
    json.dump(config, open(path, "w"), indent=2, sort_keys=True)
    if "extra" in changes:
        for folder in (base, merged):
            path = os.path.join(folder, "model.safetensors")
            tensors = load_file(path)
            for number, (name, shape) in enumerate(changes["extra"].items()):
                tensors[name] = torch.randn(shape, generator=torch.Generator().manual_seed(number)) * 0.1
            save_file(tensors, path, metadata={"format": "pt"})


if __name__ == "__main__":
    for name in sys.argv[2:] or CASES:
        make(name, sys.argv[1])
        print(name)
