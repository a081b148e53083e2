"""Cases whose right result is not PEFT's, and those that one PEFT call does not make."""

import shutil

import numpy as np
import torch
import transformers
from peft import PeftModel, get_peft_model

from . import all_lora, linear, models, second
from .places import base_folder, case_folder
from .plain import read_checkpoint, read_safetensors
from .values import SEED, TORCH_DTYPES, normal

IDS = torch.tensor([[1, 5, 9, 30, 7, 2]])


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS).logits


def live(name):
    """The model with its adapter, not merged."""
    case = all_lora.CASES[name]
    return PeftModel.from_pretrained(models.load(case.base), all_lora.adapter_folder(name))


def as_torch(tensors):
    return {
        name: torch.frombuffer(bytearray(data), dtype=TORCH_DTYPES[dtype]).reshape(shape)
        for name, (dtype, shape, data) in tensors.items()
    }


def same_logits(name, tensors, config, wanted):
    """The right tensors, loaded in F32, must behave as the adapted model does (in F32: within its rounding)."""
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    missing, unexpected = model.load_state_dict({k: v.float() for k, v in as_torch(tensors).items()}, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
    if config.tie_word_embeddings:
        model.tie_weights()
    difference = (logits(model) - wanted).abs().max().item()
    assert difference < 1e-5, f"{name}: logits differ by {difference}"


def untied(name, base, adapters):
    """Embedding and head apart: each with its own delta."""
    base = base | {"lm_head.weight": base["model.embed_tokens.weight"]}
    right = second.merged(base, adapters, peft=False, model_type="llama")
    if all_lora.CASES[name].base.endswith("f32"):
        config = models.CONFIGURATIONS["tiny-tied"]()
        config.tie_word_embeddings = False
        same_logits(name, right, config, logits(live(name)))
    return right


def still_tied(name, base, adapters):
    """The delta of the embedding once; that of the head is the same one."""
    config, tensors = adapters[0]
    tensors = {key: value for key, value in tensors.items() if "lm_head" not in key}
    right = second.merged(base, [(config, tensors)], peft=False, model_type="llama")
    if all_lora.CASES[name].base.endswith("f32"):
        same_logits(name, right, models.CONFIGURATIONS["tiny-tied"](), logits(live(name)))
    return right


def replicate(name):
    """layer_replication: PEFT cannot merge it; the expanded checkpoint is computed here."""
    case = all_lora.CASES[name]
    folder = all_lora.adapter_folder(name)
    all_lora.make_adapter(name, folder, case.lora)
    adapter = all_lora.read_adapter(folder)
    base = read_checkpoint(base_folder(case.base))
    order = [layer for start, end in adapter[0]["layer_replication"] for layer in range(start, end)]
    expanded = {key: value for key, value in base.items() if ".layers." not in key}
    for new, old in enumerate(order):
        for key, value in base.items():
            if key.startswith(f"model.layers.{old}."):
                expanded[key.replace(f"layers.{old}.", f"layers.{new}.")] = value
    right = second.merged(expanded, [adapter], peft=True, model_type="llama")
    assert right == second.merged(expanded, [adapter], peft=False, model_type="llama")
    all_lora.write_tensors(case_folder(name) / "correct" / "model.safetensors", right)
    if case.base.endswith("f32"):
        config = models.CONFIGURATIONS["tiny-llama-layers"]()
        config.num_hidden_layers = len(order)
        config.layer_types = None
        same_logits(name, right, config, logits(live(name)))
    return f"{len(order)} layers from {len(set(order))}"


def converted(name):
    """PiSSA and OLoRA, saved with conversion: plain LoRA of twice the rank."""
    case = all_lora.CASES[name]
    folder, initial = all_lora.adapter_folder(name), case_folder(name) / "initial"
    torch.manual_seed(SEED)
    model = get_peft_model(models.load(case.base), all_lora.configure(case, case.lora))
    for config in model.peft_config.values():
        config.init_lora_weights = True  # as PEFT's documentation says
    model.save_pretrained(initial)
    for config in model.peft_config.values():
        config.init_lora_weights = case.lora["init_lora_weights"]
    nudge(model, name)
    model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(initial))
    shutil.rmtree(initial)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    all_lora.tidy(folder, {})
    all_lora.peft_merge(name, [folder])
    all_lora.MATCHES[name], said = all_lora.compare(name, read_safetensors(all_lora.merged_file(name)), [folder])
    return said


def nudge(model, label):
    """A little training: the factors as initialized, and some noise."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data += normal(f"{label} {name}", parameter.shape, 0.01).to(parameter.dtype)


def residual(name):
    """PiSSA and OLoRA without conversion: PEFT decomposes the base again when it loads the adapter."""
    case = all_lora.CASES[name]
    folder = all_lora.adapter_folder(name)
    torch.manual_seed(SEED)
    model = get_peft_model(models.load(case.base), all_lora.configure(case, case.lora))
    nudge(model, name)
    model.save_pretrained(folder)
    all_lora.tidy(folder, {})
    all_lora.peft_merge(name, [folder])
    all_lora.MATCHES[name] = "decomposed"
    found = read_safetensors(all_lora.merged_file(name))
    base, (config, tensors) = read_checkpoint(base_folder(case.base)), all_lora.read_adapter(folder)
    layers = second.Adapter(config, tensors).layers
    worst = 0.0
    for layer in layers:
        key = f"{layer}.weight"
        rank, scale = second.scaling(config, layer)
        weight = second.widen(base[key]).astype(np.float64)
        if config["init_lora_weights"] == "pissa":
            u, s, v = np.linalg.svd(weight, full_matrices=False)
            top = (u[:, :rank] * s[:rank]) @ v[:rank]
        else:
            q, r = np.linalg.qr(weight)
            top = scale * q[:, :rank] @ r[:rank]
        base[key] = second.tensor((weight - top).astype(np.float32), base[key][0])
    expected = second.merged(base, [(config, tensors)], peft=True, model_type="llama")
    different = total = 0
    for key in found:
        one, two = second.widen(found[key]), second.widen(expected[key])
        different, total = different + int((one != two).sum()), total + one.size
        worst = max(worst, float(np.abs(one - two).max()))
        assert np.allclose(one, two, rtol=0, atol=2e-7 if case.base.endswith("f32") else 1e-3), (name, key)
    return f"close: {different} of {total} elements differ by up to {worst:.1e} from a residual computed in double"


def kasa(name):
    """KaSA: the base without its r smallest singular values, rounded, then the delta, rounded, then their sum."""
    case = all_lora.CASES[name]
    folder = all_lora.adapter_folder(name)
    all_lora.make_adapter(name, folder, case.lora)
    all_lora.peft_merge(name, [folder])
    all_lora.MATCHES[name] = "decomposed"
    found = read_safetensors(all_lora.merged_file(name))
    base, (config, tensors) = read_checkpoint(base_folder(case.base)), all_lora.read_adapter(folder)
    different = total = 0
    for layer, parts in second.Adapter(config, tensors).layers.items():
        key = f"{layer}.weight"
        rank, scale = second.scaling(config, layer)
        dtype = base[key][0]
        u, s, v = np.linalg.svd(second.widen(base[key]).astype(np.float64), full_matrices=False)
        kept = second.rounded(((u[:, :-rank] * s[:-rank]) @ v[:-rank]).astype(np.float32), dtype)
        b = second.widen(parts["lora_B"]) * second.widen(parts["lora_diag"])
        delta = second.product_in_order(b, second.widen(parts["lora_A"])) * np.float32(scale)
        expected = second.widen(second.tensor(kept + second.rounded(delta, dtype), dtype))
        one = second.widen(found[key])
        different, total = different + int((one != expected).sum()), total + one.size
        assert np.allclose(one, expected, rtol=0, atol=5e-7 if dtype == "F32" else 2e-3), (name, np.abs(one - expected).max())
    return f"close: {different} of {total} elements differ from a truncation computed in double"


# ---------------------------------------------------------------------------------------------
# Several adapters
# ---------------------------------------------------------------------------------------------


def several(name):
    """`add_weighted_adapter` of two adapters; the second implementation combines the factors itself."""
    case = all_lora.CASES[name]
    folders = [base_of(name, number) for number in range(2)]
    weights, kind = case.more["weights"], case.more["combine"]
    options = {key: case.more[key] for key in ("density", "majority_sign_method") if key in case.more}
    torch.manual_seed(SEED)
    model = PeftModel.from_pretrained(models.load(case.base), folders[0], adapter_name="a")
    model.load_adapter(folders[1], adapter_name="b")
    model.add_weighted_adapter(["a", "b"], weights, "both", combination_type=kind, **options)
    model.set_adapter("both")
    merged = model.merge_and_unload(adapter_names=["both"])
    models.save(merged, all_lora.merged_file(name).parent, only_weights=True)
    found = read_safetensors(all_lora.merged_file(name))
    base = read_checkpoint(base_folder(case.base))
    if kind.startswith("dare") and case.more["density"] < 1:
        all_lora.MATCHES[name] = "random"
        return "random: not compared"
    expected = dict(base)
    adapters = [all_lora.read_adapter(folder) for folder in folders]
    layers = [second.Adapter(*adapter).layers for adapter in adapters]
    for layer in layers[0]:
        parts = []
        for (config, _), table, weight in zip(adapters, layers, weights, strict=True):
            _, scale = second.scaling(config, layer)
            a, b = second.widen(table[layer]["lora_A"]), second.widen(table[layer]["lora_B"])
            parts.append((a, b, weight, scale))
        a, b = combine(kind, parts, **options)
        key = f"{layer}.weight"
        dtype = base[key][0]
        if kind == "cat":  # PEFT copies the factors into those of the dtype of the base
            a, b = second.rounded(a, dtype), second.rounded(b, dtype)
        delta = second.product_in_order(b, a)
        delta = second.rounded(delta, dtype) if kind == "cat" else delta
        expected[key] = second.tensor(second.widen(base[key]) + delta, dtype)
    different = total = 0
    tolerance = 1e-6 if case.base.endswith("f32") else 1e-3
    for key in found:
        one, two = second.widen(found[key]), second.widen(expected[key])
        different, total = different + int((one != two).sum()), total + one.size
        assert np.allclose(one, two, rtol=0, atol=tolerance), (name, key, np.abs(one - two).max())
    all_lora.MATCHES[name] = "decomposed" if different or kind.endswith("svd") else "peft"
    return f"{different} of {total} elements differ from the second implementation"


def base_of(name, number):
    return all_lora.adapter_folder(all_lora.CASES[name].more["from"][number])


def combine(kind, parts, density=None, majority_sign_method="total"):
    if kind == "cat":
        return (
            np.concatenate([a * np.float32(weight) * np.float32(scale) for a, _, weight, scale in parts]),
            np.concatenate([b for _, b, _, _ in parts], axis=1),
        )
    if kind.endswith("svd"):  # in double; PEFT's is of fp32
        deltas = [weight * scale * (b.astype(np.float64) @ a) for a, b, weight, scale in parts]
        if kind != "svd":
            inner = {"ties_svd": "ties", "dare_ties_svd": "ties", "magnitude_prune_svd": "prune"}.get(kind, "linear")
            deltas = [(b @ a) * np.float32(scale) for a, b, _, scale in parts]
            deltas = [combine_factor(inner, deltas, [weight for _, _, weight, _ in parts], density, majority_sign_method)]
        u, s, v = np.linalg.svd(sum(deltas), full_matrices=False)
        rank = max(a.shape[0] for a, _, _, _ in parts)
        return v[:rank].astype(np.float32), (u[:, :rank] * s[:rank]).astype(np.float32)
    parts = [(a, b, weight * scale) for a, b, weight, scale in parts]
    roots = [np.float32(np.sqrt(abs(g))) for _, _, g in parts]
    signs = [np.float32(np.sign(g)) for _, _, g in parts]
    tensors_a, tensors_b = [a for a, _, _ in parts], [b for _, b, _ in parts]
    weights_a = [sign * root for sign, root in zip(signs, roots, strict=True)]
    return (
        combine_factor(kind, tensors_a, weights_a, density, majority_sign_method),
        combine_factor(kind, tensors_b, roots, density, majority_sign_method),
    )


def combine_factor(kind, tensors, weights, density, method):
    if kind != "linear":
        tensors = [trim(tensor, density) for tensor in tensors]
    weighted = [tensor * weight for tensor, weight in zip(tensors, weights, strict=True)]
    if kind != "ties":
        total = weighted[0]
        for value in weighted[1:]:
            total = total + value
        return total
    votes = sum(tensors) if method == "total" else sum(np.sign(tensor) for tensor in tensors)
    elected = np.where(votes >= 0, 1, -1)
    masks = [np.sign(tensor) == elected for tensor in tensors]
    count = sum(mask.astype(np.float32) for mask in masks)
    total = sum(value * mask for value, mask in zip(weighted, masks, strict=True))
    return (total / np.maximum(count, 1)).astype(np.float32)


def trim(tensor, density):
    keep = int(density * tensor.size)
    order = np.argsort(-np.abs(tensor).reshape(-1), kind="stable")[:keep]
    result = np.zeros(tensor.size, np.float32)
    result[order] = tensor.reshape(-1)[order]
    return result.reshape(tensor.shape)


# ---------------------------------------------------------------------------------------------
# Adapters that linear.py makes
# ---------------------------------------------------------------------------------------------


def made(name):
    """The merged file of a case whose adapter linear.py makes."""
    case = all_lora.CASES[name]
    linear.make(name)
    folder = all_lora.adapter_folder(name)
    linear.merge(case.base, folder, all_lora.merged_file(name).parent)
    all_lora.MATCHES[name], said = all_lora.compare(name, read_safetensors(all_lora.merged_file(name)), [folder])
    return f"{said}, {all_lora.MATCHES[name]} {case.feature}"
